import itertools
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import pytest
import yaml
from markdown_it import MarkdownIt

from synth import card
from synth.config import Config, Corpus, Personas, Publish
from synth.figures import Step, Tally, left_out, steered
from synth.schemas import DATASET, table
from synth.visible import one_line, visible

HOSTILE = "a|b <script>alert(1)</script> `rm -rf` \x1b[31mred\x07 {{ 7*7 }} {% raw %}\n\n| new | row |\n# [x](http://e.com) \\"


def row(**changes: Any) -> dict[str, Any]:
    return {
        "id": "r1", "task": "retrieval", "instruction": "i", "query": "when does the tide turn", "positive": "Every six hours.",
        "negatives": ["Salt is white."], "positive_score": 0.7, "negative_scores": [0.4], "negative_kinds": ["mined"],
        "positive_rerank": None, "negative_reranks": [None],
        "similarity": None, "negative_similarities": [None], "label": "", "rank": 1, "query_language": "de",
        "positive_language": "zh", "type": "keywords", "difficulty": "phd", "length": "short", "clarity": "",
        "persona": "a sailor",
        "title": "", "document_id": "d1", "passage_id": "p1", "negative_ids": ["p2"], "source": "s", "cluster": "r1",
        "model": "toy", "templates": "t1",
    } | changes  # fmt: skip


def config(**changes: Any) -> Config:
    settings = {
        "name": "toy",
        "corpus": Corpus(path="/home/me/docs.jsonl", licence="CC0-1.0"),
        "engine": SimpleNamespace(kind="scripted"),
        "embedder": SimpleNamespace(kind="local"),
        "reranker": None,
        "tasks": {},
        **changes,
    }
    return Config.model_construct(**settings)


def write(*rows: dict[str, Any], funnel: tuple[Step, ...] = (), **changes: Any) -> str:
    tally = Tally()
    tally.add("train", table(DATASET, rows))
    return card.card(card.facts(config(**changes)), tally.summary(5), list(funnel), rows, "0a1b")


def head(page: str) -> dict[str, Any]:
    _, header, _ = page.split("---\n", 2)
    return dict(yaml.safe_load(header))


def cells(page: str, heading: str) -> list[list[str]]:
    """Return the body cells of the first table under a heading, as a renderer of GitHub's Markdown sees them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page.split(heading, 1)[1])
    rows: list[list[str]] = []
    for before, token in itertools.pairwise(tokens):
        if before.type == "tr_open":
            rows.append([])
        if before.type in ("td_open", "th_open"):
            assert all(child.type in ("text", "text_special") for child in token.children or [])
            rows[-1].append("".join(child.content for child in token.children or []))
        if token.type == "table_close":
            break
    return rows[1:]


def test_the_header() -> None:
    header = head(write(row(), row(id="r2", query_language="und"), publish=Publish(licence="CC-BY-4.0")))
    (info,) = header.pop("dataset_info")
    assert header == {
        "pretty_name": "toy",
        "language": ["de", "zh"],
        "license": "cc-by-4.0",
        "task_categories": ["sentence-similarity", "text-retrieval"],
        "size_categories": ["n<1K"],
        "tags": ["synthetic", "embeddings", "hard-negatives", "query-generation"],
        "configs": [
            {
                "config_name": "default",
                "description": "rows 0a1b",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
                "default": True,
            },
        ],
    }
    assert info["config_name"] == "default"
    assert datasets.Features._from_yaml_list(info["features"]) == datasets.Features.from_arrow_schema(DATASET)


@pytest.mark.parametrize(
    ("licence", "fields"),
    [
        (None, {"license": "unknown"}),
        ("MIT", {"license": "mit"}),
        ("CC-BY-NC-SA-4.0", {"license": "cc-by-nc-sa-4.0"}),
        ("Our own\n---\nterms: v2", {"license": "other", "license_name": "our-own-terms-v2"}),
    ],
)
def test_licences(licence: str | None, fields: dict[str, str]) -> None:
    header = head(write(row(), publish=Publish(licence=licence)))
    assert {name: value for name, value in header.items() if name.startswith("license")} == fields


@pytest.mark.parametrize(
    ("rows", "size"), [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (2_500_000, "1M<n<10M"), (10**11, "10B<n<100B")]
)
def test_size_categories(rows: int, size: str) -> None:
    figures = Tally().summary(5) | {"rows": rows}
    assert yaml.safe_load(card.header(card.facts(config()), figures, ""))["size_categories"] == [size]


def test_hostile_rows_are_shown_as_they_are_and_do_nothing() -> None:
    page = write(row(query=HOSTILE, positive=HOSTILE, negatives=[HOSTILE], type=HOSTILE))
    assert cells(page, "### Sample rows") == [
        ["retrieval", one_line(HOSTILE, 200), one_line(HOSTILE, 240), one_line(HOSTILE, 160)]
    ]
    for forbidden in ("<script", "\x1b", "\x07", "{{", "{%", "`rm", "](", "http://"):
        assert forbidden not in page
    assert "49" not in page
    assert page.count("---\n") == write(row()).count("---\n")


def test_what_became_of_each_task_and_language_and_of_the_targets() -> None:
    tally = Tally()
    tally.add("train", table(DATASET, [row()]))
    fates = {"sts": {"de": {"ok": 3, "rejected/copied": 2, "rejected/x|y": 1}, "en": {"failed/deadline": 4}}}
    cells_of = [
        {"cell": "sts/de", "target": 2000, "planned": 6, "accepted": 3, "kept": 2},
        {"cell": "sts/en", "target": 4, "planned": 4, "accepted": 0, "kept": 0, "short_because": "corpus used up"},
    ]
    counted = {
        "fates": fates, "spent": {"requests": {"sts": 10}},
        "rounds": 2, "stop": "corpus used up", "distance": 0.25, "cells": cells_of,
    }  # fmt: skip
    tally.written = Counter({("sts", "de"): 2})
    figures = tally.summary(5) | left_out(counted, tally) | steered(counted)
    page = card.card(card.facts(config()), figures, [], [row()], "0a1b")
    assert cells(page, "Of each task and language") == [
        ["sts", "de", "6", "2", "copied 2, x|y 1, over_target 1"],
        ["sts", "en", "4", "0", "–; failed: deadline 4"],
    ]
    assert (
        "stopped after 2 rounds: corpus used up. Total variation distance of the rows' shares from the targets': 0.25"
        in page
    )
    assert cells(page, "### Targets") == [
        ["sts/de", "2,000", "6", "3", "2", "–"],
        ["sts/en", "4", "4", "0", "0", "corpus used up"],
    ]


def test_hostile_settings_are_escaped_too() -> None:
    page = write(
        row(model="<b>m</b>"),
        corpus=Corpus(dataset="a/b", licence="<img src=x>\n\n# Owned"),
        personas=Personas(path="mine.jsonl", licence="`x`"),
    )
    assert "**Corpus:** a/b, licence: &#60;img src=x&#62; &#35; Owned\n" in page
    assert "**Personas:** mine.jsonl, licence: &#96;x&#96;\n" in page
    assert "&#60;b&#62;m&#60;/b&#62;" in page


def test_the_funnel_names_every_reason() -> None:
    step = Step("filter", 1200, 1100, {"copied_from_passage": 60, "too|short": 30}, {"timeout": 10})
    assert cells(write(row(), funnel=(step,)), "Rows on their way") == [
        ["filter", "1,200", "1,100", "copied_from_passage 60, too|short 30; failed: timeout 10"]
    ]


def test_nothing_of_the_machine_is_in_it() -> None:
    page = write(row(), embedder=SimpleNamespace(kind="local", model="/home/me/models/MiniLM"))
    assert "/home/me" not in page
    assert "**Corpus:** docs.jsonl," in page
    assert "negatives): MiniLM\n" in page
    assert page == write(row(), embedder=SimpleNamespace(kind="local", model="/home/me/models/MiniLM"))


def test_the_snippet_is_python() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", write(row()), re.DOTALL)
    compile(code, "card", "exec")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31m \x7f \r", "\\x9b31m \\x7f \\r"),
        ("abc\u202edcb", "abc\\u202edcb"),
        ("می‌خواهم 中文", "می‌خواهم 中文"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_one_line() -> None:
    assert one_line("two\n  lines ", 20) == "two lines"
    assert one_line("a sentence that is cut", 16) == "a sentence that…"
    assert one_line("长" * 50, 10) == "长" * 9 + "…"


def test_the_template_ships_with_the_package() -> None:
    assert (Path(card.__file__).parent / "data" / "card.md.j2").is_file()
