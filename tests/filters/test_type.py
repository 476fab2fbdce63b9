import pytest

from synth.filters.type import Settings, reject
from tests.rows import pair, pairs

# type -> language -> what people type
PASSED = {
    "keywords": {
        "en": ["Rosetta Stone Champollion", "Will Smith movies", "The Who band members", "causes black death", "list of rivers"],
        "de": ["Stein von Rosette Entzifferung", "Ursachen Schwarzer Tod"],
        "es": ["piedra de Rosetta jeroglíficos", "causas peste negra"],
        "zh": ["罗塞塔石碑 象形文字", "黑死病 原因"],
        "ar": ["حجر رشيد الهيروغليفية", "أسباب الموت الأسود"],
        "fi": ["rosettan kivi"],
    },
    "yes_or_no": {
        "en": ["Is the Rosetta Stone in Greek?", "did tesla ever marry", "In 1898, was Spain at war?", "Isn't glass a liquid?"],
        "de": ["Ist der Stein griechisch?", "Liegt Bonn am Rhein?", "In Bonn gibt es eine Oper?"],
        "es": ["¿Es griega la piedra?", "En 1898, ¿estaba España en guerra?", "¿Bonn está en el Rin?"],
        "zh": ["罗塞塔石碑是用希腊文写的吗？", "特斯拉是否结过婚"],
        "ar": ["هل كُتب حجر رشيد باليونانية؟", "أكان تسلا متزوجًا؟"],
        "fi": ["Onko kivi kreikkaa?"],
    },
    "acquire_knowledge": {
        "en": ["What makes bread sour", "In what year did Tesla die?", "how to bake bread", "Name three rivers of Poland", "Tesla's birthplace?"],
        "de": ["Was macht Brot sauer", "Seit wann gibt es Oxygenium", "Nenne drei Flüsse in Polen."],
        "es": ["¿Qué hace agrio el pan?", "De dónde viene el pan", "Explica la fermentación"],
        "zh": ["面包为什么会酸", "解释发酵"],
        "ar": ["لماذا الخبز حامض", "اشرح التخمير", "في أي عام توفي تسلا"],
        "fi": ["leipä"],
    },
    "summary": {
        "en": ["overview of the Rosetta Stone", "What is fermentation?", "Can you explain how bread rises?", "Who was Nikola Tesla?", "sourdough"],
        "de": ["Überblick über den Stein von Rosette", "Wer war Nikola Tesla?"],
        "es": ["resumen de la fermentación", "¿Quién fue Nikola Tesla?"],
        "zh": ["发酵概述", "什么是发酵？"],
        "ar": ["نبذة عن حجر رشيد", "من هو نيكولا تسلا؟"],
        "fi": ["mikä on leipä"],
    },
    "background": {
        "en": ["Why does sourdough rise slowly", "Who started the French Revolution?", "history of the Rosetta Stone", "Meiji restoration causes"],
        "de": ["Warum geht Teig auf", "Geschichte des Steins von Rosette"],
        "es": ["¿Por qué sube la masa?", "orígenes de la peste"],
        "zh": ["面团为什么会发", "黑死病的起源"],
        "ar": ["لماذا يرتفع العجين", "تاريخ حجر رشيد"],
        "fi": ["leivän historia"],
    },
}  # fmt: skip

REJECTED = {
    ("keywords", "en", "Rosetta Stone Greek?"): "a question",
    ("keywords", "en", "how did luther translate the bible"): "an open question",
    ("keywords", "en", "is glass a liquid"): "a yes/no question",
    ("keywords", "en", "Fresno is the largest city of the valley"): "a statement",
    ("keywords", "en", "a b c d e f g h i j k l m n"): "14 words",
    ("keywords", "de", "Fresno ist die größte Stadt"): "a statement",
    ("keywords", "es", "cómo hacer pan"): "an open question",
    ("keywords", "zh", "面包为什么会酸"): "an open question",
    ("keywords", "ar", "كيف تصنع الخبز"): "an open question",
    ("yes_or_no", "en", "Why is bread sour?"): "an open question",
    ("yes_or_no", "en", "is yes"): "not a question",
    ("yes_or_no", "en", "Is glass a liquid or a solid?"): "not answered by yes or no",
    ("yes_or_no", "en", "Tesla's birthplace?"): "not answered by yes or no",
    ("yes_or_no", "de", "In welchem Jahr starb Tesla?"): "an open question",
    ("yes_or_no", "es", "En 1898, ¿quién ganó?"): "an open question",
    ("yes_or_no", "zh", "谁发明了电灯？"): "an open question",
    ("yes_or_no", "zh", "玻璃是液体吗还是固体？"): "not answered by yes or no",
    ("yes_or_no", "ar", "متى توفي تسلا؟"): "an open question",
    ("acquire_knowledge", "en", "The Grainger Market is located in Newcastle"): "a statement",
    ("acquire_knowledge", "en", "The Amazon rainforest"): "not a question",
    ("acquire_knowledge", "de", "Der Markt ist in Newcastle."): "a statement",
    ("acquire_knowledge", "es", "cloroplasto exterior e interior"): "not a question",
    ("acquire_knowledge", "zh", "亚马逊雨林"): "not a question",
    ("acquire_knowledge", "ar", "غابات الأمازون"): "not a question",
    ("summary", "en", "Is bread sour?"): "a yes/no question",
    ("summary", "en", "Who was the first king of Norway?"): "asks for one fact",
    ("summary", "en", "how many rivers does Poland have"): "asks for one fact",
    ("summary", "en", "Kenya is active in various sports"): "a statement",
    ("summary", "de", "Wann starb Tesla?"): "asks for one fact",
    ("summary", "es", "¿Cuántos ríos tiene Polonia?"): "asks for one fact",
    ("summary", "zh", "特斯拉哪年去世？"): "asks for one fact",
    ("summary", "ar", "كم عدد الأنهار؟"): "asks for one fact",
    ("background", "en", "Did Tesla marry?"): "a yes/no question",
    ("background", "en", "The origins of the Normans are in the north"): "a statement",
    ("background", "es", "el cielo de la economía"): "not a question",
}


@pytest.mark.parametrize(
    ("wanted", "language", "query"),
    [
        (wanted, language, query)
        for wanted, by in PASSED.items()
        for language, queries in by.items()
        for query in queries
    ],
)
def test_what_people_type_is_of_its_type(wanted: str, language: str, query: str) -> None:
    assert reject(pairs(pair(type=wanted, query_language=language, query=query)), Settings()) == [None]


@pytest.mark.parametrize(("case", "seen"), REJECTED.items())
def test_says_what_it_is_instead(case: tuple[str, str, str], seen: str) -> None:
    wanted, language, query = case
    rows = pairs(pair(type=wanted, query_language=language, query=query))
    assert reject(rows, Settings()) == [f"not_{wanted}: {seen}"]


def test_as_many_keywords_as_were_asked_for_are_right() -> None:
    query = "a b c d e f g h i j k l m n"
    rows = [pair(type="keywords", query=query, words=words) for words in (5, 14)]
    assert reject(pairs(*rows), Settings()) == ["not_keywords: 14 words", None]


def test_unknown_types_are_not_judged() -> None:
    assert reject(pairs(pair(type="haiku", query="Is it?"), pair(type="", query="It is.")), Settings()) == [None, None]
