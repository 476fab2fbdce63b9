"""Questions that people asked, kept as BEIR keeps them: corpus.jsonl, queries.jsonl, qrels/test.tsv."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path


def write(
    folder: Path, documents: Iterable[Mapping[str, str]], questions: Iterable[tuple[str, str, str]]
) -> tuple[int, int]:
    """Write documents (`_id`, `text` and what else they have) and questions (id, text, id of the document that answers).

    Returns how many there are of each.
    """
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    documents, questions = list(documents), list(questions)
    _lines(folder / "corpus.jsonl", documents)
    _lines(folder / "queries.jsonl", ({"_id": name, "text": text} for name, text, _ in questions))
    judged = "".join(f"{name}\t{answer}\t1\n" for name, _, answer in questions)
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged, encoding="utf-8")
    return len(documents), len(questions)


def _lines(file: Path, rows: Iterable[Mapping[str, str]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
