import asyncio

import pytest

from synth.engines import Request, RequestFailed, Sampling
from synth.engines.scripted import ScriptedEngine, Settings
from synth.prompts import Message

SCHEMA = (
    '{"type": "object", "properties": {"letter": {"enum": ["A", "B"]}, "query": {"type": "string"}, '
    '"score": {"type": "integer", "minimum": 1, "maximum": 3}, "sure": {"type": "boolean"}, '
    '"fixed": {"const": 7}, "tags": {"type": "array", "items": {"enum": ["x"]}}}}'
)


def request(seed: int) -> Request:
    turn = "Passage:\nMerge sort divides the unsorted list into halves and merges them again.\n\nWrite a query."
    return Request((Message("user", turn),), SCHEMA, Sampling(), seed)


def test_the_same_request_has_the_same_answer_of_the_schema_s_form() -> None:
    engine = ScriptedEngine(Settings(kind="scripted"))
    answer = asyncio.run(engine.complete(request(1)))
    assert answer == asyncio.run(engine.complete(request(1)))
    assert answer != asyncio.run(engine.complete(request(2)))
    assert (answer.text, answer.finish) == (
        (
            '{"letter": "B", "query": "What is known about unsorted divides halves merges?", "score": 2, "sure": false, '
            '"fixed": 7, "tags": ["x"]}'
        ),
        "stop",
    )


def test_junk_and_refusals_come_at_their_rates() -> None:
    engine = ScriptedEngine(Settings(kind="scripted", junk=0.5, failing=0.2))

    async def outcomes() -> list[object]:
        return await asyncio.gather(*(engine.complete(request(seed)) for seed in range(400)), return_exceptions=True)

    found = asyncio.run(outcomes())
    refused = sum(isinstance(one, RequestFailed) for one in found)
    junk = sum(getattr(one, "text", "") == "not JSON" for one in found)
    assert refused == pytest.approx(80, abs=25)
    assert junk == pytest.approx(160, abs=35)
