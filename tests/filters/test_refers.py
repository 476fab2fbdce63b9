import pytest

from synth.filters.refers import Settings, reject
from tests.rows import pair, pairs

REJECTED = {
    "The passage": "The passage",
    "Is the passage about a spiritual guru a Hindu guru?": "the passage",
    "What is this text about?": "this text",
    "according to the document, who was first": "according to the document",
    "What is mentioned in the above article?": "above article",
    "The author says that oil rose": "The author says",
    "What does the author think of war?": "does the author",
    "Which city is named in the article?": "in the article",
    "Which of the following sentences is nonsensical?": "of the following",
    "The correct answer is": "correct answer",
    "What can I choose from to answer the question?": "answer the question",
    "As an AI language model, I cannot": "as an ai",
    "Sure, here is one": "sure,",
    "Here is a question about oil": "here is a question",
    "Question: who was Tesla?": "question:",
    "Wovon handelt dieser Text?": "dieser text",
    "Was wird im obigen Artikel gesagt?": "obigen artikel",
    "Wer gewann laut dem Text den Krieg?": "laut dem text",
    "¿De qué trata este texto?": "este texto",
    "Según el texto, ¿quién ganó?": "segun el texto",
    "¿Qué dice el autor?": "dice el autor",
    "De quoi parle ce texte ?": "ce texte",
    "Selon l'article, qui a gagné ?": "selon l'article",
    "De que fala este texto?": "este texto",
    "Di cosa parla questo brano?": "questo brano",
    "这篇文章主要讲什么？": "这篇文章",
    "文中提到了谁？": "文中",
    "下列哪项正确？": "下列哪",
    "ما موضوع هذا النص؟": "هذا النص",
    "وفقاً للنص، من فاز؟": "وفقا للنص",
}

PASSED = [
    "Which passage did Magellan sail through?",
    "Who found the Northwest Passage?",
    "how long did the passage of the Reform Act take",
    "What text did Luther translate?",
    "Who wrote the text of the treaty of Versailles?",
    "What does Article 5 of the constitution say?",
    "Who is the author of The Stranger?",
    "What happened in the following year?",
    "Who signed the document in 1776?",
    "Was steht im Artikel 5 des Grundgesetzes?",
    "Welchen Text übersetzte Luther?",
    "Wann entstand der Text der Nationalhymne?",
    "¿Qué texto tradujo Lutero?",
    "¿Qué dice el artículo 5?",
    "¿Quién firmó el documento de Sète?",
    "Quel texte Luther a-t-il traduit ?",
    "英文中最长的单词是什么？",
    "路德翻译了哪部文本？",
    "ما النص الذي ترجمه لوثر؟",
]


@pytest.mark.parametrize(("query", "seen"), REJECTED.items())
def test_talk_of_the_passage_or_the_exercise_is_rejected(query: str, seen: str) -> None:
    assert reject(pairs(pair(query=query)), Settings()) == [f"refers_to_passage: {seen}"]


@pytest.mark.parametrize("query", PASSED)
def test_passages_and_texts_of_the_world_pass(query: str) -> None:
    assert reject(pairs(pair(query=query)), Settings()) == [None]
