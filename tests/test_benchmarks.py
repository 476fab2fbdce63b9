"""The rule, text by text and form by form; benchmarks read whole or not at all."""

import gzip
import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from synth.benchmarks import (
    BENCHMARKS,
    Benchmark,
    Decontamination,
    Hit,
    Index,
    Size,
    batches,
    counts,
    files,
    hashed,
    sign,
    texts,
    verdict,
)
from synth.errors import ConfigError, InputError
from synth.settings import parse

LONG = (
    "The lighthouse keeper's log of 1871 records, in a hurried hand, that three fishing boats came home without their "
    "nets after the great storm; no one on the island had seen waves like these since his grandfather's time, and "
    "the harbour wall, which was built of soft stone, had lost its upper course along half of its length."
)
"""58 words."""
OTHER = (
    "Nobody who keeps bees in a city should expect them to be quiet in June when the lime trees are in flower again."
)
"""23 words."""
CHINESE = "灯塔看守人在一八七一年的日志里匆匆写道，三艘渔船在大风暴之后没有带着渔网回家；岛上没有人见过这样的海浪。"
JAPANESE = (
    "灯台守の日誌には、大嵐のあとに三そうの漁船が網を失って港へ帰ってきたと、急いだ字で書かれており、"
    "島の人々は誰もそのような波を見たことがなかった。"
)
THAI = "บันทึกของผู้ดูแลประภาคารเขียนไว้ว่าเรือประมงสามลำกลับบ้านโดยไม่มีอวนหลังจากพายุใหญ่พัดผ่านเกาะไปเมื่อคืนก่อนนี้"
HINDI = (
    "प्रकाशस्तंभ के रखवाले की डायरी में लिखा है कि बड़े तूफ़ान के बाद मछली पकड़ने वाली तीन नावें अपने जालों के बिना घर लौटीं और द्वीप पर "
    "किसी ने ऐसी लहरें पहले कभी नहीं देखी थीं।"
)
ARABIC = (
    "يذكر سجل حارس المنارة أن ثلاثة قوارب صيد عادت إلى الميناء بلا شباكها بعد العاصفة الكبيرة التي ضربت الجزيرة في "
    "ليلة الشتاء الأولى من ذلك العام البعيد."
)
LANGUAGES = [LONG, CHINESE, JAPANESE, THAI, HINDI, ARABIC]


def rule(*names: str, **changes: Any) -> Decontamination:
    return Decontamination(benchmarks=[Benchmark(name=name, path="-") for name in names], **changes)


def index(*of: str, **changes: Any) -> Index:
    """An index of one benchmark, `nq`, that has these texts."""
    settings = rule("nq", **changes)
    return Index.of([hashed("nq", of, settings)], settings)


def hit(text: str, *of: str, **changes: Any) -> str | None:
    """How `text` is seen to be a benchmark's that has the texts `of`."""
    (hits,) = index(*of, **changes).hits([text])
    return hits[0].what if hits else None


def is_same(one: str, other: str) -> bool:
    whole = sign([one, other], 13).whole
    return bool(whole[0] == whole[1])


# The whole text.

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "capitals": lambda text: text.upper(),
    "small": lambda text: text.lower(),
    "blanks": lambda text: "\n" + text.replace(" ", " \u00a0\n") + "\t",
    "no points": lambda text: re.sub(r"[.,;'’。，；、।،]", "", text),
    "other points": lambda text: text.translate(str.maketrans(".,;'，。、؛", "!;,’、！，.")),
    "quoted": lambda text: f"« {text} » …",
    "NFD": lambda text: unicodedata.normalize("NFD", text),
    "NFC": lambda text: unicodedata.normalize("NFC", text),
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "invisible": lambda text: text.replace("e", "e\u200b\u00ad"),
}


@pytest.mark.parametrize("text", LANGUAGES, ids=["en", "zh", "ja", "th", "hi", "ar"])
@pytest.mark.parametrize("form", FORMS)
def test_a_whole_text_is_found_in_all_forms(text: str, form: str) -> None:
    assert hit(FORMS[form](text), OTHER, text) == "exact"


def test_a_text_that_is_none_of_them_is_not_hit() -> None:
    for text in LANGUAGES:
        others = [other for other in LANGUAGES if other != text]
        assert index(*others, OTHER).hits([text]) == [()]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("L’Été, ça", "l'ete ca"),
        ("don´t", "don't"),
        ("Straße", "STRASSE"),
        ("IŞIK", "ışık"),
        ("Όσος", "ΟΣΟΣ"),
        ("é", "e\u0301"),
        ("state-of-the-art", "state of the art"),
        ("مُحَمَّد", "محمد"),
        ("محـــمد", "محمد"),
        ("أحمد", "احمد"),
        ("שָׁלוֹם", "שלום"),
        ("ｶﾞｽ", "ガス"),
        ("か\u3099", "が"),
        ("한국어", unicodedata.normalize("NFD", "한국어")),
        ("ไทย น้ำ", "ไทยน้ำ"),
        ("हिन्दी?", "हिन्दी"),
        ("①", "1"),
    ],
)
def test_the_same_letters(one: str, other: str) -> None:
    assert is_same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("हिन्दी", "हन्द"),  # without its vowel signs, a word of Hindi is another
        ("की", "कि"),
        ("நான்", "நன்"),
        ("ไกล", "ใกล้"),  # far, near
        ("ปา", "ป่า"),
        ("が", "か"),
        ("ガス", "カス"),
        ("ab", "ba"),
        ("abcb", "cbab"),
        ("", "a"),
    ],
)
def test_other_letters(one: str, other: str) -> None:
    assert not is_same(one, other)


# Short texts.


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("yes", None),
        ("contradiction", None),
        ("what is it", None),
        ("What is this?", None),
        ("where are you", None),
        ("wer war Chopin", "exact"),  # three words of four letters
        ("who invented the zip", "exact"),  # four words
        ("WHO invented: the\nZip?", "exact"),
        ("这是什么", None),
        ("谁发明了电话", None),  # six letters: 3.75 words
        ("谁发明了拉链呢", "exact"),
        ("ลูกชายใคร", None),
        ("日本の首都はどこですか", "exact"),
        ("…", None),
        ("", None),
    ],
)
def test_short_texts_are_anybodys(text: str, found: str | None) -> None:
    assert hit(text, "yes", "contradiction", "what is it", "what is this", "where are you", "Wer war Chopin?",
               "who invented the zip", "这是什么？", "谁发明了电话？", "谁发明了拉链呢？", "ลูกชายใคร", "日本の首都はどこですか。",
               "…") == found  # fmt: skip


def test_the_bound_of_short_texts_is_a_setting() -> None:
    assert hit("what is it", "What is it?", shortest=3) == "exact"
    assert hit("how old are you", "How old are you?", shortest=6) is None


# Parts of texts.


def words(text: str, first: int, last: int) -> str:
    return " ".join(text.split()[first:last])


def test_half_of_a_text_is_found() -> None:
    assert hit(words(LONG, 0, 29), LONG) == "13-grams 1.00"
    assert hit(words(LONG, 29, 58).upper(), LONG) == "13-grams 1.00"


def test_a_text_within_another_is_found() -> None:
    long = " ".join(f"w{n}" for n in range(500))
    assert hit(f"{long} {LONG} {long}", OTHER, LONG) == "58 words"
    assert hit(f"{long} {words(LONG, 5, 24)} {long}", LONG) is None  # 19 words
    assert hit(f"{long} {words(LONG, 5, 25)} {long}", LONG) == "20 words"
    assert hit(f"{long} {words(LONG, 0, 13)} and {words(LONG, 30, 43)} {long}", LONG) == "26 words"
    assert hit(f"{long} {words(LONG, 0, 12)} and {words(LONG, 30, 42)} {long}", LONG) is None


def test_half_of_the_words_of_a_short_text_are_enough() -> None:
    assert hit(f"{words(LONG, 0, 13)} {words(OTHER, 0, 13)}", LONG) == "13-grams 0.50"
    assert hit(f"{words(LONG, 0, 13)} {words(OTHER, 0, 14)}", LONG) is None
    assert hit(f"{words(LONG, 0, 13)} {words(OTHER, 0, 14)}", LONG, containment=0.48) == "13-grams 0.48"


def test_changed_words_are_passed_over() -> None:
    changed = [word if at % 15 else "otherwise" for at, word in enumerate(LONG.split())]
    assert hit(" ".join(changed), LONG) == "13-grams 0.72"  # 14, 14 and 14 of 58 words
    changed = [word if at % 12 else "otherwise" for at, word in enumerate(LONG.split())]
    assert hit(" ".join(changed), LONG) is None


def test_words_shared_in_another_order_are_no_copy() -> None:
    assert hit(" ".join(sorted(LONG.split())), LONG) is None


def test_the_length_of_ngrams_is_a_setting() -> None:
    assert hit(words(LONG, 0, 8), LONG) is None
    assert hit(words(LONG, 0, 8), LONG, ngram=8) == "8-grams 1.00"


@pytest.mark.parametrize(
    ("text", "letters"), [(CHINESE, 21), (THAI, 52)], ids=["a letter is 10/16 of a word", "4/16, without vowel signs"]
)
def test_scripts_without_blanks_are_measured_by_letters(text: str, letters: int) -> None:
    """13 words are 208/16."""
    solid = "".join(c for c in text if c.isalnum() or unicodedata.category(c) == "Mn")
    ends = [at for at, c in enumerate(solid) if c.isalnum()] + [len(solid)]
    assert hit(solid[: ends[letters]], text) == "13-grams 1.00"
    assert hit(solid[: ends[letters - 1]], text) is None
    assert sign([solid[: ends[letters]]], 13).grams.tolist() == sign([text], 13).grams[:1].tolist()


def test_scripts_without_blanks_are_found_within_others() -> None:
    for text in (CHINESE, JAPANESE, THAI):
        host = "これは関係のない文章です。" if text != THAI else "นี่คือข้อความอื่นที่ไม่เกี่ยวข้องกัน"
        assert hit(host * 20 + "\n".join(text) + host * 20, text) is not None
        assert hit(host * 20, text) is None


def test_ngrams_of_mixed_text_end_at_their_weight() -> None:
    # 16 for each of the words, 10 for each letter: 16·3 + 10·16 = 208 = 13 words.
    text = "The city of 北京是中华人民共和国的首都也是其"
    assert len(sign([text], 13).grams) == 1
    assert len(sign([text[:-1]], 13).grams) == 0
    assert len(sign([text + "最"], 13).grams) == 1  # from `city` on, 16·2 + 10·17 = 202
    assert len(sign([text + "最大"], 13).grams) == 2
    assert sign(["Tibet བོད་ཡིག 人々"], 13).word_weights.tolist() == [16, 4, 4, 4, 4, 10, 10]


# Hashes.


def test_hashes_stay_as_they_are() -> None:
    """They are stored: other ones need another version of the stage `benchmarks`."""
    signed = sign(["Otters sleep holding hands.", "", "睡觉"], 2)
    assert [hex(value) for value in signed.whole.tolist()][::2] == ["0x94909dd8bcb09860", "0x898e8beb4b6c38ea"]
    assert signed.weight.tolist() == [64, 0, 20]
    assert signed.letters.tolist() == [23, 0, 2]
    assert signed.text.tolist() == [0, 0, 0]
    assert signed.first.tolist() == [0, 1, 2]
    assert signed.after.tolist() == [2, 3, 4]
    assert [hex(value) for value in signed.grams.tolist()] == [
        "0xcfa2791932c76c4d",
        "0xe7b831afac8c6b61",
        "0xb86fae9fce91ecd8",
    ]


def test_a_hash_does_not_depend_on_the_texts_around_it() -> None:
    alone = [sign([text], 13) for text in LANGUAGES]
    together = sign(LANGUAGES, 13)
    assert together.whole.tolist() == [one.whole[0] for one in alone]
    assert together.grams.tolist() == [gram for one in alone for gram in one.grams.tolist()]
    assert together.text.tolist() == [at for at, one in enumerate(alone) for _ in one.grams]


def test_no_text_and_odd_text() -> None:
    assert sign([], 13).whole.shape == (0,)
    odd = ["\ud800", "\u0301", "\u0e31", "a\u0e31", "\U0010ffff", "\0", "\u0e31\u0e31 \u0301"]
    assert sign(odd, 13).weight.tolist() == [0, 0, 0, 16, 0, 0, 0]
    assert index("a").hits([]) == []


def test_ngrams_do_not_collide() -> None:
    numbers = " ".join(map(str, range(100_000)))
    assert len(np.unique(sign([numbers], 5).grams)) == 100_000 - 4
    both = " ".join("ab"[int(n).bit_count() % 2] for n in range(1 << 9))  # Thue and Morse's, the worst there is
    assert not is_same(both, both.translate(str.maketrans("ab", "ba")))


def test_batches_are_bounded() -> None:
    found = list(batches(["x" * 200_000] * 5 + ["y" * 1_000_000, "z"]))
    assert [[len(text) for text in batch] for batch in found] == [
        [200_000, 200_000],
        [200_000, 200_000],
        [200_000],
        [1_000_000],
        [1],
    ]
    assert list(batches([])) == []


# The index.


def test_hits_name_all_benchmarks_in_the_order_of_the_config() -> None:
    settings = rule("nq", "b/hotpot", "empty")
    tables = [
        hashed("b/hotpot", [LONG + " And more.", OTHER], settings),
        hashed("nq", [LONG, "who invented the zip"], settings),
        hashed("nq", [LONG, "what is it"], settings),  # another batch may have the same
    ]
    found = Index.of(tables, settings)
    assert found.hits([LONG, OTHER, "who invented the zip?", "anything"]) == [
        (Hit("nq", "exact"), Hit("b/hotpot", "13-grams 1.00")),
        (Hit("b/hotpot", "exact"),),
        (Hit("nq", "exact"),),
        (),
    ]
    assert found.sizes() == {"nq": Size(2, 1, 46), "b/hotpot": Size(2, 0, 59), "empty": Size(0, 0, 0)}


def test_an_index_of_nothing_hits_nothing() -> None:
    assert Index.of([], rule()).hits([LONG, ""]) == [(), ()]
    assert Index.of([], rule()).sizes() == {}


def test_a_benchmarks_hashes_are_a_table() -> None:
    rows = hashed("nq", ["what is it", "who invented the zip", "Who invented the zip?", "?"], rule("nq"))
    assert rows.schema == BENCHMARKS
    whole = sign(["who invented the zip", "what is it"], 13).whole.tolist()
    assert rows.to_pylist() == [
        {"benchmark": "nq", "kind": "exact", "hash": whole[0]},
        {"benchmark": "nq", "kind": "short", "hash": whole[1]},
    ]


def test_verdicts_and_their_counts() -> None:
    one, two = Hit("nq", "exact"), Hit("b/hotpot", "13-grams 0.71")
    assert verdict({"text": ()}) is None
    assert verdict({"text": (one, two)}) == "contaminated: nq: exact; b/hotpot: 13-grams 0.71"
    assert verdict({"query": (one,), "positive": (one, two)}) == (
        "contaminated: nq: query exact; nq: positive exact; b/hotpot: positive 13-grams 0.71"
    )
    rows = pa.table(
        {
            "reason": ["contaminated", None, "contaminated", "too_short", "contaminated"],
            "detail": [
                "nq: exact; b/hotpot: 13-grams 0.71",
                None,
                "nq: query exact; nq: positive exact",
                "nq: exact",
                "fiqa: 31 words",
            ],
        }
    )
    assert counts(rows) == {"b/hotpot": 1, "fiqa": 1, "nq": 2}
    assert counts(rows.slice(0, 0)) == {}


# Settings.


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (Benchmark, {"name": "a"}, "benchmark 'a': give exactly one of `beir`, `path` and `dataset`, not none"),
        (
            Benchmark,
            {"name": "a", "beir": "x", "dataset": "y"},
            "benchmark 'a': give exactly one of `beir`, `path` and `dataset`, not beir and dataset",
        ),
        (
            Benchmark,
            {"name": "a", "beir": "x", "columns": ["query"]},
            "benchmark 'a': `columns` is for `dataset` and `path`, and this one has `beir`",
        ),
        (Benchmark, {"name": "a", "path": "x", "corpus": "all"}, "benchmark 'a': `corpus` is for `beir`, and this one has `path`"),
        (Benchmark, {"name": "a", "path": "x", "split": "dev"}, "benchmark 'a': `split` is for `dataset`, and this one has `path`"),
        (Benchmark, {"name": "a: b", "path": "x"}, "name: string should match pattern"),
        (Benchmark, {"name": "a", "path": "x", "columns": []}, "columns: list should have at least 1 item"),
        (Benchmark, {"name": "a", "beir": "x", "corpus": "some"}, "corpus: input should be 'judged', 'all' or 'none'"),
        (
            Decontamination,
            {"benchmarks": [{"name": "a", "path": "x"}, {"name": "a", "path": "y"}]},
            "decontamination: two benchmarks are named 'a'",
        ),
        (Decontamination, {"ngram": 21}, "decontamination: shared_words (20) is less than ngram (21)"),
        (Decontamination, {"containment": 0.0}, "containment: input should be greater than 0"),
        (Decontamination, {"n_gram": 13}, "n_gram: unknown key; did you mean 'ngram'?"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(model: type[BaseModel], data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse(model, data, where="")


def test_the_settings_by_default() -> None:
    assert Decontamination().model_dump() == {
        "benchmarks": [],
        "ngram": 13,
        "containment": 0.5,
        "shared_words": 20,
        "shortest": 4,
    }


# Reading.


def jsonl(path: Path, *rows: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return str(path)


def beir(folder: Path) -> Path:
    jsonl(
        folder / "corpus.jsonl",
        {"_id": "d1", "title": "Zips", "text": "Gideon Sundback made the zip."},
        {"_id": "d2", "title": "", "text": "Bees dance."},
        {"_id": "d3", "text": "Nobody asks for this.", "metadata": {}},
        {"_id": 4, "title": "Otters", "text": ""},
    )
    jsonl(
        folder / "queries.jsonl",
        {"_id": "q1", "text": "who made the zip"},
        {"_id": "q2", "text": "why do bees dance"},
        {"_id": "q3", "text": "unjudged"},
    )
    qrels = folder / "qrels"
    qrels.mkdir()
    (qrels / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\t4\t0\n")
    (qrels / "train.tsv").write_text("query-id\tcorpus-id\tscore\r\nq2\td2\t2\r\n")
    return folder


def of_beir(folder: Path, **changes: Any) -> Benchmark:
    return Benchmark(name="zips", beir=str(folder), **changes)


ZIP, ZIP_TITLE = "Gideon Sundback made the zip.", "Zips Gideon Sundback made the zip."
QUERIES = ["who made the zip", "why do bees dance", "unjudged"]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, [ZIP, ZIP_TITLE, "Bees dance.", "Otters ", *QUERIES]),
        ({"corpus": "all"}, [ZIP, ZIP_TITLE, "Bees dance.", "Nobody asks for this.", "Otters ", *QUERIES]),
        ({"corpus": "none"}, QUERIES),
        ({"splits": ["train"]}, ["Bees dance.", "why do bees dance"]),
        ({"splits": ["test"], "corpus": "none"}, ["who made the zip"]),
    ],
)
def test_a_beir_folder(tmp_path: Path, changes: dict[str, Any], wanted: list[str]) -> None:
    assert list(texts(of_beir(beir(tmp_path), **changes))) == wanted


def test_the_files_of_a_beir_folder(tmp_path: Path) -> None:
    folder = beir(tmp_path)
    corpus = folder / "corpus.jsonl"
    with gzip.open(folder / "corpus.jsonl.gz", "wb") as packed:
        packed.write(corpus.read_bytes())
    corpus.unlink()
    assert list(texts(of_beir(folder)))[:2] == [ZIP, ZIP_TITLE]
    assert [file.name for file in files(of_beir(folder))] == [
        "corpus.jsonl.gz",
        "queries.jsonl",
        "qrels/test.tsv",
        "qrels/train.tsv",
    ]
    assert [file.name for file in files(of_beir(folder, corpus="all"))] == ["corpus.jsonl.gz", "queries.jsonl"]
    assert files(Benchmark(name="zips", dataset="mteb/zips")) == []


def _remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def _add(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).open("a").write(text)


@pytest.mark.parametrize(
    ("spoil", "changes", "message"),
    [
        (_remove("corpus.jsonl"), {}, "{} has no corpus.jsonl (nor corpus.jsonl.gz)"),
        (_remove("queries.jsonl"), {"corpus": "none"}, "{} has no queries.jsonl (nor queries.jsonl.gz)"),
        (lambda _: None, {"splits": ["dev"]}, "{}/qrels has no dev.tsv (there are: test, train)"),
        (
            lambda folder: [path.unlink() for path in (folder / "qrels").iterdir()],
            {},
            "{}/qrels has no .tsv file, so no passage is judged",
        ),
        (_add("qrels/test.tsv", "q1\td9\t1\n"), {}, "{}/corpus.jsonl lacks 1 of the 4 ids that the qrels name, among them 'd9'"),
        (_add("qrels/test.tsv", "q1\td9\n"), {}, "{}: qrels/test.tsv:4: 2 fields, the header has 3"),
        (
            lambda folder: (folder / "qrels/test.tsv").write_text("q1 0 d1 1\n"),
            {},
            "{}/qrels/test.tsv: no column 'query-id' (columns: q1 0 d1 1)",
        ),
        (_add("corpus.jsonl", "{oops\n"), {}, "{}: corpus.jsonl:5: not JSON: Expecting property name"),
        (_add("queries.jsonl", '{"_id": "q4", "text": 4}\n'), {}, "{}: queries.jsonl:4: column 'text' is int, not a string"),
        (_add("queries.jsonl", '{"_id": "q4"}\n'), {}, "{}: queries.jsonl:4: column 'text' is null, not a string"),
        (_add("queries.jsonl", '{"text": "q"}\n'), {}, "{}: queries.jsonl:4: it has no `_id`"),
    ],
)  # fmt: skip
def test_a_beir_folder_that_is_not_whole(
    tmp_path: Path, spoil: Callable[[Path], object], changes: dict[str, Any], message: str
) -> None:
    spoil(beir(tmp_path))
    with pytest.raises(InputError) as error:
        list(texts(of_beir(tmp_path, **changes)))
    assert message.format(tmp_path) in error.value.what
    assert error.value.fix


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"benchmark 'zips': .*/gone: no such folder"):
        files(of_beir(tmp_path / "gone"))


def test_columns_of_files(tmp_path: Path) -> None:
    rows = [
        {"query": "a b", "positive": ["c", "d"], "id": 1},
        {"query": None, "positive": [], "id": 2},
        {"query": "?!", "positive": ["e"], "id": 3},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "b.parquet")
    jsonl(tmp_path / "a.jsonl", *rows[:1])
    found = texts(Benchmark(name="b", path=str(tmp_path), columns=["query", "positive"]))
    assert list(found) == ["a b", "c", "d", "a b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "a"}, "{oops\n"], "benchmark 'b': {0}: b.jsonl:2: not JSON"),
        ([{"text": "a"}, {"text": 1}], "benchmark 'b': {0}: b.jsonl:2: column 'text' is int, not a string"),
        ([{"text": ["a", {}]}], "benchmark 'b': {0}: b.jsonl:1: column 'text' is dict, not a string"),
        ([{"body": "a"}], "{0}: no column 'text' (columns: body)"),
        ([{"text": None}, {"text": " !"}], "benchmark 'b': there is not one text in it"),
        ([], "benchmark 'b': there is not one text in it"),
    ],
)
def test_a_benchmark_is_read_whole_or_not_at_all(tmp_path: Path, rows: list[object], message: str) -> None:
    path = jsonl(tmp_path / "b.jsonl", *rows)
    with pytest.raises(InputError) as error:
        list(texts(Benchmark(name="b", path=path)))
    assert message.format(path) in error.value.what
    assert error.value.fix
