"""What a user may say: the models of a config, read from YAML, overridden by `--set a.b=c`.

A key that does not exist is an error with a suggestion, never ignored: `settings` sees to that.
"""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SerializeAsAny, model_validator

from synth import plugins, yamls
from synth.benchmarks import Decontamination
from synth.controls import Controls, TaskScore
from synth.errors import ConfigError
from synth.objects import is_url
from synth.secrets import redact
from synth.settings import KindSettings, Strict, by_name, of_kind, parse
from synth.targets import Budget, Cell, Target, cells

Name = Annotated[str, Field(min_length=1)]


class Columns(Strict):
    """Which column of the corpus holds what. Text, Markdown and source files have none: each is a document."""

    text: Name = "text"
    """The document."""
    id: Name | None = None
    """A stable id of the document; without one, the hash of its text is used."""
    title: Name | None = None
    """Its title."""
    language: Name | None = None
    """ISO 639-1 code of the document; without one, or where it is empty, the language is detected."""
    parallel: Name | None = None
    """What the translations of one document share, a string or number; empty for a document that has none."""
    syntax: Name | None = None
    """Programming language of the document, if it is code; empty where it is prose. Code is cut into its functions, and
    its language is not detected."""


class Passages(Strict):
    """How documents are cut. Tokens are estimated by writing system, since no model need be at hand."""

    max_tokens: int = Field(350, ge=16, le=100_000)
    """Longest passage; a longer document is cut at the ends of sentences."""
    min_tokens: int = Field(12, ge=1)
    """A shorter passage is rejected as `too_short`."""
    max_characters: int = Field(10_000_000, ge=1000, le=100_000_000)
    """A longer document is rejected as `too_long`: twice the Bible is a file of many documents, or of none. Text
    without spaces is cut at 1.5 s per million characters, and cleaning takes up to 90 bytes for each."""

    @model_validator(mode="after")
    def _some_fit(self) -> "Passages":
        if self.min_tokens > self.max_tokens:
            raise ConfigError(
                f"corpus.passages: min_tokens ({self.min_tokens}) is more than max_tokens ({self.max_tokens})",
                fix="lower min_tokens: every passage would be `too_short`",
            )
        return self


class Corpus(Strict):
    """Where the documents come from: exactly one of `path` and `dataset`."""

    path: Name | None = None
    """A .parquet, .jsonl, .csv, .txt or .md file (.gz too, but for Parquet), a folder of them, or a glob; on disk or in a
    store (`s3://bucket/folder/*.parquet`, see storage.md)."""
    dataset: Name | None = None
    """Name of a dataset on the Hub, read as a stream."""
    config: str | None = None
    """Configuration of the dataset."""
    split: Name = "train"
    """Split of the dataset."""
    revision: str | None = None
    """Commit, tag or branch of the dataset; a commit makes the run repeatable."""
    columns: Columns = Columns()
    limit: int | None = Field(None, ge=1, le=10**12)
    """Read only so many documents."""
    licence: str = "unknown"
    """Carried into the dataset card."""
    passages: Passages = Passages()

    @model_validator(mode="after")
    def _one_source(self) -> "Corpus":
        if (self.path is None) == (self.dataset is None):
            raise ConfigError("corpus: give exactly one of `path` and `dataset`", fix="corpus: {path: my_documents/}")
        return self


class Personas(Strict):
    """Whom the model may play: by default the library that ships with synth (CC0-1.0)."""

    path: Name | None = None
    """A .jsonl, .csv or .parquet file of one's own, on disk or in a store."""
    dataset: Name | None = None
    """Name of a dataset on the Hub."""
    config: str | None = None
    """Configuration of the dataset."""
    split: Name = "train"
    """Split of the dataset."""
    revision: str | None = None
    """Commit, tag or branch of the dataset."""
    column: Name = "persona"
    """Column that holds the persona."""
    limit: int | None = Field(None, ge=1, le=10**12)
    """Read only so many personas."""
    licence: str | None = None
    """Carried into the dataset card; required with `path` or `dataset`."""
    candidates: int = Field(5, ge=1, le=10)
    """Nearest personas per passage for the model to choose from. The Qwen3 Embedding paper takes five."""

    @model_validator(mode="after")
    def _licensed(self) -> "Personas":
        if self.path and self.dataset:
            raise ConfigError("personas: give `path` or `dataset`, not both", fix="remove one")
        if (self.path or self.dataset) and not self.licence:
            raise ConfigError(
                "personas: `licence` is missing",
                fix="say under which licence the personas are, e.g. CC-BY-4.0: it goes into the dataset card",
            )
        return self


class Score(Strict):
    """Which scored pairs stay, of tasks whose positive is a passage; `tasks.<name>.score` says otherwise for one task.
    A threshold belongs to its embedder: calibrate it, or use `min_quantile`."""

    min_cosine: float | None = Field(None, ge=-1, le=1)
    """Lowest cosine of query and positive. The paper's 0.7 is for its own model: all-MiniLM-L6-v2 gives pairs that
    people wrote a median of 0.59."""
    min_quantile: float | None = Field(None, ge=0, lt=1)
    """Drop this share of each task's scored pairs, those of lowest cosine."""
    max_rank: int | None = Field(1, ge=1, le=10**12)
    """Round trip: the positive must be among the first `max_rank` passages for its query. null switches it off."""
    candidates: int = Field(100, ge=1, le=10_000)
    """Nearest other passages to keep for the mining of negatives."""


class Dedup(Strict):
    """Near-equal queries, by MinHash over character n-grams."""

    threshold: float = Field(0.7, gt=0, le=1)
    """Jaccard similarity from which two queries are one."""
    ngram: int = Field(4, ge=1, le=100)
    """Characters per n-gram."""
    permutations: int = Field(128, ge=16, le=4096)
    """Of MinHash: the estimate's standard error is at most 1 / (2 √permutations)."""


class Negatives(Strict):
    """Hard negatives, mined from the corpus."""

    per_query: int = Field(5, ge=0, le=10_000)
    """Negatives to find for each query."""
    minimum: int = Field(1, ge=0, le=10_000)
    """A query with fewer is rejected as `too_few_negatives`; one between this and `per_query` stays, and is counted."""
    max_positive_ratio: float = Field(0.95, gt=0)
    """A candidate scoring at or above this share of the positive's score may answer the query too (NV-Retriever's rule)."""
    skip: int = Field(0, ge=0, le=10_000)
    """Leave out this many of the hardest."""
    same_document: bool = False
    """Whether other passages of the positive's document may serve."""

    @model_validator(mode="after")
    def _can_be_enough(self) -> "Negatives":
        if self.minimum > max(1, self.per_query):
            raise ConfigError(
                f"negatives: minimum ({self.minimum}) is more than per_query ({self.per_query})",
                fix="raise per_query, or lower minimum: no query can have as many",
            )
        return self


class Judge(Strict):
    """What the reranker's scores (0 to 1) do. They count for tasks whose positive is a passage."""

    min_positive: float | None = Field(None, ge=0, le=1)
    """A row whose positive scores lower is rejected as `not_relevant`."""
    max_negative: float | None = Field(None, ge=0, le=1)
    """A candidate that reaches it may answer the query too, and is no negative."""
    max_negative_ratio: float | None = Field(None, gt=0)
    """The same for one that reaches this share of its positive's score."""
    candidates: int = Field(20, ge=0, le=10_000)
    """Would-be negatives to judge for each query; all others are left out."""


class Publish(Strict):
    """The dataset's files."""

    shard_mb: float = Field(256, gt=0, le=1_000_000)
    """Target size of a Parquet file, in 10^6 bytes."""
    validation: float = Field(0.05, ge=0, lt=1)
    """Share of documents whose rows go to the split `validation`."""
    licence: str | None = None
    """Licence of the dataset, for its card."""


class Config(Strict):
    """A run, whole."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    """Name of the run: its folder is `<outputs>/<name>/`."""
    outputs: Name = "outputs"
    """Folder of all runs, on a local disk: see storage.md."""
    seed: int = 0
    """Of everything random in the run: another seed plans other rows."""
    corpus: Corpus
    personas: Personas = Personas()
    tasks: Annotated[dict[str, SerializeAsAny[Controls]], by_name("tasks", all_by_default=False), Field(min_length=1)]
    """What to write: settings per task."""
    targets: list[Target] = Field([])
    """Accepted rows to come to, cell by cell; without any, each passage is used as `rows_per_passage` says."""
    budget: Budget = Budget()
    """What a run with targets may spend."""
    known: list[Name] = Field([])
    """Folders of finished runs (outputs/NAME): rows that they planned are not planned again, and queries that they published
    are not repeated. See docs/updates.md."""
    prompts: Name | None = None
    """A folder whose templates take the place of those of the same name in synth's own `prompts/`."""
    engine: Annotated[SerializeAsAny[KindSettings], of_kind("engines", "engine")]
    """What writes: a plug-in of synth/engines, by `kind`."""
    embedder: Annotated[SerializeAsAny[KindSettings], of_kind("encoders", "embedder")]
    """What compares texts: a plug-in of synth/encoders, by `kind`."""
    executor: Annotated[SerializeAsAny[KindSettings], of_kind("executors", "executor")] = Field(
        {"kind": "local"}, validate_default=True
    )
    """Where stages run: a plug-in of synth/executors, by `kind`. Shapes no row."""
    reranker: Annotated[SerializeAsAny[KindSettings] | None, of_kind("rerankers", "reranker", optional=True)] = None
    """What reads query and passage together: a plug-in of synth/rerankers, by `kind`. Without one, nothing is judged."""
    judge: Judge = Judge()
    filters: Annotated[dict[str, SerializeAsAny[Strict]], by_name("filters", all_by_default=True)] = Field(
        {}, validate_default=True
    )
    """Settings per filter; all filters run unless set to `false`."""
    decontamination: Decontamination = Decontamination()
    """Benchmarks whose texts are kept out."""
    score: Score = Score()
    dedup: Dedup = Dedup()
    negatives: Negatives = Negatives()
    publish: Publish = Publish()
    shard_rows: int = Field(1000, ge=1, le=1_000_000)
    """Passages per shard: the unit of resuming."""
    max_failed: float = Field(0.05, ge=0, le=1)
    """Share of rows that may fail in the engine before the run stops. Rejected rows do not count."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, raw: Any) -> Any:
        yamls.check(raw)
        return raw

    @model_validator(mode="after")
    def _is_on_disk(self) -> "Config":
        for key, place in (
            ("outputs", self.outputs),
            ("prompts", self.prompts),
            *(("known", one) for one in self.known),
        ):
            if place and is_url(place):
                raise ConfigError(
                    f"{key}: {redact(place)} is in a store: a run works on a disk, with locks, renames and a journal",
                    fix="give a folder; `synth publish --to` brings the dataset to a store, see docs/storage.md",
                )
        return self

    @model_validator(mode="after")
    def _targets_exist(self) -> "Config":
        if self.budget != Budget() and not self.targets:
            raise ConfigError(
                "budget: there are no `targets` that it could stop short of",
                fix="add targets; for a run without, see `synth plan`, `-n` and `--max-time`",
            )
        _ = self.cells
        return self

    @model_validator(mode="after")
    def _judge_can(self) -> "Config":
        if self.reranker is None and self.judge != Judge():
            raise ConfigError(
                "judge: there is no `reranker` that could", fix="add a reranker (docs/encoders.md), or remove judge"
            )
        if self.reranker is not None and self.judge.candidates < self.negatives.per_query:
            raise ConfigError(
                f"judge: candidates ({self.judge.candidates}) is less than negatives.per_query ({self.negatives.per_query})",
                fix="raise candidates, best to two or three times per_query: only what is judged can be a negative",
            )
        return self

    @model_validator(mode="after")
    def _languages_fit(self) -> "Config":
        for name, settings in self.tasks.items():
            shape = plugins.load("tasks", name).SHAPE
            if shape.translates and settings.cross_lingual is not None:
                raise ConfigError(
                    f"tasks.{name}.cross_lingual: each of its rows is in two languages",
                    fix="remove it; query_languages says which",
                )
            if shape.translates and not settings.query_languages and not self.corpus.columns.parallel:
                raise ConfigError(
                    f"tasks.{name}: no language to translate into",
                    fix="give `query_languages`, or the column of parallel documents, `corpus.columns.parallel`",
                )
            if (
                shape.symmetric
                and not shape.translates
                and (settings.query_languages or settings.cross_lingual is not None)
            ):
                raise ConfigError(
                    f"tasks.{name}.query_languages: its rows are in the language of their passage", fix="remove it"
                )
            if settings.cross_lingual is not None and not settings.query_languages:
                raise ConfigError(
                    f"tasks.{name}.cross_lingual: no other language to write in",
                    fix="give `query_languages`, or remove it",
                )
            odd = "min_margin" if shape.positive == "passage" else "max_rank"
            if getattr(settings.score, odd) is not None:
                of = "has no negatives of its own" if odd == "min_margin" else "ranks no passage"
                raise ConfigError(f"tasks.{name}.score.{odd}: the task {of}", fix="remove it")
            if shape.reads == "code" and settings.cross_lingual is not None:
                raise ConfigError(
                    f"tasks.{name}.cross_lingual: code has no natural language",
                    fix="say the languages in query_languages",
                )
        return self

    @cached_property
    def cells(self) -> list[Cell]:
        """The targets, expanded."""
        return cells(self.targets, self.tasks)

    def score_of(self, task: str) -> TaskScore:
        """Return what the pairs of a task must reach: where the positive is a passage, `score` fills what is not set."""
        own = self.tasks[task].score
        if plugins.load("tasks", task).SHAPE.positive != "passage":
            return own
        given = {name: getattr(own, name) for name in own.model_fields_set}
        return TaskScore(**{**self.score.model_dump(exclude={"candidates"}), **given})

    @property
    def folder(self) -> Path:
        return Path(self.outputs) / self.name


def load(path: Path, overrides: Iterable[str] = (), executor: str | None = None) -> Config:
    """Read a YAML file, apply `a.b=c` overrides (values are YAML too), and validate the whole.

    An `executor` takes the place of one of another kind; one of the same kind keeps its settings.
    """
    try:
        with path.open("rb") as stream:
            raw = yamls.loads(stream.read(yamls.LARGEST + 1), str(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}",
            fix="give the path of a YAML config, e.g. configs/quickstart.yaml",
        ) from error
    if not isinstance(raw, dict):
        found = "nothing: it is empty" if raw is None else type(raw).__name__
        raise ConfigError(f"{path}: expected a mapping of settings, got {found}", fix="see configs/quickstart.yaml")
    if executor and not (isinstance(raw.get("executor"), dict) and raw["executor"].get("kind") == executor):
        raw["executor"] = {"kind": executor}
    for override in overrides:
        yamls.override(raw, override)
    return parse(Config, raw, where="")
