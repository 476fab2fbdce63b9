from typing import Any

import pytest

from synth.config import Config
from synth.errors import ConfigError
from synth.settings import parse
from synth.targets import Cell, spread


def config(targets: list[dict[str, Any]], **changes: Any) -> Config:
    raw = {
        "name": "t",
        "corpus": {"path": "docs"},
        "tasks": {"retrieval": {"rows_per_passage": 3}, "sts": {"rows_per_passage": 1}},
        "engine": {"kind": "scripted"},
        "embedder": {"kind": "hashing"},
        "targets": targets,
        **changes,
    }
    return parse(Config, raw, where="")


def test_a_target_is_spread_over_the_product_of_its_weights() -> None:
    found = config(
        [
            {"task": "retrieval", "language": {"en": 3, "de": 1}, "difficulty": ["phd", "university"], "rows": 81},
            {"task": "sts", "rows": 5},
        ]
    ).cells
    assert found == [
        Cell(31, "retrieval", "en", difficulty="phd"),
        Cell(30, "retrieval", "en", difficulty="university"),
        Cell(10, "retrieval", "de", difficulty="phd"),
        Cell(10, "retrieval", "de", difficulty="university"),
        Cell(5, "sts"),
    ]
    assert [cell.name for cell in found] == [
        "retrieval/en/*/phd", "retrieval/en/*/university", "retrieval/de/*/phd", "retrieval/de/*/university", "sts",
    ]  # fmt: skip


def test_without_a_task_all_that_have_the_names_share_it_by_their_rows_per_passage() -> None:
    assert config([{"language": "fr", "rows": 8}]).cells == [Cell(6, "retrieval", "fr"), Cell(2, "sts", "fr")]
    assert config([{"type": "keywords", "rows": 8}]).cells == [Cell(8, "retrieval", type="keywords")]


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [(10, [1, 1, 1], [4, 3, 3]), (1, [1, 2], [0, 1]), (7, [0.5, 0.25, 0.25], [3, 2, 2]), (0, [1], [0])],
)
def test_parts_add_up(total: int, weights: list[float], parts: list[int]) -> None:
    assert spread(total, weights) == parts


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([{"task": "retreival", "rows": 1}], "targets.0.task: 'retreival' is not among the config's tasks; did you mean 'retrieval'?"),
        ([{"task": "sts", "type": "keywords", "rows": 1}], "targets.0.type: task 'sts' has no type 'keywords'"),
        ([{"difficulty": "doctor", "rows": 1}], "targets.0: no task of this config has all of doctor"),
        ([{"task": "sts", "language": "deu", "rows": 1}], "unknown language 'deu'; did you mean 'de'?"),
        ([{"task": "sts", "rows": 5}, {"task": "sts", "language": "de", "rows": 1}], "a row could count for 'sts/de' and for 'sts'"),
        ([{"task": "sts", "language": "de", "rows": 5}, {"task": "sts", "difficulty": "phd", "rows": 1}], "for 'sts/*/*/phd' and for 'sts/de'"),
        ([{"task": "sts", "rows": 5}, {"task": "sts", "rows": 5}], "a row could count for 'sts' and for 'sts'"),
        ([{"language": ["de", "fr"], "type": "sumary", "rows": 1}], "no task of this config has all of sumary; did you mean 'summary'?"),
        ([{"task": "sts", "rows": 0}], "targets.0.rows: input should be greater than or equal to 1"),
        ([{"task": {"sts": 0}, "rows": 1}], "targets.0.task: expected weights from 0.000001 to 1,000,000"),
        ([{"task": ["sts", "sts"], "rows": 1}], "a name stands twice"),
        ([{"task": "sts", "topic": "x", "rows": 1}], "targets.0.topic: unknown key"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(targets: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        config(targets)
    assert message in str(error.value)


RIDDLES = {"retrieval": {"by_language": {"zh": {"types": {"riddle": {"definition": "a riddle"}, "summary": 1}}}}}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"language": "zh", "type": "riddle"}, ""),
        ({"language": "zh", "type": "summary"}, ""),
        ({"type": "summary"}, ""),
        ({"type": "riddle"}, "task 'retrieval' has no type 'riddle'"),
        ({"language": "en", "type": "riddle"}, "task 'retrieval' has no type 'riddle'"),
        ({"language": ["zh", "en"], "type": "riddle"}, "task 'retrieval' has no type 'riddle'"),
        ({"language": "zh", "type": "keywords"}, "task 'retrieval' has no type 'keywords'"),
        ({"type": "keywords"}, "task 'retrieval' has no type 'keywords'"),
    ],
)
def test_a_name_must_be_one_in_each_language_that_a_row_may_have(target: dict[str, Any], message: str) -> None:
    wanted = [{"task": "retrieval", "rows": 4, **target}]
    if not message:
        assert sum(cell.rows for cell in config(wanted, tasks=RIDDLES).cells) == 4
    else:
        with pytest.raises(ConfigError, match=message):
            config(wanted, tasks=RIDDLES)


def test_a_language_that_the_task_does_not_write_in_is_refused() -> None:
    tasks = {"retrieval": {"query_languages": {"de": 1, "fr": 0}}}
    for code in ("fi", "fr"):
        with pytest.raises(ConfigError, match=f"task 'retrieval' writes in de, fr, not in '{code}'"):
            config([{"language": code, "rows": 1}], tasks=tasks)
    tasks["retrieval"]["cross_lingual"] = 0.5  # type: ignore[assignment]
    assert config([{"language": "fi", "rows": 1}], tasks=tasks).cells == [Cell(1, "retrieval", "fi")]


def test_a_budget_without_targets_is_refused() -> None:
    with pytest.raises(ConfigError, match="budget: there are no `targets`"):
        config([], budget={"requests": 5})
    assert config([{"task": "sts", "rows": 5}], budget={"requests": 5}).budget.is_limited


def test_a_task_without_rows_is_no_target() -> None:
    with pytest.raises(ConfigError, match="'sts' has rows_per_passage: 0"):
        config([{"task": "sts", "rows": 5}], tasks={"sts": {"rows_per_passage": 0}})
