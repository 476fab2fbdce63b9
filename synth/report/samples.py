"""Rows to look at: of every task, language, fate and reason, the same ones each time, and no more than fit.

Half of them are accepted rows, half are not, as far as there are enough of either.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from synth import store
from synth.report.replay import Question
from synth.schemas import OK, stable_seed
from synth.stage import Stage
from synth.visible import visible

LONGEST = 6000
"""Characters of a text that are shown: of a longer one, the beginning."""
BYTES = 3_500_000
"""Of all sampled rows with their prompts, as JSON: with the charts, the file stays below 5 MB."""
_ESCAPED = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}
_FACTS = (
    "id", "task", "status", "reason", "detail", "query_language", "positive_language", "type", "difficulty", "length", "words",
    "clarity", "label", "cell", "round", "similarity", "cosine", "rank", "positive_rerank", "model", "document_id", "cluster",
)  # fmt: skip
_TEXTS = ("query", "positive", "passage", "instruction", "persona", "title", "source")


class Place(NamedTuple):
    """Where a row lies; `key` decides which rows are shown, and in which order."""

    key: int
    part: int
    row: int


@dataclass
class Sampler:
    """Collects the rows whose ids hash lowest, of each kind. Holds `rows` places of a kind at most."""

    rows: int
    kinds: dict[tuple[bool, str, str, str], list[Place]] = field(default_factory=dict)
    """By whether the row is accepted, its reason, task and language."""

    def add(self, part: int, rows: pa.Table) -> None:
        """Look at the columns id, task, query_language, status and reason of a shard."""
        new: dict[tuple[bool, str, str, str], list[Place]] = {}
        columns = (rows.column(name).to_pylist() for name in ("id", "task", "query_language", "status", "reason"))
        for at, (name, task, language, status, reason) in enumerate(zip(*columns, strict=True)):
            kind = (status == OK, reason or "", task, language)
            new.setdefault(kind, []).append(Place(stable_seed("report", name), part, at))
        for kind, places in new.items():
            kept = self.kinds.setdefault(kind, [])
            if len(kept) == self.rows:  # of many shards, hardly one has a row that is among the lowest of all
                places = [place for place in places if place < kept[-1]] if kept else []
            if places:
                self.kinds[kind] = sorted([*kept, *places])[: self.rows]

    def places(self) -> list[Place]:
        """Return the sample, what matters most first: accepted and other rows take turns, and so do kinds among each."""
        turns = [
            _in_turn([self.kinds[kind] for kind in sorted(self.kinds) if kind[0] == accepted])
            for accepted in (True, False)
        ]
        found = list(_in_turn([list(places) for places in turns]))
        return found[: self.rows]


def _in_turn(lists: Sequence[Sequence[Place]]) -> Iterator[Place]:
    queues = deque(deque(one) for one in lists if one)
    while queues:
        queue = queues.popleft()
        yield queue.popleft()
        if queue:
            queues.append(queue)


def read(run: Path, stage: Stage, places: Sequence[Place]) -> list[dict[str, Any]]:
    """Read the rows at `places`, in that order; one shard at a time."""
    parts = store.finished(run / stage.folder, stage).parts
    found: dict[Place, dict[str, Any]] = {}
    for part in sorted({place.part for place in places}):
        rows = store.read_part(run / stage.folder / parts[part].name)
        mine = [place for place in places if place.part == part]
        found |= dict(zip(mine, rows.take(pa.array([place.row for place in mine])).to_pylist(), strict=True))
    return [found[place] for place in places]


@dataclass
class Pack:
    """Rows as JSON for the page. Texts stand once, in `texts`, and are named by their number: prompts of one task begin alike,
    and rows of one passage have it in common."""

    budget: int = BYTES
    texts: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    bytes: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any], asked: Sequence[Question]) -> bool:
        """Add a row of schema MINED with what was asked for it; return whether there was room."""
        known = len(self.texts)
        made: dict[str, Any] = {name: _plain(row[name]) for name in _FACTS if row[name] not in (None, "")}
        made |= {name: self._text(row[name]) for name in _TEXTS if row[name]}
        columns = (row[f"negative{name}"] for name in ("s", "_scores", "_kinds", "_similarities", "_reranks"))
        made["negatives"] = [
            [self._text(text), _plain(score), kind, _plain(grade), _plain(relevance)]
            for text, score, kind, grade, relevance in zip(*columns, strict=True)
        ]
        made["asked"] = [
            {
                "step": question.step,
                "turns": [[message.role, self._text(message.content)] for message in question.request.messages],
                **(
                    {"answer": self._text(question.response.text), "finish": question.response.finish,
                     "tokens": [question.response.prompt_tokens, question.response.output_tokens]}
                    if question.response else {}
                ),
            }
            for question in asked
        ]  # fmt: skip
        new = self.texts[known:]
        size = sum(len(embedded(one).encode()) + 1 for one in (*new, made))  # as the page writes them
        if self.bytes + size > self.budget:
            del self.texts[known:]
            self._numbers = {text: at for text, at in self._numbers.items() if at < known}
            return False
        self.bytes += size
        self.rows.append(made)
        return True

    def _text(self, text: str) -> int:
        shown = shortened(text)
        if shown not in self._numbers:
            self._numbers[shown] = len(self.texts)
            self.texts.append(shown)
        return self._numbers[shown]


def embedded(value: Any) -> str:
    """Write JSON that can stand in a `<script>` element: it cannot end it, open a comment, or break a line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED)


def shortened(text: str) -> str:
    """Return a text as the page shows it: with control characters written out, and what no file can hold."""
    more = len(text) - LONGEST
    text = visible(text[:LONGEST].encode("utf-8", "backslashreplace").decode())
    return f"{text}… ({more:,} characters more)" if more > 0 else text


def _plain(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else shortened(value) if isinstance(value, str) else value
