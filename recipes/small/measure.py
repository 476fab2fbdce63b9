"""nDCG@10 on questions that people asked, and how sure a difference is."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

TOP = 10


class Questions:
    """The questions of a BEIR folder: corpus.jsonl, queries.jsonl, qrels/test.tsv. Titles are not read: synth's positives
    have none."""

    def __init__(self, folder: Path) -> None:
        corpus, queries = (_texts(folder / f"{part}.jsonl") for part in ("corpus", "queries"))
        judged: dict[str, set[str]] = {}
        for line in (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
            question, document, grade = line.split("\t")
            if int(grade) > 0:
                judged.setdefault(question, set()).add(document)
        self._texts = queries
        self._evaluator = _EachQuestion(queries, corpus, judged, ndcg_at_k=[TOP], write_csv=False)

    def __len__(self) -> int:
        return len(self._evaluator.queries)

    def refuse_if_seen(self, queries: Iterable[str]) -> None:
        """End the program when a question is among the queries to train on."""
        if seen := {_plain(text) for text in queries} & {_plain(text) for text in self._texts.values()}:
            sys.exit(
                f"{len(seen):,} of the questions are among the dataset's queries, e.g. {min(seen)!r}: name their folder in "
                "`decontamination.benchmarks` of the config and run it again"
            )

    def measure(self, model: SentenceTransformer) -> np.ndarray:
        """Return nDCG@10 of each question, in the order of the file: (questions,)."""
        self._evaluator(model)
        return np.array(self._evaluator.found)


class _EachQuestion(InformationRetrievalEvaluator):
    """Keeps nDCG@10 per question, of which sentence-transformers tells the mean alone."""

    found: Sequence[float] = ()

    def compute_metrics(self, queries_result_list: list) -> dict:
        self.found = []
        for name, hits in zip(self.queries_ids, queries_result_list, strict=True):
            relevant = self.relevant_docs[name]
            gains = [int(hit["corpus_id"] in relevant) for hit in hits[:TOP]]
            self.found.append(self.compute_dcg_at_k(gains, TOP) / self.compute_dcg_at_k([1] * len(relevant), TOP))
        return super().compute_metrics(queries_result_list)


def table(results: Mapping[str, np.ndarray], seed: int = 0) -> list[str]:
    """Return lines of a Markdown table: nDCG@10, and its difference to the first row with the 95 % interval of a bootstrap
    over questions, which the two models answered alike or not."""
    base = next(iter(results.values()))
    lines = [f"| model | nDCG@{TOP} | against {next(iter(results))}, 95 % |", "|---|---|---|"]
    for name, found in results.items():
        change = found - base
        if not change.any():
            lines.append(f"| {name} | {found.mean():.4f} | |")
            continue
        low, high = bootstrap((change,), np.mean, method="percentile", rng=seed).confidence_interval
        lines.append(f"| {name} | {found.mean():.4f} | {change.mean():+.4f} ({low:+.4f} to {high:+.4f}) |")
    return lines


def _texts(file: Path) -> dict[str, str]:
    rows = (json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line)
    return {row["_id"]: row["text"] for row in rows}


def _plain(text: str) -> str:
    return " ".join("".join(letter if letter.isalnum() else " " for letter in text.casefold()).split())
