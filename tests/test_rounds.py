"""Runs with targets: rounds, resuming between and within them, and what they come to."""

import io
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from synth import config, journal, kept, pipeline, rounds, runs, show, store
from synth import preview as previews
from synth.errors import Stopped, StoreError, VerifyError
from synth.executors import local
from synth.progress import shown
from synth.stages import quota

CONFIG = {
    "name": "run",
    "seed": 5,
    "corpus": {
        "path": "examples/corpus/documents.jsonl",
        "columns": {"text": "text", "title": "title", "id": "id", "language": "language"},
    },
    "tasks": {"retrieval": {"rows_per_passage": 15, "types": {"acquire_knowledge": 1, "summary": 1, "keywords": 1}}},
    "targets": [
        {"language": {"en": 3, "de": 1}, "difficulty": {"phd": 1, "university": 2}, "rows": 60},
        {"language": "es", "type": "summary", "rows": 5},
    ],
    "engine": {"kind": "scripted", "in_flight": 8, "junk": 0.2},
    "embedder": {"kind": "hashing"},
    "score": {"max_rank": 5},
    "publish": {"validation": 0.2},
    "shard_rows": 30,
}


def made(outputs: Path, **changes: Any) -> config.Config:
    path = outputs / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG | {"outputs": str(outputs)} | changes))
    return config.load(path)


def run(settings: config.Config) -> runs.Result:
    with shown() as display:
        return runs.run(settings, display)


def dataset(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((folder / "run/dataset").rglob("*"))
        if path.is_file()
    }


def stats(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run/dataset/stats.json").read_text())
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(made(folder))
    return folder


def test_the_mix_comes_out_as_it_was_asked_for(whole: Path) -> None:
    found = stats(whole)
    assert found["targets"]["stop"] == "targets met"
    assert found["targets"]["distance"] == 0.0
    assert {cell["cell"]: (cell["target"], cell["kept"]) for cell in found["targets"]["cells"]} == {
        "retrieval/en/*/phd": (15, 15), "retrieval/en/*/university": (30, 30), "retrieval/de/*/phd": (5, 5),
        "retrieval/de/*/university": (10, 10), "retrieval/es/summary": (5, 5),
    }  # fmt: skip
    assert found["rows"] == 65
    rows = runs.rows(made(whole), "negatives", status="ok", number=1000)
    cells = Counter((row["query_language"], row["difficulty"]) for row in rows if row["query_language"] != "es")
    assert set(cells) == {("en", "phd"), ("en", "university"), ("de", "phd"), ("de", "university")}
    assert {row["type"] for row in rows if row["query_language"] == "es"} == {"summary"}
    assert runs.verify(made(whole))["rows"] == 65


def test_later_rounds_add_shards_and_touch_none_of_those_that_are_there(whole: Path) -> None:
    settings = made(whole)
    built = pipeline.build(settings)
    orders = rounds.read(settings.folder, settings, built.quota.fingerprint)
    assert rounds.rows(orders[0]) == {cell.name: cell.rows for cell in settings.cells}
    assert len(orders) >= 2
    parts = [
        len(store.finished(settings.folder / stage.folder, stage).parts)
        for stage in (built.corpus, built.plan, built.generate)
    ]
    assert parts == [3, 3 * len(orders), 3 * len(orders)]
    rows = runs.rows(settings, "plan", number=10_000)
    assert Counter(row["round"] for row in rows) == {
        number: sum(rounds.rows(order).values()) for number, order in enumerate(orders, 1)
    }
    assert len({row["id"] for row in rows}) == len(rows)


def test_a_finished_run_has_nothing_to_do(whole: Path) -> None:
    assert run(made(whole)).ran == ()


@pytest.mark.parametrize("after", range(1, 22, 4))
def test_stopped_between_any_two_stages_it_comes_to_the_same(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    finish, finished = store.finish, 0

    def stopping(*args: Any) -> store.Manifest:
        nonlocal finished
        found = finish(*args)
        finished += 1
        if finished == after:
            raise Stopped("stopped for the test", fix="")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(store, "finish", stopping)
        with pytest.raises(Stopped):
            run(made(tmp_path))
    run(made(tmp_path))
    assert dataset(tmp_path) == dataset(whole)


def test_killed_after_an_order_was_written_it_goes_on_with_that_order(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = made(tmp_path)

    add = rounds.add

    def killed(*given: Any) -> None:
        add(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(rounds, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            run(settings)
    built = pipeline.build(settings)
    before = rounds.read(settings.folder, settings, built.quota.fingerprint)
    assert len(before) == 2
    run(settings)
    assert list(rounds.read(settings.folder, settings, built.quota.fingerprint))[:2] == list(before)
    assert dataset(tmp_path) == dataset(whole)


def test_other_shards_and_concurrency_change_nothing(whole: Path, tmp_path: Path) -> None:
    # Shards of other sizes give each other shares: what is planned of the corpus differs, the mix does not.
    run(made(tmp_path, engine={**CONFIG["engine"], "in_flight": 3}))  # type: ignore[dict-item]
    assert dataset(tmp_path) == dataset(whole)
    run(made(tmp_path, shard_rows=7))
    assert stats(tmp_path)["targets"]["distance"] == 0.0


def test_a_changed_filter_begins_the_rounds_anew_and_asks_only_what_is_new(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "run", tmp_path / "run")
    changed = made(tmp_path, filters={"type": False})
    run(changed)
    (tmp_path / "fresh").mkdir()
    run(made(tmp_path / "fresh", filters={"type": False}))
    assert dataset(tmp_path) == dataset(tmp_path / "fresh")


def test_when_the_corpus_is_used_up_it_says_for_which_cells(tmp_path: Path) -> None:
    run(made(tmp_path, targets=[{"language": "zh", "rows": 100}, {"language": "en", "rows": 5}]))
    found = stats(tmp_path)["targets"]
    assert found["stop"] == "corpus used up"
    chinese, english = found["cells"]
    assert (chinese["planned"], chinese["short_because"]) == (90, "corpus used up")
    assert "short_because" not in english
    assert "corpus used up" in (tmp_path / "run/dataset/README.md").read_text()


def test_what_became_of_the_targets_is_said(tmp_path: Path) -> None:
    result = run(made(tmp_path, targets=[{"language": "zh", "rows": 100}, {"language": "en", "rows": 5}]))
    console = Console(width=100, file=io.StringIO())
    console.print(show.targets(result.summary["targets"]))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "corpus used up, after " in text
    assert "1 of 2 targets have all their rows" in text
    assert [line.split()[:3] for line in text.splitlines() if "retrieval" in line] == [["retrieval/zh", "100", "90"]]


def test_a_budget_of_requests_is_kept_to(tmp_path: Path) -> None:
    run(made(tmp_path, budget={"requests": 150}))
    found = stats(tmp_path)
    assert found["targets"]["stop"].startswith("budget spent: ")
    assert 100 < sum(found["spent"]["requests"].values()) <= 160
    run(made(tmp_path, budget={"requests": 100_000}))  # a larger one goes on
    assert stats(tmp_path)["targets"]["stop"] == "targets met"


@pytest.mark.parametrize(
    ("budget", "stop"),
    [
        ({"tokens": 40_000}, "of 40,000 tokens"),
        ({"hours": 1e-7}, "0.00 of 1e-07 hours"),
        ({"rounds": 1}, "budget spent: 1 rounds"),
    ],
)
def test_budgets_of_tokens_hours_and_rounds(tmp_path: Path, budget: dict[str, Any], stop: str) -> None:
    run(made(tmp_path, budget=budget))
    found = stats(tmp_path)
    assert stop in found["targets"]["stop"]
    tokens = sum(sum(found["spent"][name].values()) for name in ("prompt_tokens", "output_tokens"))
    assert tokens < 60_000 or budget.keys() == {"rounds"}
    assert runs.verify(made(tmp_path, budget=budget))["rows"] == found["rows"] > 0


def test_a_cell_that_is_never_accepted_is_given_up(tmp_path: Path) -> None:
    tasks = {
        "retrieval": {"rows_per_passage": 200, "types": {"yes_or_no": 1}}
    }  # the scripted engine asks open questions
    run(made(tmp_path, tasks=tasks, targets=[{"language": "en", "rows": 20}], budget={"min_acceptance": 0.2}))
    found = stats(tmp_path)["targets"]
    assert (found["stop"], found["cells"][0]["kept"]) == ("given up", 0)
    assert found["cells"][0]["short_because"].startswith("given up: 0 of ")
    assert found["cells"][0]["planned"] < 1000


def test_a_damaged_file_of_orders_is_named(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "run", tmp_path / "run")
    settings = made(tmp_path)
    (path,) = (tmp_path / "run").glob("rounds-*.json")
    text = path.read_text()
    number = re.search(r"\d+,", text)
    assert number
    for damage in (
        "[{", "[" * 100_000, "{}", '{"orders": [], "checksum": 1}',
        text.replace(number[0], f"{int(number[0][:-1]) ^ 1},", 1), text.replace(number[0], "1e999,", 1),
    ):  # fmt: skip
        path.write_text(damage)
        with pytest.raises(StoreError, match=r"rounds-.*damaged: its content is not what was written"):
            run(settings)
        assert not path.exists()
        run(settings)
        assert dataset(tmp_path) == dataset(whole)


@pytest.mark.parametrize("name", ["quota.json", "surplus.parquet"])
def test_damaged_counts_are_not_published(whole: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(whole / "run", tmp_path / "run")
    settings = made(tmp_path)
    (path,) = (tmp_path / "run").glob(f"quota-*/{name}")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    shutil.rmtree(tmp_path / "run" / "dataset")
    with pytest.raises(StoreError, match=r"damaged"):
        run(settings)
    run(settings)
    assert dataset(tmp_path) == dataset(whole)


def test_verify_sees_that_rounds_are_missing_or_more(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "run", tmp_path / "run")
    settings = made(tmp_path)
    built = pipeline.build(settings)
    rounds.add(settings.folder, settings, built.quota.fingerprint, {"retrieval/es/summary": 1})
    with pytest.raises(VerifyError, match=r"shards, and should have .* by its orders: go on with the run"):
        runs.verify(settings)
    next((tmp_path / "run").glob("rounds-*")).unlink()
    with pytest.raises(VerifyError, match="shards, and should have 3 by its orders: go on with the run"):
        runs.verify(settings)


def test_a_pilot_that_finds_no_room_is_followed_by_another(tmp_path: Path) -> None:
    targets = [{"language": "tr", "rows": 4000}, {"language": "en", "rows": 100}]
    run(made(tmp_path, targets=targets, budget={"requests": 20}))
    found = stats(tmp_path)
    assert found["targets"]["stop"].startswith("budget spent: ")
    assert sum(found["spent"]["requests"].values()) <= 24


def test_what_rows_share_counts_once(tmp_path: Path) -> None:
    settings = made(tmp_path, tasks={"classification": {"rows_per_passage": 4, "types": {"label": 1}}}, targets=[])
    with shown() as display:
        estimated = runs.plan(settings, display)
    run(settings)
    with kept.opened(settings.folder / journal.FILE) as answers:
        asked = len(answers)
    assert stats(tmp_path)["spent"]["requests"] == {"classification": asked}
    assert 0.8 * asked < estimated.requests < 1.25 * asked


def test_without_targets_there_is_one_round_and_no_file(tmp_path: Path) -> None:
    settings = made(tmp_path, targets=[])
    run(settings)
    assert list((tmp_path / "run").glob("rounds-*")) == []
    assert "targets" not in stats(tmp_path)
    built = pipeline.build(settings)
    assert quota.read(settings.folder / built.quota.folder)["fates"].keys() == {"retrieval"}
    assert local.run(built.stages, settings.folder, lambda *_: None) == []  # type: ignore[arg-type, return-value]


def test_an_estimate_is_of_the_first_round_and_names_what_has_no_room(tmp_path: Path) -> None:
    settings = made(tmp_path, targets=[{"language": "zh", "rows": 100}, {"language": "en", "rows": 5}])
    with shown() as display:
        found = runs.plan(settings, display)
    assert (found.rows, found.languages, found.tasks) == (95, {"en": 5, "zh": 90}, {"retrieval": 95})
    assert (found.target_rows, found.without_room) == (105, {"retrieval/zh": 90})
    assert found.requests == 190


def test_a_preview_with_targets_shows_rows_of_their_cells(tmp_path: Path) -> None:
    with shown() as display:
        rows = [one.row for one in previews.preview(made(tmp_path), 3, display)]
    assert len(rows) == 3
    assert {row["cell"].split("/")[:2][1] for row in rows} <= {"en", "de", "es"}


def test_a_run_of_nothing_but_texts_has_no_ranks_and_a_card(tmp_path: Path) -> None:
    settings = made(tmp_path, tasks={"sts": {"score": {"min_margin": None}}}, targets=[])
    run(settings)
    found = stats(tmp_path)
    assert (found["tasks"].keys(), found["quantiles"]["rank"]) == ({"sts"}, {})
    assert "rank of the positive in the corpus" not in (tmp_path / "run/dataset/README.md").read_text()
    assert found["scored_pairs"]["train"] == 2 * found["splits"]["train"]["rows"] > 0
    assert runs.verify(settings)["rows"] == found["rows"]
    shown_rows = runs.rows(settings, "publish", number=1000)  # the graded pairs are no rows of it
    assert {row["task"] for row in shown_rows} == {"sts"}
    assert len(shown_rows) == found["rows"]
