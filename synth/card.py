"""The dataset card: a YAML header for the Hub, and a page that a colleague can use.

Everything that is printed into the page is escaped, by default and in one place (`finalize`): queries, titles and
personas were written by a model or by strangers, and a licence or path was typed by hand. Nothing in the page depends
on the time or on the machine.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from synth import __version__
from synth.config import Config
from synth.figures import Step
from synth.files import sha256
from synth.objects import is_url
from synth.schemas import DATASET, SCORED_PAIRS
from synth.visible import one_line

_TEMPLATE = Path(__file__).parent / "data" / "card.md.j2"
_SIZES = [(10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M")]
_SIZES += [(10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B")]
_CATEGORIES = {
    "retrieval": "text-retrieval",
    "code": "text-retrieval",
    "bitext": "translation",
    "classification": "text-classification",
}
"""The Hub's categories of tasks; those not listed are `sentence-similarity`."""
# Licences that the Hub knows by id and that data is published under; any other is `other`, with its name beside it.
_LICENCES = re.compile(
    r"apache-2\.0|mit|bsd-3-clause|a?gpl-3\.0|unlicense|odbl|odc-by|pddl|cdla-permissive-2\.0|cc|cc0-1\.0|"
    r"cc-by(-nc)?(-sa)?-3\.0|cc-by(-nc)?(-sa|-nd)?-4\.0|other|unknown"
)
# What Markdown, HTML or a template engine could take for its own; a slash after a colon would start a link.
_MARKUP = re.compile(r"[&<>|`*\[\]~$\\{}#@^]|(?<!\w)_|_(?!\w)|(?<=:)/|(?<=www)\.", re.IGNORECASE)


class _Ours(str):
    """Text that this module wrote, or has escaped: printed as it is."""

    __slots__ = ()


def escape(text: str, limit: int = 1000) -> str:
    """Make any text one line of plain Markdown that reads as the text does, in a table's cell too."""
    return _Ours(_MARKUP.sub(lambda found: f"&#{ord(found[0])};", one_line(text, limit)))


def facts(config: Config) -> dict[str, Any]:
    """Return what the card says of the run: JSON, and free of absolute paths, since another machine's run is equal."""
    corpus, personas = config.corpus, config.personas
    return {
        "name": config.name,
        "version": __version__,
        "seed": config.seed,
        "licence": config.publish.licence,
        "corpus": _source(corpus.dataset, corpus.config, corpus.revision) or public_name(corpus.path or ""),
        "corpus_licence": corpus.licence,
        "personas": _source(personas.dataset, personas.config, personas.revision)
        or (public_name(personas.path) if personas.path else "synth's own library"),
        "personas_licence": personas.licence or "CC0-1.0",
        "engine": config.engine.kind,
        "embedder": public_name(str(getattr(config.embedder, "model", None) or config.embedder.kind)),
        "reranker": public_name(str(getattr(config.reranker, "model", None) or config.reranker.kind))
        if config.reranker
        else "",
        "validation": config.publish.validation,
        "rules": {
            f"{name}.{key}": value
            for name in (
                "score",
                "dedup",
                *(["judge"] if config.reranker else []),
                "negatives",
                *(["decontamination"] if config.decontamination.benchmarks else []),
            )
            for key, value in getattr(config, name).model_dump(mode="json", exclude={"benchmarks"}).items()
        },
        "template": hashlib.blake2b(_TEMPLATE.read_bytes(), digest_size=6).hexdigest(),
    }


def _source(dataset: str | None, config: str | None, revision: str | None) -> str | None:
    return " ".join(part for part in (dataset, config, revision and f"at {revision}") if part) if dataset else None


def public_name(path: str) -> str:
    """Return a model's or dataset's name; of a path outside the working folder or in a store, its last part only."""
    return Path(path).name if path.startswith(("/", "~", "..")) or is_url(path) else path


def card(
    facts: Mapping[str, Any], figures: Mapping[str, Any], funnel: Sequence[Step], samples: Iterable[Mapping[str, Any]],
    content: str,
) -> str:  # fmt: skip
    """Write README.md. `figures` is what `Tally.summary` returns, `samples` are rows of schema DATASET, `content` is what
    `content_of` says of the folder's files."""
    environment = SandboxedEnvironment(
        undefined=StrictUndefined, finalize=_finalize, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {
        "short": escape,
        "names": _names,
        "counts": _counts,
        "thousands": lambda number: _Ours(f"{number:,}"),
    }
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        header=_Ours(header(facts, figures, content)),
        facts=facts,
        figures=figures,
        funnel=funnel,
        samples=samples,
        fields=[(name, DATASET.field(name).metadata[b"doc"].decode()) for name in DATASET.names],
    )


def _finalize(value: Any) -> Any:
    return value if isinstance(value, _Ours | int | float) else escape(str(value))


def _names(names: Iterable[str]) -> str:
    """List names, an empty one (of a column that a task does not fill) as a dash."""
    return _Ours(", ".join(escape(name or "–") for name in names) or "–")


def _counts(counts: Mapping[str, int]) -> str:
    return _Ours(", ".join(f"{escape(name or '–')} {number:,}" for name, number in counts.items()) or "–")


def content_of(folder: Path) -> str:
    """Return a hash of the folder's Parquet files and their names."""
    files = sorted(folder.glob("*/*.parquet"))
    return hashlib.sha256("".join(f"{file.name}\0{sha256(file)}\0" for file in files).encode()).hexdigest()[:16]


def header(facts: Mapping[str, Any], figures: Mapping[str, Any], content: str) -> str:
    """Write the YAML header that the Hub and `datasets` read.

    Of a local folder, the cache of `datasets` (5.2) knows its last name and this header alone: other rows under an equal
    header would be answered with those that it loaded first. So the header names the rows' hash, where `datasets` has a
    place for words.
    """
    rows = figures["rows"]
    languages = sorted({*figures["query_languages"], *figures["positive_languages"]} - {"", "und"})
    fields: dict[str, Any] = {
        "pretty_name": facts["name"],
        **({"language": languages} if languages else {}),
        **_licence(facts["licence"] or "unknown"),
        "task_categories": sorted(
            {_CATEGORIES.get(task, "sentence-similarity") for task in figures["tasks"]} | {"sentence-similarity"}
        ),
        "size_categories": [next((size for limit, size in _SIZES if rows < limit), "10B<n<100B")],
        "tags": ["synthetic", "embeddings", "hard-negatives", "query-generation"],
        "configs": [_files("default", "data", figures["splits"], content)],
        # Splits are left out: they would need the size in bytes that `datasets` will give them in its own cache.
        "dataset_info": [_features("default", DATASET)],
    }
    if figures["scored_pairs"]:
        fields["configs"].append(_files("scored_pairs", "scored_pairs", figures["scored_pairs"], content))
        fields["dataset_info"].append(_features("scored_pairs", SCORED_PAIRS))
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=120)


def _files(config: str, folder: str, splits: Iterable[str], content: str) -> dict[str, Any]:
    files = [{"split": split, "path": f"{folder}/{split}-*.parquet"} for split in splits]
    named = {"config_name": config, "description": f"rows {content}", "data_files": files}
    return named | ({"default": True} if config == "default" else {})


def _features(config: str, schema: pa.Schema) -> dict[str, Any]:
    return {"config_name": config, "features": [_feature(field) for field in schema]}


def _licence(name: str) -> dict[str, str]:
    if _LICENCES.fullmatch(name.lower()):
        return {"license": name.lower()}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-") or "other"}


def _feature(field: pa.Field) -> dict[str, str]:
    """Describe a column as `datasets` does: its own writer would cost importing it."""
    if pa.types.is_list(field.type):
        return {"name": field.name, "list": _kind(field.type.value_type)}
    return {"name": field.name, "dtype": _kind(field.type)}


def _kind(kind: pa.DataType) -> str:
    return {"float": "float32"}.get(str(kind), str(kind))
