"""A dataset that grows by releases: what is new is asked for and added, what is there is not touched, what is gone can go."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner

from synth import cli, kept
from synth.errors import ModelError
from synth.stages import generate
from synth.stages.publish import by_document

SAMPLE = Path("examples/corpus/documents.jsonl").read_text(encoding="utf-8").splitlines()
DOCUMENTS = [json.loads(line)["id"] for line in SAMPLE]
CONFIG = {
    "name": "nightly",
    "tasks": {"retrieval": {"rows_per_passage": 2}},
    "engine": {"kind": "scripted"},
    "embedder": {"kind": "hashing"},
    "score": {"min_cosine": 0.05, "max_rank": 5},
    "negatives": {"per_query": 2},
    "shard_rows": 8,
    "publish": {"validation": 0.3},
}
NOTHING = {
    "state": "nothing_new", "exit_code": 9, "planned": 0, "added": 0, "untouched": 2, "written": 0, "nothing_new": True,
    "account": {"planned": 0, "written": 0, "rejected": {}, "failed": {}},
}  # fmt: skip


class Nightly:
    def __init__(self, folder: Path) -> None:
        self.folder, self.corpus = folder, folder / "corpus"
        self.corpus.mkdir()
        self.dataset = folder / "outputs/nightly/dataset"
        columns = {"text": "text", "id": "id", "title": "title", "language": "language"}
        own = {"outputs": str(folder / "outputs"), "corpus": {"path": str(self.corpus), "columns": columns}}
        self.config = folder / "nightly.yaml"
        self.config.write_text(yaml.safe_dump(CONFIG | own))

    def brings(self, name: str, first: int, last: int) -> None:
        (self.corpus / f"{name}.jsonl").write_text("\n".join(SAMPLE[first:last]) + "\n", encoding="utf-8")

    def update(self, *options: str, code: int | None = None) -> tuple[int, dict[str, Any]]:
        result = CliRunner().invoke(cli.main, ["update", str(self.config), "--json", *options])
        assert result.exit_code in ((0, 9) if code is None else (code,)), result.output
        return result.exit_code, json.loads(result.stdout)

    def row(self, line: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(line)
        return found

    def rows(self) -> list[dict[str, Any]]:
        return [row for file in sorted(self.dataset.glob("data/*.parquet")) for row in pq.read_table(file).to_pylist()]

    def pairs(self) -> set[str]:
        files = self.dataset.glob("scored_pairs/*.parquet")
        return {name for file in files for name in pq.read_table(file).column("id").to_pylist()}

    def number_of_pairs(self) -> int:
        return sum(pq.read_metadata(file).num_rows for file in self.dataset.glob("scored_pairs/*.parquet"))

    def files(self) -> dict[str, tuple[int, int]]:
        return {
            path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in self.dataset.glob("data/*.parquet")
        }  # fmt: skip


@pytest.fixture
def nightly(tmp_path: Path) -> Nightly:
    made = Nightly(tmp_path)
    made.brings("monday", 0, 16)
    return made


def test_each_night_asks_for_what_is_new_and_touches_nothing_else(nightly: Nightly) -> None:
    code, first = nightly.update()
    assert (code, first["release"], first["planned"], first["untouched"]) == (0, 1, 32, 0)
    files, rows = nightly.files(), nightly.rows()

    assert nightly.update() == (9, first | NOTHING)

    nightly.brings("tuesday", 16, 24)
    code, second = nightly.update()
    assert (code, second["release"], second["planned"], second["untouched"]) == (0, 2, 16, len(files))
    assert second["rows"] == first["rows"] + second["added"] == len(nightly.rows())
    assert {name: file for name, file in nightly.files().items() if name in files} == files
    assert [row for row in nightly.rows() if row in rows] == rows
    with kept.opened(nightly.folder / "outputs/nightly/responses/journal.sqlite") as journal:
        assert len(journal) == 2 * (32 + 16)  # two questions a row, none of them asked twice
    stats = json.loads((nightly.dataset / "stats.json").read_text())
    assert stats["releases"] == [
        {"release": 1, "planned": 32, "rows": first["rows"], "withdrawn": 0},
        {"release": 2, "planned": 16, "rows": second["added"], "withdrawn": 0},
    ]
    found = CliRunner().invoke(cli.main, ["verify", str(nightly.config), "--json"])
    assert json.loads(found.stdout) == {"ok": True, "stages": 1, "files": 6, "rows": second["rows"]}
    out = ["--format", "sentence_transformers_triplet", "--out", str(nightly.folder / "triplets")]
    exported = CliRunner().invoke(cli.main, ["export", str(nightly.config), "--json", *out])
    assert json.loads(exported.stdout)["rows"] == second["rows"]
    published = ["publish", str(nightly.config), "--to", str(nightly.folder / "out"), "--json"]
    refused = CliRunner().invoke(cli.main, published)
    assert (refused.exit_code, "licence" in refused.stderr) == (10, True)
    published += ["--accept-licence", "corpus", "--set", "publish.licence=cc0-1.0"]
    assert json.loads(CliRunner().invoke(cli.main, published).stdout)["rows"] == second["rows"]
    assert json.loads(CliRunner().invoke(cli.main, published).stdout)["state"] == "nothing_new"
    (victim, *_) = nightly.dataset.glob("data/train-0002*")
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    assert CliRunner().invoke(cli.main, ["verify", str(nightly.config)]).exit_code == 6
    assert "This is version 2." in (nightly.dataset / "README.md").read_text()


def test_a_document_that_comes_again_elsewhere_is_nothing_new(nightly: Nightly) -> None:
    _, first = nightly.update()
    nightly.brings("copy", 0, 4)
    assert nightly.update() == (9, first | NOTHING)
    assert [path.name for path in (nightly.folder / "outputs/nightly/releases").iterdir()] == ["0001"]


def test_rows_of_documents_that_are_gone_are_withdrawn_when_asked(nightly: Nightly) -> None:
    nightly.brings("tuesday", 16, 24)
    nightly.update()
    before = nightly.rows()
    gone = {json.loads(line)["id"] for line in SAMPLE[16:24]}
    (nightly.corpus / "tuesday.jsonl").unlink()

    code, kept_all = nightly.update()
    assert (code, kept_all["rows"]) == (9, len(before))
    code, pruned = nightly.update("--prune")
    after = nightly.rows()
    lost = [row for row in before if row["document_id"] in gone]
    passages = {row["passage_id"] for row in lost}
    assert lost
    assert (code, pruned["withdrawn"], pruned["rows"]) == (0, len(lost), len(before) - len(lost))
    assert [row["id"] for row in after] == [row["id"] for row in before if row["document_id"] not in gone]
    assert not passages & {name for row in after for name in row["negative_ids"]}
    assert all(len(row["negatives"]) == len(row["negative_ids"]) == len(row["negative_scores"]) for row in after)
    # And they do not come back, unless the document does.
    nightly.brings("wednesday", 24, 26)
    nightly.update()
    assert not gone & {row["document_id"] for row in nightly.rows()}
    nightly.brings("tuesday", 16, 24)
    assert nightly.update("--prune")[1]["withdrawn"] == 0


def test_a_release_that_was_cut_off_is_gone_on_with(nightly: Nightly) -> None:
    nightly.update()
    nightly.brings("tuesday", 16, 24)
    found = CliRunner().invoke(cli.main, ["update", str(nightly.config), "--max-time", "0s", "--json"])
    assert found.exit_code == 8
    assert len(nightly.files()) == 2
    code, second = nightly.update()
    assert (code, second["release"], second["planned"]) == (0, 2, 16)


def test_a_corpus_that_changes_while_a_release_is_begun_and_is_pruned_later(
    nightly: Nightly, monkeypatch: pytest.MonkeyPatch
) -> None:
    nightly.update()
    nightly.brings("tuesday", 16, 24)
    with monkeypatch.context() as patch:
        patch.setattr(generate, "generate", lambda *_, **__: (_ for _ in ()).throw(ModelError("the night is over")))
        assert CliRunner().invoke(cli.main, ["update", str(nightly.config)]).exit_code == 4
    nightly.brings("wednesday", 24, 28)
    assert nightly.update()[1]["planned"] == 24
    assert len(list((nightly.folder / "outputs/nightly/releases/0002").glob("corpus-*"))) == 2
    assert nightly.update("--prune")[0] == 9
    (nightly.corpus / "wednesday.jsonl").unlink()  # the corpus is what it was when the release was begun
    code, found = nightly.update("--prune")
    assert (code, found["withdrawn"] > 0) == (0, True)


def test_a_folder_that_tar_took_away_and_back_is_the_same(nightly: Nightly) -> None:
    _, first = nightly.update()
    outputs = nightly.folder / "outputs"
    subprocess.run(["tar", "-cf", nightly.folder / "nightly.tar", "-C", outputs, "nightly"], check=True, timeout=60)
    shutil.rmtree(outputs)
    outputs.mkdir()
    subprocess.run(["tar", "-xf", nightly.folder / "nightly.tar", "-C", outputs], check=True, timeout=60)
    assert nightly.update() == (9, first | NOTHING)
    nightly.brings("tuesday", 16, 24)
    assert nightly.update()[1]["planned"] == 16


def test_other_settings_ask_for_what_is_more(nightly: Nightly) -> None:
    nightly.update()
    code, found = nightly.update("--set", "tasks.retrieval.rows_per_passage=3")
    assert (code, found["release"], found["planned"]) == (0, 2, 16)


def test_graded_pairs_go_with_their_row(nightly: Nightly) -> None:
    own = ["--set", "tasks.sts={rows_per_passage: 2}"]
    nightly.brings("tuesday", 16, 24)
    nightly.update(*own)
    (nightly.corpus / "tuesday.jsonl").unlink()
    before = nightly.pairs()
    nightly.update("--prune", *own)
    there = {row["id"] for row in nightly.rows()}
    assert before - nightly.pairs()
    assert {name for name in before if name in there} == nightly.pairs()
    stats = json.loads((nightly.dataset / "stats.json").read_text())
    assert sum(stats["scored_pairs"].values()) == nightly.number_of_pairs()


def test_a_night_of_one_document_keeps_its_split(nightly: Nightly) -> None:
    nightly.update()
    for at in range(16, 26):
        nightly.brings(f"day {at}", at, at + 1)
        nightly.update()
    split = {
        row["document_id"]: file.name.partition("-")[0]
        for file in nightly.dataset.glob("data/*.parquet")
        for row in pq.read_table(file).to_pylist()
    }
    alone = pa.table({"document_id": [*split], "parallel": [""] * len(split)})
    held_out = by_document(alone, 0.3)["validation"].column("document_id").to_pylist()
    assert {name for name, of in split.items() if of == "validation"} == {*held_out}


def test_targets_are_refused(nightly: Nightly) -> None:
    targets = ["--set", "targets=[{task: retrieval, rows: 6}]"]
    found = CliRunner().invoke(cli.main, ["update", str(nightly.config), *targets])
    assert (found.exit_code, "update: with targets" in found.stderr) == (2, True)


def test_a_corpus_that_gives_nothing_is_an_error(nightly: Nightly) -> None:
    found = CliRunner().invoke(cli.main, ["update", str(nightly.config), "--set", "tasks.retrieval.rows_per_passage=0"])
    assert (found.exit_code, "gives no row to write" in found.stderr) == (3, True)


def test_status_and_show_look_into_the_last_release_and_any_other(nightly: Nightly) -> None:
    def look(*arguments: str, code: int = 0) -> Any:
        command, *more = arguments
        found = CliRunner().invoke(cli.main, [command, str(nightly.config), *more])
        assert found.exit_code == code, found.output
        return found.stdout if code == 0 else found.stderr

    assert "to do" in look("status")
    _, first = nightly.update()
    nightly.brings("tuesday", 16, 24)
    nightly.update("--max-time", "0s", code=8)
    begun = json.loads(look("status", "--json"))
    assert [(one["release"], one["state"], one["rows"]) for one in begun["releases"]] == [
        (1, "done", first["rows"]),
        (2, "begun", None),
    ]
    assert {line["state"] for line in begun["stages"]} == {"to do"}
    assert "stage 'negatives' is not finished" in look("show", code=5)
    assert nightly.row(look("show", "--release", "1", "-n", "1", "--json"))["document_id"] in DOCUMENTS[:16]
    _, second = nightly.update()
    nightly.brings("wednesday", 24, 26)  # the corpus has changed since: no matter
    told = json.loads(look("status", "--json"))
    assert [(one["release"], one["state"], one["planned"], one["rows"]) for one in told["releases"]] == [
        (1, "done", 32, first["rows"]),
        (2, "done", 16, second["added"]),
    ]
    assert {line["state"] for line in told["stages"]} == {"done"}
    assert next(line for line in told["stages"] if line["stage"] == "generate")["requests"] == 32
    assert "withdrawn" in look("status")
    assert nightly.row(look("show", "-n", "1", "--json"))["document_id"] in DOCUMENTS[16:24]
    assert len(look("show", "--stage", "publish", "-n", "999", "--json").splitlines()) == second["rows"]
    assert "there is no release 3 (there are: 1 to 2)" in look("show", "--release", "3", code=2)
    assert look("show", "--stage", "filter", "--status", "rejected", "-n", "1", "--set", "seed=7")
    nightly.config.write_text(nightly.config.read_text().replace("name: nightly", "name: other"))
    assert "has no releases" in look("show", "--release", "1", code=2)
