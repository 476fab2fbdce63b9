import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth import config, schemas
from synth.engines import Request, Response, scripted
from synth.errors import BudgetError, ModelError, Stopped
from synth.settings import parse
from synth.stage import Map, Stage, Workspace
from synth.stages import generate
from synth.stop import Stop
from synth.tasks import Pair, Unusable, retrieval
from tests.rows import planned

PLANNED = Stage(name="plan", does="", writes=schemas.PLAN)


def made(**engine: Any) -> config.Config:
    return parse(
        config.Config,
        {
            "name": "t",
            "corpus": {"path": str(Path(__file__))},
            "tasks": {"retrieval": {}},
            "engine": {"kind": "scripted", "in_flight": 4, **engine},
            "embedder": {"kind": "hashing"},
            "prompts": str(Path(__file__).parents[1] / "data" / "prompts"),
        },
        where="",
    )


def plans(number: int) -> pa.Table:
    return schemas.table(
        schemas.PLAN,
        [
            planned(
                id=f"row{n}", seed=n, passage_id=f"p{n}", passage=f"Iron number {n} rusts quickly in very damp salty winds.",
                personas=["x", "y"], types=list(retrieval.Settings().types), difficulties=["high_school", "university", "phd"],
            )
            for n in range(number)
        ],
    )  # fmt: skip


class Counts:
    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()

    def advance(self, rows: int, ok: int, **totals: float) -> None:
        self.totals.update(rows=rows, ok=ok, **{name: int(value) for name, value in totals.items()})


def run(stage: Map, rows: pa.Table, folder: Path) -> tuple[pa.Table, Counter[str]]:
    counts = Counts()
    with stage.open(Workspace(folder, folder, counts)) as generator:
        return asyncio.run(stage.fn(rows, generator)), counts.totals  # type: ignore[arg-type]


def test_rows_come_back_whole_and_in_order(tmp_path: Path) -> None:
    stage = generate.stage(made(), PLANNED)
    written, counts = run(stage, plans(9), tmp_path)
    assert written.schema == schemas.PAIRS
    assert written.column("id").to_pylist() == [f"row{n}" for n in range(9)]
    row = written.to_pylist()[0]
    assert {
        name: row[name] for name in ("query", "positive", "persona", "type", "difficulty", "model", "status", "reason")
    } == {
        "query": "What is known about quickly number rusts salty science market flower?",
        "positive": "Iron number 0 rusts quickly in very damp salty winds.",
        "persona": "y",
        "type": "summary",
        "difficulty": "high_school",
        "model": "scripted",
        "status": "ok",
        "reason": None,
    }
    assert len(row["requests"]) == 2
    assert row["examples"] == ['{"query": "a worked example"}']
    assert (counts["rows"], counts["ok"], counts["requests"], counts["replayed"]) == (9, 9, 18, 0)


def test_a_second_run_asks_nothing_and_writes_the_same(tmp_path: Path) -> None:
    stage = generate.stage(made(), PLANNED)
    first, _ = run(stage, plans(9), tmp_path)
    again, counts = run(stage, plans(9), tmp_path)
    assert again == first
    assert (counts["requests"], counts["replayed"]) == (18, 18)


def test_junk_is_rejected_and_refusals_are_failures_with_reasons(tmp_path: Path) -> None:
    stage = generate.stage(made(junk=0.3, failing=0.1).model_copy(update={"max_failed": 1.0}), PLANNED)
    written, _ = run(stage, plans(60), tmp_path)
    found = schemas.counts(written)
    assert set(found) == {"ok", "rejected/unparsable", "failed/refused"}
    assert sum(found.values()) == 60


def test_too_many_failures_stop_the_run_early(tmp_path: Path) -> None:
    stage = generate.stage(made(failing=0.9), PLANNED)
    with pytest.raises(
        BudgetError, match=r"\d+ of 50 rows failed in the engine, the last one with refused: scripted refusal"
    ):
        run(stage, plans(500), tmp_path)


class Dying:
    """Answers 5 requests, then dies."""

    def __init__(self, real: scripted.ScriptedEngine) -> None:
        self.real, self.left, self.answered = real, 5, 0

    async def complete(self, request: Request) -> Response:
        if not self.left:
            raise ModelError("engine died")
        self.left -= 1
        answer = await self.real.complete(request)
        self.answered += 1
        return answer


def test_a_dead_engine_stops_the_run_and_keeps_what_it_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = generate.stage(made(), PLANNED)
    dying = Dying(scripted.ScriptedEngine(scripted.Settings(kind="scripted")))
    with monkeypatch.context() as patched:
        patched.setattr(scripted, "ScriptedEngine", lambda settings: dying)
        with pytest.raises(ModelError, match="engine died"):
            run(stage, plans(9), tmp_path)
    _, counts = run(stage, plans(9), tmp_path)
    assert counts["replayed"] == dying.answered >= 3


class Watching:
    """Counts how many requests are under way."""

    def __init__(self, real: scripted.ScriptedEngine) -> None:
        self.real, self.now, self.most = real, 0, 0

    async def complete(self, request: Request) -> Response:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        answer = await self.real.complete(request)
        self.now -= 1
        return answer


def test_rows_under_way_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[Watching] = []
    real = scripted.ScriptedEngine

    def watched(settings: scripted.Settings) -> Watching:
        engines.append(Watching(real(settings)))
        return engines[-1]

    monkeypatch.setattr(scripted, "ScriptedEngine", watched)
    run(generate.stage(made(), PLANNED), plans(40), tmp_path)
    assert engines[0].most == 4


HEADER = """{#-
task: retrieval; step: query (second)
variables: passage, title, persona, type, difficulty, words, length, clarity, language, shown_in, types, difficulties
answer: query
-#}
"""


def test_what_shapes_answers_is_in_the_fingerprint_and_what_does_not_is_not(tmp_path: Path) -> None:
    base = generate.stage(made(), PLANNED).fingerprint
    assert generate.stage(made(in_flight=8), PLANNED).fingerprint == base
    assert generate.stage(made(sampling={"temperature": 0.1}), PLANNED).fingerprint != base
    (tmp_path / "retrieval").mkdir()
    (tmp_path / "retrieval" / "query.j2").write_text(
        f"{HEADER}{{% call user() %}}{{{{ passage }}}} query{{% endcall %}}"
    )
    changed = made().model_copy(update={"prompts": str(tmp_path)})
    assert generate.stage(changed, PLANNED).fingerprint != base


def test_a_row_that_a_template_cannot_take_costs_its_row(tmp_path: Path) -> None:
    (tmp_path / "retrieval").mkdir()
    (tmp_path / "retrieval" / "query.j2").write_text(
        HEADER
        + "{% call user() %}Passage:\n{{ passage }}\n\nWrite a query. {{ 100 // (passage.count('number 3 ') - 1) }}{% endcall %}"
    )
    config = made().model_copy(update={"prompts": str(tmp_path), "max_failed": 1.0})
    written, _ = run(generate.stage(config, PLANNED), plans(9), tmp_path)
    assert schemas.counts(written) == {"failed/template": 1, "ok": 8}
    row = written.to_pylist()[3]
    assert (row["status"], row["reason"]) == ("failed", "template")
    assert "division" in row["detail"]


def test_failures_count_however_few_rows_there_are() -> None:
    generate.within_budget({"ok": 95, "failed/timeout": 5}, most=0.05)
    generate.within_budget({"rejected/junk": 3}, most=0.0)
    with pytest.raises(
        BudgetError, match="2 of 20 rows failed in the engine, failed/refused 1, failed/timeout 1"
    ) as caught:
        generate.within_budget({"failed/refused": 1, "failed/timeout": 1, "ok": 18}, most=0.05)
    assert "--retry-failed" in caught.value.fix


class Hanging:
    """Answers no question of one row, ever."""

    def __init__(self, real: scripted.ScriptedEngine) -> None:
        self.real = real

    async def complete(self, request: Request) -> Response:
        if "number 3 " in request.messages[-1].content:
            await asyncio.Event().wait()
        return await self.real.complete(request)


def test_a_request_that_is_never_answered_costs_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = Hanging(scripted.ScriptedEngine(scripted.Settings(kind="scripted")))
    monkeypatch.setattr(scripted, "ScriptedEngine", lambda settings: hanging)
    config = made(deadline=0.2).model_copy(update={"max_failed": 1.0})
    written, _ = run(generate.stage(config, PLANNED), plans(9), tmp_path)
    assert schemas.counts(written) == {"failed/deadline": 1, "ok": 8}
    assert written.to_pylist()[3]["detail"] == "no answer within 0.2 s"


def test_asked_to_stop_rows_get_the_answer_they_wait_for_and_no_other_is_asked(tmp_path: Path) -> None:
    stage = generate.stage(made(), PLANNED)
    stop = Stop()
    counts = Counts()

    class Stopping(Counts):
        def advance(self, rows: int, ok: int, **totals: float) -> None:
            counts.advance(rows, ok, **totals)
            if counts.totals["requests"] == 3:
                stop.request("SIGTERM")

    with stage.open(Workspace(tmp_path, tmp_path, Stopping(), stop)) as generator, pytest.raises(Stopped):
        asyncio.run(stage.fn(plans(9), generator))  # type: ignore[arg-type]
    answered = counts.totals["requests"]
    assert 3 <= answered <= 3 + 4  # those before, and what four rows had out
    _, again = run(stage, plans(9), tmp_path)
    assert (again["replayed"], again["requests"]) == (answered, 18)


def test_what_a_task_calls_unusable_costs_its_row_and_a_pair_has_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write(row: Any, settings: Any, ask: Any) -> Pair:
        if row["id"] == "row1":
            raise Unusable("same_labels", "refund, Refund")
        return Pair(
            query="q", positive="p", negatives=("n", "m"), written=("query", "negatives"), positive_language="de",
            instruction="Sort it", label="l", similarity=4.5, negative_similarities=(2.5, 3.0),
        )  # fmt: skip

    monkeypatch.setattr(retrieval, "write", write)
    rows = run(generate.stage(made(), PLANNED), plans(2), tmp_path)[0].to_pylist()
    assert [(row["status"], row["reason"], row["detail"], row["written"]) for row in rows] == [
        ("ok", None, None, ["query", "negatives"]),
        ("rejected", "same_labels", "refund, Refund", []),
    ]
    names = ("written_negatives", "positive_language", "instruction", "label", "similarity", "written_similarities")
    assert [rows[0][name] for name in names] == [["n", "m"], "de", "Sort it", "l", 4.5, [2.5, 3.0]]
