"""A dataset that grows: releases, each a run over what was new, put together without touching what is there.

    outputs/<name>/
      releases/0001/, 0002/ …         runs as any other; each knows those before it (`known`), and has only its own rows
      responses/, vectors/, reranks/  shared by all of them
      withdrawn.parquet               passages that are no longer in the corpus, as of the last `--prune`
      dataset/                        what one publishes: all releases' shards, the card and figures of the whole

A shard of a release is linked into the dataset, never written again, but for one that has rows to withdraw.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth import accounts, card, earlier, pipeline, plugins, releases, runs, store
from synth.config import Config
from synth.errors import ConfigError, InputError, StoreError
from synth.executors import Display
from synth.figures import SCORED, Step, Tally
from synth.files import as_store_error, fresh_folder, remove, replace_folder, write_atomically
from synth.ledger import File
from synth.lock import owned
from synth.schemas import OK
from synth.stages import publish
from synth.stop import Stop

_SHARED = ("responses", "vectors", "reranks")
_IDS = pa.schema([pa.field("id", pa.string(), nullable=False)])
_LISTS = ("negatives", "negative_ids", "negative_scores", "negative_kinds", "negative_similarities", "negative_reranks")


@dataclass(frozen=True)
class Update:
    """What an update came to."""

    release: int
    """Number of the newest release, this one if there was anything new."""
    planned: int
    added: int
    withdrawn: int
    """Rows that are no longer in the dataset, of all releases."""
    rows: int
    """Of the whole dataset."""
    untouched: int
    """Files of the dataset that were there before, and are the same."""
    written: int
    dataset: Path
    account: accounts.Account
    """Of the rows of this release; of none if there was nothing new."""

    @property
    def nothing(self) -> bool:
        return not (self.planned or self.written)


def update(config: Config, display: Display, stop: Stop | None = None, *, prune: bool = False) -> Update:
    """Run what is new of the corpus, or go on with a release that was begun, and put the dataset together.

    With `prune`, rows of passages that the corpus no longer has are withdrawn, and such passages from among the negatives of
    others. Raises SynthError, as a run does; Stopped ends it early and whole.
    """
    if config.targets:
        raise ConfigError(
            "update: with targets, passages of releases before would be asked for more, to make up for what is short",
            fix="say by tasks.<name>.rows_per_passage what is written of each passage, and remove targets",
        )
    with owned(config.folder):
        done = earlier.releases(config.folder)
        release = _release(config, done)
        planned, ids = (0, None) if _is_same(config, release, done) else _planned(release, display, stop)
        if prune:
            _withdraw(config.folder, done, ids if ids is not None else _passages(done[-1]))
        account = accounts.Account(0, 0, {}, {})
        if planned:
            account = runs.run(release, display, stop).account
            done.append(earlier.finished(release.folder))
        elif not done:
            raise InputError(
                f"{config.folder}: the corpus gives no row to write", fix="see what `synth plan` says of the config"
            )
        elif release.folder.exists():
            remove(release.folder)
        return _assemble(config, done, account)


def so_far(config: Config) -> accounts.Account:
    """Draw up what is known of a release that has ended early."""
    return runs.so_far(releases.following(config, earlier.releases(config.folder)))


def _release(config: Config, done: Sequence[earlier.Earlier]) -> Config:
    """Return the config of the next release, and make its folder."""
    release = releases.following(config, done)
    with as_store_error(f"{release.folder}: cannot be made"):
        release.folder.mkdir(parents=True, exist_ok=True)
        for name in _SHARED:
            (config.folder / name).mkdir(exist_ok=True)
            if not (release.folder / name).is_symlink():
                (release.folder / name).symlink_to(Path("..", "..", name))
    return release


def _is_same(config: Config, release: Config, done: Sequence[earlier.Earlier]) -> bool:
    """Whether the last release would be planned as it was: no file of the corpus and nothing of the plan has changed."""
    if not done or (release.folder / "run.yaml").exists():  # the release has been begun
        return False
    return pipeline.build(releases.following(config, done[:-1])).plan.fingerprint == done[-1].plan.fingerprint


def _planned(release: Config, display: Display, stop: Stop | None) -> tuple[int, earlier.Ids]:
    """Return how many rows the release plans, and the passages that the corpus has now, sorted. The engine is not started to
    find out."""
    built = pipeline.build(release)
    with owned(release.folder), plugins.load("executors", release.executor.kind).open(release.executor) as execute:
        store.sweep(release.folder)
        execute(built.stages[: built.stages.index(built.plan) + 1], release.folder, display, stop)
    passages = _ok(
        release.folder / built.corpus.folder, store.finished(release.folder / built.corpus.folder, built.corpus)
    )
    return sum(store.finished(release.folder / built.plan.folder, built.plan).counts.values()), passages


def _passages(release: earlier.Earlier) -> earlier.Ids:
    """Return the passages that the corpus had when a release was made, sorted."""
    manifest = store.manifest(release.corpus)
    if manifest is None:
        raise StoreError(
            f"{release.corpus}: the passages of the last release are no longer there",
            fix="`--prune` needs them; change any file of the corpus, and it is read again",
        )
    return _ok(release.corpus, manifest)


def _ok(folder: Path, manifest: store.Manifest) -> earlier.Ids:
    found = [np.zeros(0, "S20")]
    for part in manifest.parts:
        rows = store.read_checked(folder, part, ["id", "status"])
        found.append(np.array(rows.filter(pc.equal(rows.column("status"), OK)).column("id").to_pylist(), "S20"))
    return np.sort(np.concatenate(found))


def _withdraw(folder: Path, done: Sequence[earlier.Earlier], passages: earlier.Ids) -> None:
    """Note which passages of published rows the corpus no longer has."""
    gone = set[str]()
    for one, part in _shards(done, "data/"):
        rows = store.read_checked(one.folder / earlier.DATASET, part, ["passage_id", "negative_ids"])
        ids = pa.concat_arrays(
            [*rows.column("passage_id").chunks, *pc.list_flatten(rows.column("negative_ids")).chunks]
        )
        used = [name for name in ids.unique().to_pylist() if name]
        gone |= {name for name, there in zip(used, earlier.among(used, passages), strict=True) if not there}
    write_atomically(folder / earlier.WITHDRAWN, store.to_parquet(pa.table({"id": sorted(gone)}, schema=_IDS)))


def _shards(done: Sequence[earlier.Earlier], folder: str) -> Iterator[tuple[earlier.Earlier, File]]:
    for one in done:
        for part in one.dataset.parts:
            if part.name.startswith(folder) and part.rows:
                yield one, part


def _assemble(config: Config, done: Sequence[earlier.Earlier], account: accounts.Account) -> Update:
    """Put the dataset together beside the one that is there, and in its place when it is whole."""
    folder = config.folder / earlier.DATASET
    path = config.folder / earlier.WITHDRAWN
    gone = pa.array(pq.read_table(path).column("id").to_pylist() if path.exists() else [], pa.string())
    making = fresh_folder(folder)
    tally, samples = Tally(), list[tuple[int, dict[str, Any]]]()
    before, names, out, graded = 0, list[str](), set[str](), Counter[str]()
    told: dict[str, dict[str, int]] = {one.folder.name: {"rows": 0, "withdrawn": 0} for one in done}
    for one, part in (*_shards(done, "data/"), *_shards(done, f"{SCORED}/")):
        place, name = Path(part.name).parent, Path(part.name).name
        split, _, rest = name.partition("-")
        target = making / place / f"{split}-{one.folder.name}-{rest}"
        target.parent.mkdir(exist_ok=True)
        rows = store.read_checked(one.folder / earlier.DATASET, part)
        if place.name == "data":
            left = _left(rows, gone)
            out |= {*rows.column("id").to_pylist()} - {*left.column("id").to_pylist()}
        else:
            left = rows.filter([name not in out for name in rows.column("id").to_pylist()]) if out else rows
            graded[split] += left.num_rows
        if left.num_rows == rows.num_rows and left.equals(rows):
            _link(one.folder / earlier.DATASET / part.name, target)
        elif left.num_rows:
            write_atomically(target, store.to_parquet(left))
        if left.num_rows:
            names.append(str(target.relative_to(making)))
        if place.name == "data":
            tally.add(split, left)
            samples = publish.sample(samples, left)
            told[one.folder.name]["rows"] += left.num_rows
            told[one.folder.name]["withdrawn"] += rows.num_rows - left.num_rows
            before += rows.num_rows
    _describe(
        config,
        making,
        done,
        tally,
        {split: n for split, n in graded.items() if n},
        [row for _, row in samples],
        told,
    )
    same = [name for name in names if _is_equal(making / name, folder / name)]
    changed, kept = len(names) - len(same), tally.rows.total()
    gone_files = [p for p in folder.rglob("*.parquet") if not (making / p.relative_to(folder)).exists()]
    if changed or gone_files or not folder.exists():
        replace_folder(making, folder)
    else:
        shutil.rmtree(making)
    return Update(
        len(done), account.planned, account.written, before - kept, kept, len(same), changed + len(gone_files), folder, account
    )  # fmt: skip


def _left(rows: pa.Table, gone: pa.Array) -> pa.Table:
    """Return the rows of a shard (schemas.DATASET) whose passage is not withdrawn, without negatives that are."""
    if not len(gone):
        return rows
    rows = rows.filter(pc.invert(pc.is_in(rows.column("passage_id"), value_set=gone)))
    taken = set(gone.to_pylist())
    ids = rows.column("negative_ids").to_pylist()
    if not any(name in taken for row in ids for name in row):
        return rows
    for column in _LISTS:
        kept = [
            [value for value, name in zip(values, names, strict=True) if name not in taken]
            for values, names in zip(rows.column(column).to_pylist(), ids, strict=True)
        ]
        field = rows.schema.field(column)
        rows = rows.set_column(rows.schema.get_field_index(column), field, pa.array(kept, field.type))
    return rows


def _link(source: Path, target: Path) -> None:
    with as_store_error(f"{target}: cannot be made"):
        try:
            os.link(source, target)
        except OSError:  # a file system without links
            shutil.copyfile(source, target)


def _is_equal(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and (one.samefile(other) or one.read_bytes() == other.read_bytes())


def _describe(
    config: Config,
    folder: Path,
    done: Sequence[earlier.Earlier],
    tally: Tally,
    graded: Mapping[str, int],
    samples: Sequence[Mapping[str, Any]],
    told: Mapping[str, Mapping[str, int]],
) -> None:
    """Write the card and stats.json of the whole. Rows and texts are counted anew; what became of planned rows is summed."""
    said = [json.loads((one.folder / earlier.DATASET / "stats.json").read_text(encoding="utf-8")) for one in done]
    figures = tally.summary(config.negatives.per_query)
    figures["models"] = {card.public_name(name): rows for name, rows in figures["models"].items()}
    figures[SCORED] = dict(graded)
    for name in ("by_task", "spent"):
        figures[name] = _sum([one[name] for one in said])
    figures["benchmarks"] = said[-1]["benchmarks"]
    figures["releases"] = [
        {"release": int(name), **found, "planned": _planned_of(one)}
        for (name, found), one in zip(told.items(), said, strict=True)
    ]
    steps = [Step(**step) for step in said[-1]["funnel"]]
    page = card.card(card.facts(config), figures, steps, samples, card.content_of(folder))
    (folder / "README.md").write_text(page, encoding="utf-8")
    stats = {**figures, "funnel": [asdict(step) for step in steps]}
    text = json.dumps(stats, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / "stats.json").write_text(text + "\n", encoding="utf-8")
    stage = earlier.whole(config.folder)
    assert stage
    store.finish(folder, stage, tally.rows, store.describe(folder, store.digest()))


def _planned_of(stats: Mapping[str, Any]) -> int:
    return sum(row["planned"] for languages in stats["by_task"].values() for row in languages.values())


def _sum(parts: Sequence[Any]) -> Any:
    """Add up numbers in dictionaries of one shape."""
    if not isinstance(parts[0], dict):
        return sum(parts)
    names = sorted({name for part in parts for name in part})
    return {name: _sum([part[name] for part in parts if name in part]) for name in names}
