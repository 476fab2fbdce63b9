"""The whole report: of a run with targets, of a run with next to nothing, of a hostile one, and of 100,000 rows."""

import base64
import hashlib
import itertools
import json
import re
import shutil
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from bench.report import multiply
from synth import accounts, pipeline, report, runs, series
from synth.cli import main
from synth.config import Config
from synth.errors import StoreError
from synth.progress import shown
from synth.publishing import contents
from synth.report import page, seen
from synth.report.page import embedded
from synth.report.sections import sections
from tests.report import toy


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return toy.ran(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def html(run: Config, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("out") / "report.html"
    report.report(run, out)
    return out.read_text(encoding="utf-8")


def data(html: str) -> dict[str, Any]:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    raw: dict[str, Any] = json.loads(found)
    return raw


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_funnel_ends_at_what_was_written_and_loses_no_row(run: Config) -> None:
    found = seen.see(run, 0)
    stages = [step.stage for step in found.steps]
    assert stages == ["plan", "generate", "filter", "score", "select", "dedup", "negatives", "written"]
    account = accounts.balanced(pipeline.build(run), run.folder)
    assert found.steps[0].rows_in == account.planned == sum(found.counts.fates.values())
    assert found.steps[-1].rows_out == account.written == found.counts.total(fate="accepted") == 52
    reasons: dict[str, int] = {}
    for step in found.steps:
        for reason, number in {**step.rejected, **step.failed}.items():
            reasons[reason] = reasons.get(reason, 0) + number
    assert reasons == {**account.rejected, **account.failed}
    assert reasons["over_target"] > 0
    assert [a.rows_out for a in found.steps[:-1]] == [b.rows_in for b in found.steps[1:]]


def test_what_it_counts_is_what_the_dataset_says(run: Config) -> None:
    found = seen.see(run, 0)
    stats = json.loads((run.folder / "dataset/stats.json").read_text())
    assert {task: found.counts.total(task=task, fate="accepted") for task in found.counts.tasks} == stats["tasks"]
    assert {code: found.counts.total(language=code, fate="accepted") for code in found.counts.languages} == stats[
        "query_languages"
    ]
    assert {str(n): rows for n, rows in sorted(found.counts.negatives.items())} == stats["negatives"]["rows_by_number"]
    assert sum(part.requests for part in found.counts.parts) == sum(stats["spent"]["requests"].values())
    types = dict.fromkeys(stats["types"], 0)
    for task in found.counts.tasks:
        for name, (_, accepted) in found.counts.facet("type", task).items():
            types[name] = types.get(name, 0) + accepted
    assert {name: number for name, number in types.items() if number} == stats["types"]


def test_sections_and_figures(run: Config) -> None:
    found = {section.id: [figure.title for figure in section.figures] for section in sections(seen.see(run, 0))}
    assert found == {
        "funnel": ["From planned to written", "Why rows are out"],
        "mix": ["Tasks", "Languages of retrieval", "Types of retrieval", "Difficulties of retrieval", "Lengths of retrieval",
                "Types of sts", "Difficulties of sts", "Targets"],
        "languages": ["Accepted rows"],
        "similarity": ["Cosine of query and positive of retrieval", "Rank of the positive of retrieval",
                       "Cosine of query and positive of sts"],
        "lengths": ["Queries", "Positives"],
        "duplicates": ["Size of the groups", "The largest groups"],
        "negatives": ["Negatives of a row", "Cosine of query and negatives", "How much nearer the positive is"],
        "time": ["Requests a second", "Tokens written a second", "Accepted rows an hour", "Time by stage", "Cost"],
    }  # fmt: skip


def test_shares_stand_beside_what_was_asked_for(run: Config) -> None:
    mix = next(section for section in sections(seen.see(run, 0)) if section.id == "mix")
    assert mix.lead == (
        "Targets met, after 3 rounds: 3 of 3 targets have all their rows. All accepted rows of sts have the language English."
    )
    tasks, languages = mix.figures[:2]
    assert (tasks.text, next(iter(tasks.table.rows))[2:]) == (
        "Of 52 accepted rows; their shares are those of the targets.",
        (40, "77 %", "77 %"),
    )
    assert [row[0::2] for row in languages.table.rows] == [("English", 30, "75 %"), ("German", 10, "25 %")]
    targets = mix.figures[-1]
    assert targets.table.head == ("target", "rows asked for", "planned", "accepted", "kept")
    assert {(row[0], row[1], row[4]) for row in targets.table.rows} == {
        ("retrieval/en", 30, 30), ("retrieval/de", 10, 10), ("sts", 12, 12),
    }  # fmt: skip


def test_the_same_run_gives_the_same_bytes(run: Config, html: str, tmp_path: Path) -> None:
    report.report(run, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == html


def test_the_page_allows_its_own_script_and_style_and_nothing_else(html: str) -> None:
    found = Elements(html).found
    (policy,) = [of["content"] for tag, of in found if of.get("http-equiv") == "Content-Security-Policy"]
    hashes = {
        tag: base64.b64encode(
            hashlib.sha256(re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[0].encode()).digest()
        ).decode()
        for tag in ("style", "script")
    }
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; style-src 'sha256-{hashes['style']}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert [
        (tag, of)
        for tag, of in found
        if {"src", "srcset", "style", "action"} & of.keys() or tag in ("link", "img", "iframe")
    ] == []
    assert [name for _, of in found for name in of if name.startswith("on")] == []
    assert {str(of["href"])[0] for _, of in found if "href" in of} == {"#"}
    assert "`" not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)


def test_each_chart_has_words_and_a_table(html: str) -> None:
    found = Elements(html).found
    charts = [of for _, of in found if of.get("role") == "img"]
    assert len(charts) == 23
    assert all(len(str(of["aria-label"]).split()) >= 4 for of in charts)
    assert html.count("<details><summary>Numbers") == len(charts)
    assert {name: html.count(f'<div class="{name}"><svg ') for name in ("full", "middle", "small")} == {
        "full": len(charts), "middle": 4, "small": len(charts),
    }  # fmt: skip
    levels = [int(tag[1]) for tag, _ in found if re.fullmatch("h[1-6]", tag)]
    assert levels[:3] == [1, 2, 3]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_samples_come_with_prompts_and_answers(run: Config, html: str) -> None:
    found = data(html)
    texts = found["texts"]
    by_id = {row["id"]: row for row in runs.rows(run, "negatives", number=10_000)}
    assert {row["id"] for row in found["rows"]} == set(by_id)
    for row in found["rows"]:
        whole = by_id[row["id"]]
        assert texts[row["query"]] == whole["query"] if "query" in row else whole["query"] == ""
        assert len(row["asked"]) == len(whole["requests"])
        assert [texts[number] for number, *_ in row["negatives"]] == whole["negatives"]
    over = [row for row in found["rows"] if row.get("reason") == "over_target"]
    assert over
    assert {row["status"] for row in over} == {"rejected"}


def test_json_in_the_page_cannot_leave_its_place() -> None:
    text = "</script><!--<script>&\u2028\u2029]]>"
    said = embedded([text])
    assert json.loads(said) == [text]
    assert not set(said) & set("<>&\u2028\u2029")


def test_a_run_with_a_reranker(tmp_path: Path) -> None:
    judge = {"min_positive": 0.1, "max_negative": 0.5, "candidates": 6}
    run = toy.ran(tmp_path, targets=[], tasks={"retrieval": {}}, reranker={"kind": "lexical"}, judge=judge)
    found = seen.see(run, 0)
    made = {figure.title: figure for section in sections(found) for figure in section.figures}
    read, negatives = made["Relevance of the positive"], made["Relevance of the negatives"]
    assert [step.stage for step in found.steps][5:] == ["dedup", "rerank", "judge", "negatives", "written"]
    below = found.account.rejected.get("not_relevant", 0)
    assert (
        read.text
        == f"{sum(found.counts.relevances.values())} rows that the reranker read. {below} below the threshold of 0.1."
    )
    assert negatives.text.endswith(" that the reranker read. One that reaches 0.5 may answer the query, and is none.")
    assert max(at for at in found.counts.negative_relevances) < 25
    assert report.report(run).bytes > 100_000


def test_a_run_with_next_to_nothing(tmp_path: Path) -> None:
    """One row, one language, one task; no duplicates, no negatives, no targets."""
    corpus = tmp_path / "one.txt"
    corpus.write_text("Otters sleep on their backs in kelp, and often hold hands so that they do not drift apart. " * 3)
    few = {"corpus": {"path": str(corpus)}, "targets": [], "tasks": {"retrieval": {"rows_per_passage": 1}}}
    run = toy.ran(tmp_path, **few, filters={"type": False}, engine={"kind": "scripted"}, score={"min_cosine": -1.0},
                  negatives={"per_query": 0}, shard_rows=1000)  # fmt: skip
    made = {
        section.id: (section.lead, [figure.title for figure in section.figures])
        for section in sections(seen.see(run, 0))
    }
    assert made["funnel"] == ("1 planned = 1 written + 0 rejected + 0 failed.", ["From planned to written"])
    assert made["duplicates"] == ("No two queries are nearly the same.", [])
    assert made["negatives"] == ("No row has negatives.", [])
    assert made["time"] == (
        "No chart over time: that takes three shards at least, in the folder where the run wrote them.", ["Time by stage", "Cost"],
    )  # fmt: skip
    assert "languages" not in made
    assert "All accepted rows have the language English." in made["mix"][0]
    written = report.report(run)
    assert (written.rows, written.samples) == (1, 1)
    assert "NaN" not in (run.folder / "report.html").read_text(encoding="utf-8")


def test_a_run_that_wrote_nothing(tmp_path: Path) -> None:
    run = toy.ran(tmp_path, targets=[], engine={"kind": "scripted", "junk": 1.0})
    made = {section.id: [figure.title for figure in section.figures] for section in sections(seen.see(run, 0))}
    assert made == {
        "funnel": ["From planned to written", "Why rows are out"], "languages": ["Accepted rows"], "duplicates": [],
        "time": ["Requests a second", "Tokens written a second", "Time by stage", "Cost"],
    }  # fmt: skip
    assert report.report(run).samples > 0


def test_without_rows_or_a_journal(run: Config, tmp_path: Path) -> None:
    copy = toy.settings(tmp_path)
    shutil.copytree(run.folder, copy.folder, ignore=shutil.ignore_patterns("responses"))
    assert report.report(copy, rows=0).samples == 0
    assert "There are no rows to show." in (copy.folder / "report.html").read_text(encoding="utf-8")
    report.report(copy, rows=4)
    assert [row["asked"] for row in data((copy.folder / "report.html").read_text(encoding="utf-8"))["rows"]] == [[]] * 4
    assert not (copy.folder / "responses").exists()


def test_without_times(run: Config, tmp_path: Path) -> None:
    copy = toy.settings(tmp_path)
    shutil.copytree(run.folder, copy.folder, ignore=shutil.ignore_patterns("timings.jsonl"))
    found = seen.see(copy, 0)
    assert (found.finished, found.pace) == (None, [])
    assert "time" not in [section.id for section in sections(found)]
    report.report(copy)
    assert '<p class="eyebrow">Report of a run</p>' in (copy.folder / "report.html").read_text(encoding="utf-8")


def test_a_dataset_that_grows_has_a_report_of_its_newest_release(tmp_path: Path) -> None:
    corpus = {**toy.CONFIG["corpus"], "limit": 6}
    for limit in (6, 9):
        grown = toy.settings(tmp_path, targets=[], corpus={**corpus, "limit": limit}, tasks={"retrieval": {}})
        with shown() as display:
            series.update(grown, display)
    written = report.report(grown)
    html = (grown.folder / report.NAME).read_text(encoding="utf-8")
    assert written.path == str(grown.folder / report.NAME)
    assert "<h1>toy, release 2</h1>" in html

    assert written.rows == 6
    assert all(row["asked"] for row in data(html)["rows"])
    assert contents.of(grown).items["report.html"].bytes == written.bytes


def test_a_run_that_is_not_finished(tmp_path: Path) -> None:
    with pytest.raises(
        StoreError, match="stage 'plan' is not finished\n  fix: run `synth run` first, or give the same --set and -n"
    ):
        report.report(toy.settings(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_command(run: Config, tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump({**toy.CONFIG, "outputs": run.outputs}, sort_keys=False))
    said = CliRunner().invoke(main, ["report", str(path), "--rows", "10"])
    assert said.exit_code == 0
    assert re.fullmatch(r"\S+/toy/report\.html: \d\.\d MB, \d+ rows seen, 10 to read, [\d.]+ s\n", said.stdout)
    assert contents.REPORT == report.NAME
    assert contents.of(run).items["report.html"].bytes == (run.folder / "report.html").stat().st_size
    as_json = CliRunner().invoke(main, ["report", str(path), "--json", "--out", str(tmp_path / "a/b.html")])
    found = json.loads(as_json.stdout)
    assert (found["state"], found["exit_code"]) == ("done", 0)
    assert (found["path"], found["bytes"]) == (str(tmp_path / "a/b.html"), (tmp_path / "a/b.html").stat().st_size)
    assert runs.verify(run)["rows"] == 52
    assert next(option.default for option in main.commands["report"].params if option.name == "rows") == report.ROWS


def test_100_000_rows_in_less_than_5_mb(run: Config, tmp_path: Path) -> None:
    """The rows of a small run, many times over, with ids and texts of their own, and the prompts and answers of that run."""
    large = toy.settings(tmp_path)
    shutil.copytree(run.folder, large.folder)
    multiply(large, 100_000)
    started = time.monotonic()
    found = report.report(large, rows=1000)
    seconds = time.monotonic() - started
    print(f"100,000 rows: {found.bytes:,} bytes, {found.samples} samples, {seconds:.1f} s")
    assert found.rows == 100_000
    assert found.bytes < 5_000_000
    assert found.samples >= 300
    assert seconds < 120


def test_the_files_of_the_page_are_whole() -> None:
    assert page._read("report.js").count("innerHTML") == 0
    assert "</script" not in page._read("report.js")
    assert "</style" not in page._read("report.css")
    assert "url(" not in page._read("report.css")
    assert "@import" not in page._read("report.css")
