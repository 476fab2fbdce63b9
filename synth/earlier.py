"""Earlier runs that a run takes account of: what they planned, and what they published.

A run that names them (`known`) plans none of their rows again, and publishes no query that says what one of theirs says. So
a nightly run asks for new documents only, and the parts of a corpus that were run apart can be put together.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import yaml

from synth import store
from synth.errors import InputError
from synth.figures import PUBLISH
from synth.files import sha256
from synth.schemas import DATASET as DATASET_ROWS
from synth.schemas import KNOWN, table
from synth.stage import Fold
from synth.store import Manifest

DATASET, RELEASES, WITHDRAWN = "dataset", "releases", "withdrawn.parquet"
_CORPUS, _PLAN = "corpus", "plan"
Ids = npt.NDArray[np.bytes_]


@dataclass(frozen=True)
class Earlier:
    """A finished run."""

    folder: Path
    corpus: Path
    """Folder of its passages."""
    planned: Path
    """Folder of its plan."""
    plan: Manifest
    dataset: Manifest

    @property
    def content(self) -> list[str]:
        """Hashes of what it planned and published: wherever the run lies, it is the same one."""
        return [self.plan.content, self.dataset.content]


def finished(folder: Path) -> Earlier:
    """Return a finished run. Raises InputError when there is none in the folder."""
    try:
        described = yaml.safe_load((folder / "run.yaml").read_text(encoding="utf-8"))
        passages, planned = (folder / f"{name}-{described['stages'][name]}" for name in (_CORPUS, _PLAN))
        published = str(described["stages"][PUBLISH])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(
            f"known: {folder}: there is no run in it: {type(error).__name__}: {error}",
            fix="give the folders of runs, such as outputs/NAME",
        ) from error
    plan, dataset = store.manifest(planned), store.manifest(folder / DATASET)
    if plan is None or dataset is None or dataset.fingerprint != published:
        raise InputError(
            f"known: {folder}: the run is not finished, or its stage `plan` is no longer there",
            fix="run it to its end first: what it planned and published must be known",
        )
    return Earlier(folder, passages, planned, plan, dataset)


def releases(folder: Path) -> list[Earlier]:
    """Return the finished releases of a dataset that grows (synth/series.py), in order; none of another run's folder."""
    found = list[Earlier]()
    while (folder / RELEASES / f"{len(found) + 1:04d}" / DATASET).exists():
        found.append(finished(folder / RELEASES / f"{len(found) + 1:04d}"))
    return found


def whole(folder: Path) -> Fold | None:
    """Return the dataset of all releases as a stage: what may be verified, exported and published. Null for a run's folder."""
    made_of = releases(folder)
    if not made_of:
        return None
    withdrawn = folder / WITHDRAWN
    return Fold(
        name=PUBLISH,
        does="put the releases together",
        writes=DATASET_ROWS,
        settings={
            "releases": [one.content for one in made_of],
            "withdrawn": sha256(withdrawn) if withdrawn.exists() else "",
        },
        fixed_folder=DATASET,
        fn=lambda shards, workspace: {},
        same_rows=True,
    )


def rows(runs: Sequence[Earlier]) -> Iterator[pa.Table]:
    """Yield tables of schema KNOWN: the rows that were planned, without a query, then those that were published."""
    for run in runs:
        for part in run.plan.parts:
            ids = store.read_checked(run.planned, part, ["id"]).column("id").to_pylist()
            yield table(KNOWN, ({"row": name, "task": "", "query": None} for name in ids))
    for run in runs:
        for part in run.dataset.parts:
            if part.name.startswith("data/"):
                found = store.read_checked(run.folder / DATASET, part, ["id", *KNOWN.names[1:]])
                yield found.rename_columns(KNOWN.names).cast(KNOWN)


def planned(tables: Iterable[pa.Table]) -> Ids:
    """Return the ids of all rows that were planned, sorted: 20 bytes each. `tables` are of schema KNOWN."""
    found = [np.zeros(0, "S20")]
    found += [np.array(rows.filter(rows.column("query").is_null()).column("row").to_pylist(), "S20") for rows in tables]
    return np.sort(np.concatenate(found))


def among(ids: Sequence[str], known: Ids) -> npt.NDArray[np.bool_]:
    """Say of each id whether it is among sorted ones: bool [n]."""
    names = np.array(ids, "S20")
    places = np.searchsorted(known, names)
    found = places < len(known)
    found[found] = known[places[found]] == names[found]
    return found
