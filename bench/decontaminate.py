"""Plant benchmark texts in many forms among clean ones, and say how many are found, and how many clean ones are hit.

    python bench/decontaminate.py                        # the sample corpus alone; seconds
    python bench/decontaminate.py --xquad xquad/         # and people's paragraphs and questions: a folder of SQuAD JSON,
                                                         # one file a language, named *.<language>.json
    python bench/decontaminate.py --clean more.jsonl     # more texts that are in no benchmark (column `text`)
    python bench/decontaminate.py --sweep                # other values of `shared_words`
    python bench/decontaminate.py --languages            # per language, not for all together

Every other article is a benchmark's, one benchmark a language; texts are planted from those, and the articles between are
the clean ones; then the other way round. So no clean text shares its article with a benchmark, in its language or in
another. Benchmarks go the way that they go in a run: a file, the stage's shards, the index. The forms:

    WHOLE     found as a whole: as it is, in capitals, with other blanks, other points, no points, letters taken apart
    PARTS     found by n-grams: half of it; it within clean text, also changed like that; three fifths, then clean text
    BEYOND    not promised: words changed, 20 or 30 words within clean text, sentences shuffled, blanks for points
"""

import argparse
import itertools
import json
import random
import re
import sys
import tempfile
import time
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sentencex import segment

from synth.benchmarks import Benchmark, Decontamination
from synth.contamination import Index
from synth.stages import benchmarks
from synth.text import LETTERS_PER_WORD, is_unspaced

SAMPLE = Path(__file__).parents[1] / "examples" / "corpus" / "documents.jsonl"
SHARED_WORDS = (13, 16, 20, 25, 30, 40, 50, 75)
_POINT = re.compile(r"[^\w\s]")
_OTHER_POINTS = {"'": "’", '"': "”", "-": "–", ".": "!", ",": ";", "，": "、", "。": "！", "؟": "?", "،": ","}


@dataclass(frozen=True)
class Text:
    language: str
    article: int
    """Number of its article in its source."""
    is_query: bool
    text: str


@dataclass(frozen=True)
class Tool:
    """What a form may need to change a text."""

    chance: random.Random
    host: str
    """A clean text in the same language."""
    language: str


def pieces(text: str) -> list[str]:
    """Cut into words with the blanks after them; where there are none, into letters."""
    return list(text) if is_unspaced(text) else re.findall(r"\S+\s*", text)


def size(words: int, text: str) -> int:
    """Return how many pieces of `text` are about so many words."""
    return -int(-words * LETTERS_PER_WORD // 1) if is_unspaced(text) else words


def unpointed(text: str) -> str:
    # The points that may stand between two words without a blank are the rule's one exception.
    return _POINT.sub("", re.sub("[—―]", " ", text))


def repointed(text: str, chance: random.Random) -> str:
    """Put other points in the place of points, and a comma after every tenth word."""
    changed = "".join(_OTHER_POINTS.get(c, c) for c in text)
    return "".join(
        piece.rstrip() + "," + piece[len(piece.rstrip()) :] if chance.random() < 0.1 else piece
        for piece in pieces(changed)
    )


def respaced(text: str, chance: random.Random) -> str:
    """Break lines, double blanks, and, where there are no blanks, break lines between letters."""
    if is_unspaced(text):
        return "".join(c + ("\n" if chance.random() < 0.05 else "") for c in text)
    return "".join(piece.rstrip() + chance.choice([" ", "  ", "\n", "\t", "\u00a0"]) for piece in pieces(text))


def within(text: str, host: str) -> str:
    """Put `text` into the middle of `host`."""
    there = pieces(host)
    half = len(there) // 2
    return f"{''.join(there[:half])} {text} {''.join(there[half:])}"


def part(text: str, words: int, chance: random.Random) -> str:
    cut, count = pieces(text), size(words, text)
    start = chance.randrange(max(1, len(cut) - count + 1))
    return "".join(cut[start : start + count])


def mixed(text: str, tool: Tool) -> str:
    """Three fifths of a text, followed by clean text up to its length."""
    mine, other = pieces(text), pieces(tool.host)
    return "".join(mine[: len(mine) * 3 // 5]) + " " + "".join(other[: len(mine) * 2 // 5])


def changed(text: str, wrong: Callable[[int], bool]) -> str:
    cut = pieces(text)
    step = LETTERS_PER_WORD if is_unspaced(text) else 1  # a letter there is changed as seldom as a word
    return "".join(
        ("的" if is_unspaced(text) else "otherwise ") if wrong(int(at // step)) and at % step < 1 else piece
        for at, piece in enumerate(cut)
    )


def shuffled(text: str, tool: Tool) -> str:
    sentences = [sentence.strip() for sentence in segment(tool.language, text) if sentence.strip()]
    return " ".join(tool.chance.sample(sentences, len(sentences)))


Form = Callable[[str, Tool], str]
WHOLE: Mapping[str, Form] = {
    "as it is": lambda text, _: text,
    "capitals": lambda text, _: text.upper(),
    "other blanks and lines": lambda text, tool: respaced(text, tool.chance),
    "other points": lambda text, tool: repointed(text, tool.chance),
    "no points": lambda text, _: unpointed(text),
    "blanks for points": lambda text, _: _POINT.sub(" ", text),
    "NFD": lambda text, _: unicodedata.normalize("NFD", text),
    "NFKC": lambda text, _: unicodedata.normalize("NFKC", text),
    "all of these": lambda text, tool: unicodedata.normalize("NFD", respaced(unpointed(text.upper()), tool.chance)),
}
PARTS: Mapping[str, Form] = {
    "half of it": lambda text, tool: "".join(pieces(text)[: len(pieces(text)) // 2]),
    "within clean text": lambda text, tool: within(text, tool.host),
    "capitals within": lambda text, tool: within(text.upper(), tool.host),
    "other blanks within": lambda text, tool: within(respaced(text, tool.chance), tool.host),
    "other points within": lambda text, tool: within(repointed(text, tool.chance), tool.host),
    "no points within": lambda text, tool: within(unpointed(text), tool.host),
    "three fifths, then clean": mixed,
}
BEYOND: Mapping[str, Form] = {
    "blanks for points within": lambda text, tool: within(_POINT.sub(" ", text), tool.host),
    "sentences shuffled": shuffled,
    "a word in 15 changed, random": lambda text, tool: changed(text, lambda _: tool.chance.random() < 1 / 15),
    "a word in 15 changed, even": lambda text, _: changed(text, lambda at: at % 15 == 14),
    "a word in 8 changed, random": lambda text, tool: changed(text, lambda _: tool.chance.random() < 1 / 8),
    "30 words within": lambda text, tool: within(part(text, 30, tool.chance), tool.host),
    "20 words within": lambda text, tool: within(part(text, 20, tool.chance), tool.host),
}


def sample() -> Iterator[Text]:
    """The documents of the sample corpus; their first sentences are the queries. Articles are counted by language."""
    numbers: dict[str, int] = defaultdict(int)
    for line in SAMPLE.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        language = row["language"]
        yield Text(language, numbers[language], False, row["text"])
        yield Text(language, numbers[language], True, next(iter(segment(language, row["text"]))).strip())
        numbers[language] += 1


def squad(folder: Path) -> Iterator[Text]:
    """Paragraphs and questions of SQuAD JSON; articles have the same number in all languages."""
    for path in sorted(folder.glob("*.json")):
        language = path.stem.rpartition(".")[2]
        for number, article in enumerate(json.loads(path.read_text(encoding="utf-8"))["data"]):
            for paragraph in article["paragraphs"]:
                yield Text(language, number, False, paragraph["context"])
                for question in paragraph["qas"]:
                    yield Text(language, number, True, question["question"])


def build(texts: Sequence[Text], folder: Path, **settings: float) -> Index:
    """Build the index of a benchmark per language as a run does, and print what it holds."""
    wanted = []
    for language in sorted({text.language for text in texts}):
        path = folder / f"{language}.jsonl"
        rows = [json.dumps({"text": text.text}) + "\n" for text in texts if text.language == language]
        path.write_text("".join(rows), encoding="utf-8")
        wanted.append(Benchmark(name=language, path=str(path)))
    config = Decontamination(benchmarks=wanted, **settings)  # type: ignore[arg-type]
    return Index.of(benchmarks.stage(config).read(), config)


def row(name: str, *cells: str) -> None:
    print(f"| {name} | {' | '.join(cells)} |")


def share(found: Sequence[bool]) -> str:
    return f"{100 * sum(found) / len(found):.4g} %" if found else "-"


def planted(texts: Sequence[Text], clean: Sequence[Text], form: Form, seed: int) -> list[str]:
    """Return each text in a form; the same for the same seed."""
    hosts: dict[str, list[str]] = defaultdict(list)
    for text in clean:
        if not text.is_query:
            hosts[text.language].append(text.text)
    chance = random.Random(seed)
    return [form(text.text, Tool(chance, chance.choice(hosts[text.language]), text.language)) for text in texts]


@dataclass(frozen=True)
class Side:
    """One half of the articles as benchmarks, the other as clean texts."""

    index: Index
    mine: list[Text]
    clean: list[Text]

    @classmethod
    def of(cls, texts: Sequence[Text], parity: int, **settings: float) -> "Side":
        mine = [text for text in texts if text.article % 2 == parity]
        with tempfile.TemporaryDirectory() as folder:
            index = build(mine, Path(folder), **settings)
        return cls(index, mine, [text for text in texts if text.article % 2 != parity])

    def found(self, form: Form, is_query: bool, seed: int) -> list[tuple[str, bool]]:
        """Return language and whether it is hit, of each benchmark text in a form."""
        of = [text for text in self.mine if text.is_query is is_query]
        hits = self.index.hits(planted(of, self.clean, form, seed))
        return [(text.language, bool(hit)) for text, hit in zip(of, hits, strict=True)]

    def hit(self, is_query: bool) -> list[tuple[str, bool]]:
        """Return language and whether it is hit, of each clean text."""
        of = [text for text in self.clean if text.is_query is is_query]
        hits = self.index.hits([text.text for text in of])
        show([text.text for text in of], hits)
        return [(text.language, bool(hit)) for text, hit in zip(of, hits, strict=True)]


def cells(found: Sequence[tuple[str, bool]], languages: Sequence[str]) -> list[str]:
    return [
        share([hit for _, hit in found]),
        *(share([hit for language, hit in found if language == one]) for one in languages),
    ]


def report(name: str, texts: Sequence[Text], more: Sequence[str], by_language: bool, sweep: bool, seed: int) -> None:
    sides = [Side.of(texts, parity) for parity in (0, 1)]
    sizes = [size for side in sides for size in side.index.sizes().values()]
    hashes = sum(size.texts + size.short + size.grams for size in sizes)
    print(f"\n## {name}\n")
    print(
        f"{len(texts):,} benchmark texts, of which {sum(size.short for size in sizes)} are too short to be matched; "
        f"{hashes:,} hashes, {10 * hashes / len(texts):,.0f} bytes a text, "
        f"{10 * hashes / sum(len(text.text.encode()) for text in texts):.1f} per byte of text\n"
    )
    languages = sorted({text.language for text in texts}) if by_language else []
    row("planted, found", "all", *languages)
    row("---", *["---:"] * (1 + len(languages)))
    for kind, forms in (("passage", {**WHOLE, **PARTS, **BEYOND}), ("query", WHOLE)):
        for label, form in forms.items():
            found = [one for side in sides for one in side.found(form, kind == "query", seed)]
            row(f"{kind}, {label}", *cells(found, languages))

    print()
    row("clean, hit", "all", *languages)
    row("---", *["---:"] * (1 + len(languages)))
    for kind in ("passages", "queries"):
        clean = [one for side in sides for one in side.hit(kind == "queries")]
        row(f"{len(clean):,} {kind}", *cells(clean, languages))
    if more:
        hits = [hit for side in sides for hit in side.index.hits(more)]
        row(f"{len(more):,} of --clean, twice", share([bool(hit) for hit in hits]))
        show([*more, *more], hits)

    if sweep:
        print()
        labels = ("three fifths, then clean", "30 words within", "a word in 15 changed, random", "20 words within")
        row("shared_words", "clean, hit", *labels)
        row("---", *["---:"] * (1 + len(labels)))
        for words in SHARED_WORDS:
            others = [Side.of(texts, parity, shared_words=words) for parity in (0, 1)]
            clean = [one for side in others for kind in (False, True) for one in side.hit(kind)]
            clean += [("", bool(hit)) for side in others for hit in side.index.hits(more)]
            planted_ = [
                [hit for side in others for _, hit in side.found({**PARTS, **BEYOND}[label], False, seed)]
                for label in labels
            ]
            row(str(words), f"{sum(hit for _, hit in clean)} of {len(clean):,}", *map(share, planted_))

    print()
    for kind in ("passages", "queries"):
        many = [text.text for text in texts if text.is_query is (kind == "queries")]
        many = list(itertools.islice(itertools.cycle(many), 20_000))
        started = time.perf_counter()
        sides[0].index.hits(many)
        seconds = time.perf_counter() - started
        length = sum(map(len, many)) / len(many)
        print(f"{len(many) / seconds:,.0f} {kind} a second, of {length:,.0f} characters each")


def show(texts: Sequence[str], hits: Sequence[Sequence[object]]) -> None:
    for text, hit in zip(texts, hits, strict=True):
        if hit:
            print(f"  hit: {', '.join(map(str, hit))}: {' '.join(text.split())[:120]}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--xquad", type=Path)
    parser.add_argument("--clean", type=Path)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--languages", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    more = []
    if given.clean:
        with given.clean.open(encoding="utf-8") as lines:
            more = [json.loads(line)["text"] for line in lines]
    report("The sample corpus", list(sample()), more, given.languages, given.sweep, given.seed)
    if given.xquad:
        report("SQuAD JSON", list(squad(given.xquad)), more, given.languages, given.sweep, given.seed)


if __name__ == "__main__":
    main()
