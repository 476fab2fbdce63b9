import pytest

from synth import languages
from synth.filters.language import Settings, reject
from tests.rows import pair, pairs


def test_says_what_the_language_looks_like(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {("how", "en"): None, ("wie", "en"): "looks like de"}
    monkeypatch.setattr(languages, "is_language", lambda text, expected: answers[text, expected])
    assert reject(pairs(pair(query="how"), pair(query="wie")), Settings()) == [None, "wrong_language: looks like de"]


def test_goes_by_the_language_of_the_query_not_of_the_passage() -> None:
    query = "Warum schlafen Otter Hand in Hand auf dem Wasser?"
    rows = [pair(query=query, query_language=language, passage_language="en") for language in ("de", "es")]
    assert reject(pairs(*rows), Settings()) == [None, "wrong_language: looks like de"]
