import csv
import json
from pathlib import Path

import numpy as np
import pytest

from synth import encoders, readers
from synth.config import Personas
from synth.encoders.hashing import Settings
from synth.errors import InputError
from synth.schemas import PERSONAS, conform
from synth.stages import personas
from synth.stages.personas import Catalogue, library, nearest
from tests.rows import passage, passages

PLAYERS = ["A keeper of otters at a zoo", "A miner of copper", "A keeper of otters at a zoo", "A teacher of Latin"]


def catalogue(players: list[str]) -> Catalogue:
    with encoders.opened(Settings(kind="hashing")) as encoder:
        return Catalogue(encoder, players, encoder.queries(players).astype(np.float16))


@pytest.mark.parametrize("block", [1, 3, 8192])
def test_the_nearest_personas_best_first_equal_ones_in_the_librarys_order(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personas, "_BLOCK", block)
    rows = passages(
        passage(text="Copper is mined by a miner."),
        passage(text="x", status="rejected", reason="too_short"),
        passage(text="Otters have keepers at the zoo."),
    )
    found = conform(nearest(rows, catalogue(PLAYERS), candidates=2), PERSONAS).to_pylist()
    assert [row["personas"][0] for row in found if row["personas"]] == [PLAYERS[1], PLAYERS[0]]
    assert found[2]["personas"] == [PLAYERS[0], PLAYERS[2]]
    assert (found[1]["personas"], found[1]["embedding"], found[1]["reason"]) == ([], [], "too_short")
    assert [len(row["embedding"]) for row in found] == [512, 0, 512]
    np.testing.assert_allclose(np.linalg.norm(np.array(found[0]["embedding"], np.float32)), 1, atol=1e-3)


def test_a_shard_without_a_passage_in_the_running() -> None:
    rows = passages(passage(status="rejected", reason="too_short"))
    assert conform(nearest(rows, catalogue(PLAYERS), candidates=2), PERSONAS).to_pylist()[0]["personas"] == []


def test_agrees_with_the_whole_matrix() -> None:
    shelf = catalogue(library(Personas()))
    texts = [f"{PLAYERS[n % 4]} reads about number {n} on a rainy day in Lima." for n in range(30)]
    found = nearest(passages(*(passage(text=text) for text in texts)), shelf, candidates=5)
    scores = shelf.encoder.documents(texts).astype(np.float16).astype(np.float32) @ shelf.vectors.astype(np.float32).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    assert found.column("personas").to_pylist() == [[shelf.personas[row] for row in rows] for rows in order]


def test_the_shipped_library_is_large_and_without_duplicates() -> None:
    found = library(Personas())
    assert len(found) >= 300
    assert len(set(found)) == len(found)


def test_a_library_of_ones_own(tmp_path: Path) -> None:
    with (tmp_path / "own.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["who"], ["A cook "], ["  "], ["A nun"]])
    settings = Personas(path=str(tmp_path / "own.csv"), column="who", licence="CC0-1.0", candidates=2)
    assert library(settings) == ["A cook", "A nun"]


@pytest.mark.parametrize(
    ("lines", "column", "message"),
    [
        ([{"person": "A cook"}], "persona", r"no column 'persona'; did you mean 'person'\?"),
        ([{"persona": "A cook"}], "persona", "has 1 personas in column 'persona', and 5 are to be chosen from"),
        ([{"persona": None}], "persona", r"has 0 personas .* the first is own.jsonl:1: 'persona' is not a text: None"),
    ],
)
def test_a_library_that_will_not_do_is_named(
    lines: list[dict[str, str]], column: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        library(Personas(path=str(path), column=column, licence="CC0-1.0"))


def test_a_library_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"personas: nowhere\.jsonl: no such file"):
        library(Personas(path="nowhere.jsonl", licence="CC0-1.0"))


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    found = []
    for name, text in (("a.jsonl", "1"), ("b.jsonl", "1"), ("c.jsonl", "2")):
        (tmp_path / name).write_text(text)
        found.append(personas._digest(readers.files(str(tmp_path / name))))
    assert found[0] == found[1] != found[2]
