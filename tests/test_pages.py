"""Each `synth` command on each page runs, as it stands there, in the order of the page, on the files that the page has one write.

Stand-ins: the scripted engine, the hashing embedder without thresholds on its scores, a Hub on loopback; and a small config
where a page says CONFIG or my/run.yaml. What starts or reaches other machines is left out, by name.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pytest
from click.testing import CliRunner

from synth.cli import main
from tests.hub_server import instead

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT) for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")]
)
GENERATED = {Path("docs/cli.md"), Path("docs/config.md"), Path("docs/rows.md")}
SMALL = """
name: small
corpus:
  path: examples/corpus/documents.jsonl
  columns: {text: text, id: id, title: title, language: language}
  licence: CC0-1.0
  limit: 12
tasks: {retrieval: {}, sts: {}}
engine: {kind: scripted}
embedder: {kind: hashing}
score: {min_cosine: 0.0}
publish: {licence: CC-BY-4.0}
"""
GIVEN = {"CONFIG": SMALL, "my/run.yaml": SMALL}
"""Files that pages speak of as the reader's own."""
CORPORA = {"my/corpus/1.jsonl": range(40), "my/corpus/2.jsonl": range(40, 68)}
"""Lines of the sample corpus that stand in for files of the reader's."""
STAND_INS = ("engine={kind: scripted}", "embedder={kind: hashing}", "score.min_cosine=null", "corpus.limit=12")
NOTHING_NEW = 9
OF_A_FINISHED_RUN = {Path("docs/exports.md"), Path("docs/publishing.md")}
"""Pages that begin where a run of CONFIG has ended."""
ELSEWHERE = re.compile(r"s3://|gs://|--executor ray|/var/lib/")
"""What is on other machines, or not in the page's folder: tests/publishing, tests/executors and tests/telemetry have it."""


@dataclass
class Page:
    files: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)


def read(path: Path) -> Page:
    """Take a page apart: files are named in a line before their block; commands stand in indented blocks and tables."""
    text = (ROOT / path).read_text(encoding="utf-8")
    files = dict(
        re.findall(r"^`([\w./-]+)`:[^\n]*\n(?:[^\n`]+\n)*\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    )
    bare = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"(?:^\n|\A)((?:^    .*\n)+)", bare, re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    found = [line.strip() for line in lines if re.match(r"(\w+=\S+ )*synth ", line.strip())]
    return Page(files, found + re.findall(r"^\| `(synth [^`]*CONFIG[^`]*)`", bare, re.MULTILINE))


FENCED = {"docs/storage.md", "docs/training.md"}
"""Pages with scripts of a shell in fenced blocks, which are not run: they need a bucket, or half an hour."""


def test_commands_stand_where_they_are_run() -> None:
    shell = re.compile(r"^```(?:sh|bash|console)\n(?:(?!^```).*\n)*?\S*synth \w", re.MULTILINE)
    assert {str(path) for path in PAGES if shell.search((ROOT / path).read_text(encoding="utf-8"))} == FENCED


def commands(line: str) -> Iterator[list[str]]:
    """Split a line of shell into its commands, and yield those of synth, from that word on."""
    words = shlex.shlex(line, posix=True, punctuation_chars="();&|")
    words.whitespace_split = True
    for is_between, some in groupby(words, key=lambda word: set(word) <= set("();&|")):
        found = list(some)
        if not is_between and "synth" in found:
            yield found[found.index("synth") :]


def asked(words: list[str], number: int) -> list[str]:
    """The arguments of `synth`: placeholders filled in, and the stand-ins set before what the command itself sets."""
    filled = {
        "DIR": f"DIR-{number}",
        "N": "0",
        "[CONFIG]": "CONFIG",
        "NAME": "retrieval/query" if "show" in words else "tevatron",
    }
    arguments = [filled.get(word, word) for word in words[1:]]
    at = next((place for place, word in enumerate(arguments) if word in GIVEN or word.endswith(".yaml")), None)
    if at is not None:
        arguments[at + 1 : at + 1] = [part for name in STAND_INS for part in ("--set", name)]
    return arguments


@pytest.mark.parametrize("path", [path for path in PAGES if path not in GENERATED], ids=str)
def test_the_commands_of_a_page_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = read(path)
    if not page.commands:
        return
    for name in ("configs", "examples", "prompts"):
        (tmp_path / name).symlink_to(ROOT / name)
    lines = (ROOT / "examples/corpus/documents.jsonl").read_text(encoding="utf-8").splitlines()
    corpora = {name: "\n".join(lines[line] for line in some) for name, some in CORPORA.items()}
    for name, text in (GIVEN | corpora | page.files).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    with instead(monkeypatch):
        failed = {}
        if path in OF_A_FINISHED_RUN:
            page.commands.insert(0, "synth run CONFIG")
        for number, line in enumerate(page.commands):
            for words in commands(line):
                if ELSEWHERE.search(line):
                    continue
                result = CliRunner().invoke(main, asked(words, number))
                if result.exit_code not in ((0, NOTHING_NEW) if words[1] == "update" else (0,)):
                    failed[line] = (result.exit_code, result.output[-400:], result.exception)
        assert list(failed) == [], failed
