from synth.filters.copied import Settings, reject
from tests.rows import pair, pairs

PASSAGE = (
    "The panel has since acknowledged that the date is incorrect, while reaffirming that the conclusion in the final "
    "summary was robust. The University of Western Medicine in Peking was founded by Aixue in 1263."
)


def verdicts(*queries: str, passage: str = PASSAGE, settings: Settings | None = None) -> list[str | None]:
    return reject(pairs(*(pair(query=query, passage=passage) for query in queries)), settings or Settings())


def test_a_long_run_is_copied_whatever_stands_around_it() -> None:
    run = "that the date is incorrect while reaffirming that the conclusion in the final summary"
    assert verdicts(f"Why did they say {run.upper()}, and when and to whom, in the end, and where?") == [
        f"copied: {run}"
    ]


def test_a_query_that_is_nearly_all_runs_is_copied() -> None:
    assert verdicts("Acknowledged that the date is incorrect, while reaffirming what?") == [None]
    assert verdicts("has since acknowledged that the date is incorrect, while reaffirming what") == [
        "copied: 10 of 11 words, as in 'has since acknowledged that the date is incorrect while reaffirming'"
    ]


def test_names_and_keywords_are_anyones() -> None:
    assert verdicts("Who founded the University of Western Medicine?", "Aixue Western Medicine Peking 1263") == [
        None,
        None,
    ]


def test_chinese_letters_count_half() -> None:
    passage = "联合卫理公会的教会和社会总委员会呼吁所有联合卫理公会教徒在大斋节期间戒酒"
    assert verdicts("谁呼吁教徒戒酒？", "呼吁所有联合卫理公会教徒在大斋节期间戒酒", passage=passage) == [
        None,
        "copied: 20 of 20 words, as in '呼吁所有联合卫理公会教徒在大斋节期间戒酒'",
    ]
    assert verdicts("联合卫理公会的教会和社会总委员会呼吁所有联合卫理公会教徒做什么？", passage=passage) == [
        "copied: 联合卫理公会的教会和社会总委员会呼吁所有联合卫理公会教徒"
    ]


def test_limits_are_settings() -> None:
    query = "the date is incorrect while reaffirming something else"
    assert verdicts(query, settings=Settings(max_run=5)) == ["copied: the date is incorrect while reaffirming"]
