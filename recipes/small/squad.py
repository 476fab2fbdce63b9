"""A SQuAD-format file as a BEIR folder: paragraphs as the corpus, the questions people asked of them, and which is whose.

    python recipes/small/squad.py xquad.en.json outputs/recipes/xquad

`synth run recipes/small/xquad.yaml` reads the folder's corpus.jsonl alone; train.py measures on the questions.
"""

import json
import sys
from pathlib import Path

from beir_folder import write


def convert(source: Path, folder: Path) -> tuple[int, int]:
    """Return how many paragraphs and questions there are. A paragraph's id is its article and its place in it."""
    documents, questions = [], []
    for article in json.loads(source.read_text(encoding="utf-8"))["data"]:
        for number, paragraph in enumerate(article["paragraphs"]):
            name = f"{article['title']}-{number}"
            title = article["title"].replace("_", " ")
            documents.append({"_id": name, "title": title, "text": paragraph["context"]})
            questions += [(asked["id"], asked["question"], name) for asked in paragraph["qas"]]
    return write(folder, documents, questions)


if __name__ == "__main__":
    print("{} paragraphs, {} questions".format(*convert(Path(sys.argv[1]), Path(sys.argv[2]))))
