"""Each rule on literal queries: what a person might type passes, what a small model wrote does not."""

from typing import Any

import pytest

from synth import plugins, schemas
from tests.rows import pair

PASSAGE = (
    "The Suez Canal was opened in 1869 after ten years of digging led by Ferdinand de Lesseps. Because the land between "
    "the two seas is flat, ships pass without any locks. It was closed from 1967 until 1975."
)
EXAMPLES = ['{"query": "Why was kimchi buried in clay pots for the winter?"}']


def verdict(rule: str, query: str, **changes: Any) -> str | None:
    row = pair(
        **{"query": query, "passage": PASSAGE, "title": "The Suez Canal", "words": 8, "examples": EXAMPLES, **changes}
    )
    module = plugins.load("filters", rule)
    [found] = module.reject(schemas.table(schemas.PAIRS, [row]), module.Settings())
    return None if found is None else str(found).partition(":")[0]


@pytest.mark.parametrize(
    ("rule", "query", "changes", "expected"),
    [
        ("length", "", {}, "empty"),
        ("length", "was", {}, "too_short"),
        ("length", "why " * 60, {}, "too_long"),
        ("length", "why has the Suez Canal no locks", {}, None),
        ("length", "为什么苏伊士运河没有船闸", {"query_language": "zh"}, None),
        ("language", "Warum hat der Suezkanal keine Schleusen und wer hat ihn gebaut?", {}, "wrong_language"),
        ("language", "为什么苏伊士运河没有船闸", {}, "wrong_language"),
        ("language", "Why does the Suez Canal have no locks?", {}, None),
        ("language", "Suez Canal 1869", {}, None),
        ("copied", "Because the land between the two seas is flat, ships pass without any locks", {}, "copied"),
        ("copied", "who dug the Suez Canal", {}, None),
        ("parrots", "Why was kimchi buried in clay pots for the winter", {}, "parrots_example"),
        ("parrots", "Why was the Suez Canal closed?", {}, None),
        ("refers", "What does the passage say about locks?", {}, "refers_to_passage"),
        ("refers", "Which of the following is true of the Suez Canal?", {}, "refers_to_passage"),
        ("refers", "¿Qué dice el texto sobre el canal?", {"query_language": "es"}, "refers_to_passage"),
        ("refers", "Which passage did Magellan sail through?", {}, None),
        ("refers", "What text did Luther translate?", {}, None),
        ("type", "What is the Suez Canal?", {"type": "yes_or_no"}, "not_yes_or_no"),
        ("type", "Does the Suez Canal have locks?", {"type": "yes_or_no"}, None),
        ("type", "Does the Suez Canal have locks?", {"type": "keywords"}, "not_keywords"),
        ("type", "Suez Canal locks", {"type": "keywords"}, None),
        ("type", "The Suez Canal was opened to ships.", {"type": "acquire_knowledge"}, "not_acquire_knowledge"),
        ("type", "Who dug the Suez Canal?", {"type": "acquire_knowledge"}, None),
        ("type", "Was the Suez Canal closed?", {"type": "summary"}, "not_summary"),
        ("type", "overview of the Suez Canal", {"type": "summary"}, None),
        ("type", "Was the Suez Canal closed?", {"type": "background"}, "not_background"),
        ("type", "Why was the Suez Canal closed?", {"type": "background"}, None),
        ("repetitive", "is a canal, and is a canal, and is a canal, and is a canal", {}, "repetitive"),
        ("repetitive", "Why does the Suez Canal have no locks?", {}, None),
        ("debris", "Why was the canal closed?}user", {}, "debris"),
        ("debris", "How did Egypt decide to use the term ", {}, "debris"),
        ("debris", "<b>Why</b> was the canal closed?", {}, "debris"),
        ("debris", "Why was the canal closed?", {}, None),
        ("grounded", "Why was the Suez Canal closed in 1956?", {}, "ungrounded"),
        ("grounded", "Why did Napoleon close the Suez Canal?", {}, "ungrounded"),
        ("grounded", "Why was the Suez Canal closed in 1967?", {}, None),
        ("grounded", "Why did Napoleon close the Suez Canal?", {"query_language": "de"}, None),
    ],
)
def test_a_rule_says(rule: str, query: str, changes: dict[str, Any], expected: str | None) -> None:
    assert verdict(rule, query, **changes) == expected


ODD = ["", " ", "🦦" * 9, "هل القناة مفتوحة؟", "x" * 5000, "\x1b[31m", "{{ 7 }}", "a\x00b", "?", "1967"]


@pytest.mark.parametrize("name", plugins.names("filters"))
def test_every_filter_is_documented_and_takes_anything(name: str) -> None:
    module = plugins.load("filters", name)
    settings = module.Settings()
    assert module.__doc__
    assert all(field.description for field in module.Settings.model_fields.values())
    assert module.reject(schemas.table(schemas.PAIRS, []), settings) == []
    rows = schemas.table(schemas.PAIRS, [pair(query=query, id=str(n)) for n, query in enumerate(ODD)])
    verdicts = module.reject(rows, settings)
    assert len(verdicts) == len(ODD)
    assert verdicts == module.reject(rows, settings)
    assert all(found is None or isinstance(found, str) for found in verdicts)
