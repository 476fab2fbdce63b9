"""Turn SQuAD-format JSON (XQuAD, CC BY-SA 4.0) into a corpus, so that a config can be tried on paragraphs of others.

    python bench/xquad.py xquad.en.json /tmp/xquad.jsonl
    synth run configs/quickstart.yaml --set corpus.path=/tmp/xquad.jsonl --set corpus.licence=CC-BY-SA-4.0 \
        --set name=xquad --set tasks.retrieval.rows_per_passage=1
"""

import json
import sys
from pathlib import Path


def convert(source: Path, target: Path) -> int:
    """Write one document per paragraph: id, title of its article, language of the file's name, text."""
    articles = json.loads(source.read_text(encoding="utf-8"))["data"]
    language = source.stem.rpartition(".")[2] or "en"
    rows = [
        {
            "id": f"{article['title']}-{number}",
            "title": article["title"].replace("_", " "),
            "language": language,
            "text": text,
        }
        for article in articles
        for number, text in enumerate(paragraph["context"] for paragraph in article["paragraphs"])
    ]
    target.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return len(rows)


if __name__ == "__main__":
    print(convert(Path(sys.argv[1]), Path(sys.argv[2])), "paragraphs")
