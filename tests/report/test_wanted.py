from pathlib import Path
from typing import Any

import pytest

from synth.report import wanted
from synth.report.counts import Counts
from synth.report.wanted import NOTHING, Wanted
from tests.report import toy


def counts(**planned: int) -> Counts:
    """Rows of retrieval by language."""
    found = Counts()
    found.fates.update({("retrieval", code, "accepted"): number for code, number in planned.items()})
    return found


def of(dimension: str, planned: dict[str, int], **retrieval: Any) -> Wanted:
    targets = retrieval.pop("targets", [])
    run = toy.settings(Path("outputs"), tasks={"retrieval": retrieval}, targets=targets)
    return wanted.of(run, counts(**planned), "retrieval", dimension)


def test_targets_go_before_weights() -> None:
    targets = [{"language": {"en": 3, "de": 1}, "rows": 40}, {"language": "fr", "type": "summary", "rows": 10}]
    languages = {"en": 1, "de": 1, "fr": 1}
    found = of("language", {"en": 5}, targets=targets, query_languages=languages)
    assert found == Wanted("target", {"en": 0.6, "de": 0.2, "fr": 0.2})
    assert of("type", {"en": 5}, targets=targets, query_languages=languages) == Wanted("target", {"summary": 1.0})


def test_languages_by_their_weights_or_by_those_of_the_passages() -> None:
    assert of("language", {"en": 5}, query_languages={"en": 3, "de": 1}) == Wanted("weight", {"en": 0.75, "de": 0.25})
    assert of("language", {"en": 3, "de": 1}) == Wanted("planned", {"en": 0.75, "de": 0.25})
    mixed = {"query_languages": {"en": 3, "de": 1}, "cross_lingual": 0.5}
    assert of("language", {"en": 1, "de": 1}, **mixed) == Wanted("planned", {"en": 0.5, "de": 0.5})


def test_what_the_model_chooses_among_all_has_no_shares_to_come_to() -> None:
    assert of("type", {"en": 5}, types={"summary": 3, "keywords": 1}) == NOTHING
    assert of("type", {"en": 5}, types={"summary": 3, "keywords": 1}, choose=1) == Wanted(
        "weight", {"summary": 0.75, "keywords": 0.25}
    )


def test_lengths_are_drawn_by_the_weights_of_each_language() -> None:
    lengths = {"short": {"words": [2, 4], "weight": 1}, "long": {"words": [9, 12], "weight": 3}}
    german = {"de": {"lengths": {"short": {"words": [2, 4], "weight": 1}}}}
    found = of("length", {"en": 80, "de": 20}, lengths=lengths, by_language=german)
    assert found.kind == "weight"
    assert found.shares == {"short": pytest.approx(0.4), "long": pytest.approx(0.6)}


def test_tasks_by_targets_or_by_what_was_planned() -> None:
    run = toy.settings(Path("outputs"))
    assert wanted.of_tasks(run, Counts()) == Wanted("target", {"retrieval": 40 / 52, "sts": 12 / 52})
    without = toy.settings(Path("outputs"), targets=[])
    assert wanted.of_tasks(without, counts(en=3)) == Wanted("planned", {"retrieval": 1.0})
    assert wanted.of_tasks(without, Counts()) == NOTHING
