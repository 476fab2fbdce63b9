"""Is a text in its language? Right ones must pass, wrong ones should be caught."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from synth import languages
from synth.errors import ConfigError

RIGHT = [
    ("en", "how does a heat pump work"),
    ("en", "NVIDIA H100 GPU"),
    ("en", "2023 1999"),
    ("en", "水 meaning"),
    ("en", "photosynthesis"),
    ("de", "wie funktioniert eine Wärmepumpe"),
    ("de", "Angela Merkel"),
    ("fr", "recette tarte pommes"),
    ("it", "come funziona la fotosintesi"),
    ("pt", "o que é a fotossíntese"),
    ("no", "hvordan fungerer en varmepumpe"),
    ("sr", "kako radi toplotna pumpa"),
    ("sr", "како ради топлотна пумпа"),
    ("ms", "bagaimana cara kerja pompa panas"),
    ("gl", "como funciona unha bomba de calor"),
    ("ru", "как работает тепловой насос"),
    ("uk", "як працює тепловий насос"),
    ("fa", "پمپ حرارتی چگونه کار می کند"),
    ("ar", "ما هي عاصمة France"),
    ("hi", "हीट पंप कैसे काम करता है"),
    ("zh", "TCP 和 UDP 的区别"),
    ("zh", "什麼是光合作用"),
    ("zh", "二〇一五年的人口普查结果"),
    ("zh", "NVIDIA H100"),
    ("ja", "東京都 人口"),
    ("ja", "ヒートポンプの仕組み"),
    ("ko", "히트펌프는 어떻게 작동하나요"),
    ("th", "ปั๊มความร้อนทำงานอย่างไร"),
    ("und", "quelle est la capitale"),
    ("en", "\ud83d broken \0 what is the surrogate"),
    # names and numbers
    ("en", "Ferdinand de Lesseps 1869"),
    ("ja", "Ferdinand de Lesseps 1869"),
    ("pl", "Vincent van Gogh"),
    ("fr", "Ursula von der Leyen"),
    ("de", "Luca della Robbia"),
    ("en", "Osama bin Laden"),
    ("tr", "Harun al Rashid"),
    ("fi", "Simone de Beauvoir, Jean-Paul Sartre"),
    ("ru", "Rio de Janeiro 2016"),
    ("en", "iPhone 15 Pro Max 256 GB"),
    ("es", "precio de Samsung Galaxy Watch"),
    # English terms in a sentence of another language
    ("de", "wie funktioniert ein load balancer"),
    ("de", "was ist machine learning"),
    ("nl", "docker container start niet meer op"),
    ("pt", "erro ao subir container docker"),
    ("hi", "load balancer कैसे काम करता है"),
    ("hi", "laptop में docker install कैसे करें"),
    ("he", "מה זה machine learning"),
    ("ja", "dockerのコンテナが起動しない"),
    # mixed script
    ("en", "what does 合気道 mean"),
    ("de", "Bedeutung von 水"),
    ("ru", "docker контейнер не запускается после обновления"),
    ("zh", "朱镕基 生平"),
    ("ja", "京都府 紅葉 名所"),
]

WRONG = [
    ("de", "what is the capital of France", "looks like en"),
    ("en", "was ist die Hauptstadt von Frankreich", "looks like de"),
    ("es", "what is the capital of France", "looks like en"),
    ("zh", "What is the capital of France", "looks like Latin"),
    ("en", "法国的首都是什么", "looks like zh"),
    ("en", "Какова столица Франции", "looks like Cyrillic"),
    ("zh", "フランスの首都はどこですか", "looks like ja"),
    ("ja", "法国的首都是什么地方请告诉我它的历史", "looks like zh"),
    ("ko", "法国的首都是什么", "looks like zh"),
    ("ar", "پمپ حرارتی چگونه کار می کند", "looks like fa"),
    ("ja", "我想知道怎么办", "looks like zh"),
    ("zh", "東京駅 地図", "looks like ja"),
    ("en", "wie funktioniert ein Kühlschrank", "looks like de"),
    ("fr", "was kostet ein Fahrrad", "looks like de"),
    ("de", "docker контейнер не запускается после обновления", "looks like Cyrillic"),
    ("sr", "what is the capital of France", "looks like en"),
    ("gl", "was ist die Hauptstadt von Frankreich", "looks like de"),  # langdetect has no profile of Galician
]


@pytest.mark.parametrize(("code", "text"), RIGHT)
def test_a_text_in_its_language_passes(code: str, text: str) -> None:
    assert languages.is_language(text, code) is None


@pytest.mark.parametrize(("code", "text", "verdict"), WRONG)
def test_a_text_in_another_language_is_named(code: str, text: str, verdict: str) -> None:
    assert languages.is_language(text, code) == verdict


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The cat sat on the mat and looked out of the window.", "en"),
        ("Die Katze saß auf der Matte und sah aus dem Fenster.", "de"),
        ("猫坐在垫子上", "zh"),
        ("猫はマットの上に座った", "ja"),
        ("고양이가 매트 위에 앉았다", "ko"),
        ("η γάτα κάθισε", "el"),
        ("", "und"),
        ("12 345,67", "und"),
        ("OK", "und"),
    ],
)
def test_detect(text: str, code: str) -> None:
    assert languages.detect(text) == code


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("zh-CN", "zh"),
        ("pt_BR", "pt"),
        ("ENG", "en"),
        ("German", "de"),
        ("eng_Latn", "en"),
        ("iw", "he"),
        ("klingon", None),
        ("", None),
    ],
)
def test_what_corpora_call_a_language(given: str, code: str | None) -> None:
    assert languages.code(given) == code


def test_names_and_an_unknown_code() -> None:
    assert languages.name("de") == "German"
    assert languages.name("und") == "the language of the passage"
    with pytest.raises(ConfigError, match="unknown language 'deu'; did you mean 'de'"):
        languages.name("deu")


def test_the_answer_does_not_hang_on_what_was_asked_before() -> None:
    texts = [("was wann wo", "en"), ("quanto custa renovar", "it"), ("cloud computing", "fr")]
    answers = [languages.is_language(*pair) for pair in texts]
    languages._spelling.cache_clear()
    assert [languages.is_language(*pair) for pair in reversed(texts)] == answers[::-1]


def test_a_language_without_spaces_or_letters_of_its_own_does_not_break_it() -> None:
    for code in languages.NAMES:
        for text in ("", "?!", "a", "水", "ą", "क", "1869", "\u0301", "word " * 1000):
            verdict = languages.is_language(text, code)
            assert verdict is None or verdict.startswith("looks like ")


QUERIES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "data/queries_by_language.yaml").read_text("utf-8"))
NAMES = QUERIES.pop("names")[1::2]


@pytest.mark.parametrize(
    ("kind", "words", "most", "least"),
    # measured: 0.00 and 99.1, 0.34 and 98.5, 0.00 and 98.2, 0.93 and 91.7 %
    [("plain", None, 0.005, 0.985), ("plain", 3, 0.01, 0.98), ("named", None, 0.01, 0.975), ("mixed", None, 0.02, 0.9)],
)
def test_on_queries_it_was_not_tuned_on(kind: str, words: int | None, most: float, least: float) -> None:
    """Rows of odd number; bench/languages.py has the tables. English is a right guess of a text with English terms."""
    texts = {code: [_cut(text, code, words) for text in kinds[kind][1::2]] for code, kinds in QUERIES.items()}
    _assert_bounds(texts, [code for code in texts if (kind, code) != ("mixed", "en")], most, least)


def test_names_alone_are_in_no_language() -> None:
    codes = [code for code in QUERIES if code not in languages._WRITTEN_IN]
    rejected = [(name, code) for name in NAMES for code in codes if languages.is_language(name, code)]
    assert len({name for name, _ in rejected}) <= 1  # `Sergei Rachmaninoff op. 18`: a word that may be of a language


XQUAD = Path(__file__).parents[2] / "shared/data/xquad"


@pytest.mark.skipif(not XQUAD.exists(), reason="../shared/data is not here")
@pytest.mark.parametrize(("words", "most", "least"), [(None, 0.002, 0.99), (3, 0.005, 0.955)])
def test_on_the_questions_of_xquad(words: int | None, most: float, least: float) -> None:
    """Of those it was not tuned on: 0.00 and 99.4 %, 0.10 and 96.6 %."""
    texts = {
        code: [_cut(text, code, words) for text in _questions(code)[1::2]] for code in ("en", "de", "es", "zh", "ar")
    }
    _assert_bounds(texts, list(texts), most, least)


def _assert_bounds(texts: dict[str, list[str]], expected: list[str], most: float, least: float) -> None:
    rights = [languages.is_language(text, code) is None for code, rows in texts.items() for text in rows]
    wrongs = [
        languages.is_language(text, other) is not None
        for code, rows in texts.items()
        for other in expected
        if other != code
        for text in rows
    ]
    assert rights.count(False) / len(rights) <= most
    assert wrongs.count(True) / len(wrongs) >= least


def _cut(text: str, code: str, words: int | None) -> str:
    if words is None:
        return text
    letters = {"zh": 6, "ja": 6, "th": 10}.get(code)
    return text[:letters] if letters else " ".join(text.split()[:words])


def _questions(code: str) -> list[str]:
    data = json.loads((XQUAD / f"xquad.{code}.json").read_text())["data"]
    return [qa["question"] for article in data for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
