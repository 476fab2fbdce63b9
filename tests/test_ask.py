import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.ask import Line, RowAsk, Unanswered, parse, schema_of
from synth.engines import EngineSettings, Request, RequestFailed, Response
from synth.prompts import Prompts
from synth.settings import Strict


class Answer(Strict):
    """Documented, which no grammar needs."""

    title: str
    kind: Literal["a", "b"]


GOOD = Response('{"title": "t", "kind": "a"}', "stop")


class Canned:
    """An engine that gives what it was told, and counts."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers, self.requests = list(answers), list[Request]()

    async def complete(self, request: Request) -> Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Memory(dict[str, Response]):
    async def get(self, key: str) -> Response | None:  # type: ignore[override]
        return dict.get(self, key)

    async def put(self, key: str, response: Response) -> None:
        self[key] = response


def line(tmp_path: Path, engine: Canned, memory: Memory | None = None) -> Line:
    text = "{% call user() %}one{% endcall %}{% call assistant() %}{}{% endcall %}{% call user() %}{{ x }}{% endcall %}"
    (tmp_path / "step.j2").write_text(text)
    return Line(
        engine,
        EngineSettings(kind="canned", model="m"),
        Prompts((tmp_path,)),
        memory if memory is not None else Memory(),
    )


def test_a_schema_has_no_titles_but_keeps_fields_of_that_name() -> None:
    assert schema_of(Answer) == (
        '{"additionalProperties": false, "properties": {"title": {"type": "string"}, '
        '"kind": {"enum": ["a", "b"], "type": "string"}}, "required": ["title", "kind"], "type": "object"}'
    )


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (Response('{"title": "t", "kind"', "length", output_tokens=9), ("rejected", "cut_off", "9 tokens")),
        (Response("Sure!", "stop"), ("rejected", "unparsable", "Invalid JSON: expected value at line 1 column 1")),
        (Response('{"title": "t"}', "stop"), ("rejected", "unparsable", "kind: Field required")),
        (
            Response('{"title": 1, "kind": "a"}', "stop"),
            ("rejected", "unparsable", "title: Input should be a valid string"),
        ),
        (
            Response('{"title": "t", "kind": "c"}', "stop"),
            ("rejected", "unparsable", "kind: Input should be 'a' or 'b'"),
        ),
        (
            Response('{"title": "t", "kind": "a", "x": 1}', "stop"),
            ("rejected", "unparsable", "x: Extra inputs are not permitted"),
        ),
    ],
)
def test_an_answer_that_is_none_ends_the_row(response: Response, expected: tuple[str, str, str]) -> None:
    with pytest.raises(Unanswered) as end:
        parse(response, Answer)
    assert (end.value.status, end.value.reason, end.value.detail) == expected


def test_what_was_answered_is_never_asked_again(tmp_path: Path) -> None:
    engine, memory = Canned(GOOD), Memory()
    first = asyncio.run(RowAsk(line(tmp_path, engine, memory), seed=1)("step", Answer, x="a"))
    again = asyncio.run(RowAsk(line(tmp_path, engine, memory), seed=1)("step", Answer, x="a"))
    assert first == again == Answer(title="t", kind="a")
    assert len(engine.requests) == 1


def test_another_seed_variable_or_sampling_is_another_request(tmp_path: Path) -> None:
    engine, memory = Canned(GOOD, GOOD, GOOD), Memory()
    for seed, x in ((1, "a"), (2, "a"), (1, "b")):
        asyncio.run(RowAsk(line(tmp_path, engine, memory), seed=seed)("step", Answer, x=x))
    assert len({request.key("m") for request in engine.requests} | {engine.requests[0].key("other")}) == 4


def test_a_refused_request_fails_its_row_and_is_not_kept(tmp_path: Path) -> None:
    memory = Memory()
    ask = RowAsk(line(tmp_path, Canned(RequestFailed("prompt_too_long", "9 > 8")), memory), seed=1)
    with pytest.raises(Unanswered) as end:
        asyncio.run(ask("step", Answer, x="a"))
    assert (end.value.status, end.value.reason, end.value.detail, memory) == ("failed", "prompt_too_long", "9 > 8", {})


def test_a_row_remembers_its_keys_and_the_examples_shown(tmp_path: Path) -> None:
    ask = RowAsk(line(tmp_path, Canned(GOOD, GOOD)), seed=1)
    asyncio.run(ask("step", Answer, x="a"))
    asyncio.run(ask("step", Answer, x="a"))
    assert ask.examples == ["{}"]
    assert len(set(ask.keys)) == 2  # the same question asked twice is drawn twice


NEARLY = st.lists(
    st.one_of(
        st.sampled_from(['{"title": ', '"kind": "a"', '"t"', "{", "}", "[", "]", ",", ":", '"', "\\", "\\ud800", "\ud800", "NaN", "\0", "1e999"]),
        st.text(max_size=4),
        st.characters(),
    ),
    max_size=30,
).map("".join)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["title", "kind", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
).map(json.dumps)


@given(st.one_of(NEARLY, JSON))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_whatever_a_model_writes_is_an_answer_or_unanswered(text: str) -> None:
    response = Response(text, "stop")
    try:
        found = parse(response, Answer)
    except Unanswered:
        with pytest.raises(Unanswered) as end:
            parse(response, Answer)
        assert (end.value.status, end.value.reason) == ("rejected", "unparsable")
        end.value.detail.encode()  # it goes into a table
    else:
        assert found == Answer.model_validate(json.loads(text))
        found.title.encode()


class Slow(Canned):
    """Answers when it is told to."""

    def __init__(self, *answers: Response | Exception) -> None:
        super().__init__(*answers)
        self.go = asyncio.Event()

    async def complete(self, request: Request) -> Response:
        await self.go.wait()
        return await super().complete(request)


def test_rows_that_share_a_question_ask_it_once(tmp_path: Path) -> None:
    engine, memory, told = Slow(GOOD), Memory(), list[bool]()

    async def all_rows() -> list[Answer]:
        shared = dataclasses.replace(line(tmp_path, engine, memory), answered=lambda _, fresh: told.append(fresh))
        rows = [asyncio.create_task(RowAsk(shared, seed)("step", Answer, share="p1", x="?")) for seed in range(3)]
        await asyncio.sleep(0)
        engine.go.set()
        found = await asyncio.gather(*rows)
        later = RowAsk(shared, 9)
        assert later.keys == []
        return [*found, await later("step", Answer, share="p1", x="?")]

    assert asyncio.run(all_rows()) == [Answer(title="t", kind="a")] * 4
    assert (len(engine.requests), len(memory), sorted(told)) == (1, 1, [False, False, False, True])


def test_another_share_seed_or_variable_is_another_question(tmp_path: Path) -> None:
    engine = Canned(GOOD, GOOD, GOOD, GOOD, GOOD)
    asks = [RowAsk(line(tmp_path, engine), seed) for seed in range(5)]
    asks[4] = RowAsk(dataclasses.replace(asks[4].line, seed=8), 4)

    async def all_rows() -> None:
        for ask, share, x in zip(asks, ["p1", "p2", "p1", "", "p1"], ["?", "?", "!", "?", "?"], strict=True):
            await ask("step", Answer, share=share, x=x)

    asyncio.run(all_rows())
    assert len({request.key("m") for request in engine.requests}) == 5


def test_a_shared_question_that_fails_fails_all_that_wait_for_it(tmp_path: Path) -> None:
    engine = Slow(RequestFailed("refused", "no"))

    async def all_rows() -> list[object]:
        shared = line(tmp_path, engine)
        rows = [asyncio.create_task(RowAsk(shared, seed)("step", Answer, share="p1", x="?")) for seed in range(2)]
        await asyncio.sleep(0)
        engine.go.set()
        found = await asyncio.gather(*rows, return_exceptions=True)
        assert shared.pending == {}
        return found

    found = asyncio.run(all_rows())
    assert [str(error) for error in found] == ["refused: no", "refused: no"]
    assert len(engine.requests) == 1
