"""The report in a real browser: `make test-browser`, or any environment that has playwright and a Chromium.

SYNTH_BROWSER names the browser's program, else a Chromium of the system is taken. It is never downloaded.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from synth import report
from tests.report import toy
from tests.report.hostile import TEXTS

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: run `make test-browser`")
PROGRAM = os.environ.get("SYNTH_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine: install one, or name it in SYNTH_BROWSER"),
]
HOSTILE = (
    "</script><script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 1'>", "javascript:window.hacked=1",
    "<svg onload=alert(1)>", "{{ 7 * 7 }} ]]> --> <!--", "&lt;b&gt;",
)  # fmt: skip


@dataclass
class Seen:
    """A page, and all that it did which a report must not do."""

    page: Any
    wrong: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Requests that the page's policy stopped, and why."""

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.page.locator(selector).all_inner_texts()
        return found

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).first.inner_text())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = toy.ran(tmp_path_factory.mktemp("run"))
    report.report(run)
    return run.folder / report.NAME


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run whose corpus, titles, ids and model all say what could harm its reader."""
    folder = tmp_path_factory.mktemp("hostile")
    corpus = folder / "docs.jsonl"
    lines = []
    for number, text in enumerate(HOSTILE):
        body = (
            f"{text} Otters of kind {number} sleep on their backs in kelp, and hold hands so that they do not drift. {text} "
            * 2
        )
        lines.append(json.dumps({"id": f"{number}{text}", "title": text, "text": body}))
    corpus.write_text("\n".join(lines), encoding="utf-8")
    run = toy.ran(
        folder, corpus={"path": str(corpus), "columns": {"text": "text", "id": "id", "title": "title"}}, targets=[],
        tasks={"retrieval": {"rows_per_passage": 4}}, engine={"kind": "tests.report.hostile"}, score={}, shard_rows=2,
        filters={"debris": False, "injected": False, "type": False, "language": False, "copied": False},
    )  # fmt: skip
    report.report(run)
    return run.folder / report.NAME


@pytest.fixture(scope="module")
def browser(written: Path, hostile: Path) -> Iterator[Any]:
    """Opened when the reports are there: playwright leaves a loop running, beside which no run could have one."""
    with tempfile.TemporaryDirectory() as home, playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=PROGRAM, args=FLAGS[1:], env={**os.environ, "HOME": home})
        yield found
        found.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    contexts = []

    def open(path: Path, width: int = 1280, scheme: str = "light") -> Seen:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        seen = Seen(page)
        page.on("console", lambda message: seen.wrong.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: seen.wrong.append(str(error)))
        page.on("dialog", lambda dialog: (seen.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("requestfailed", lambda request: seen.refused.append((request.url, request.failure)))
        page.goto(path.as_uri())
        page.wait_for_selector("#rows li")
        return seen

    yield open
    for context in contexts:
        context.close()


def test_it_opens_without_errors_and_asks_for_nothing(opened: Any, written: Path) -> None:
    seen = opened(written)
    for link in seen.page.locator("nav a").all():
        link.click()
    for numbers in seen.page.locator("summary").all()[:5]:
        numbers.click()
    assert seen.wrong == []
    assert {url.partition("#")[0] for url in seen.requests} == {written.as_uri()}
    assert seen.text("h1") == "toy"
    assert seen.texts("nav a") == [
        "Funnel", "Mix", "Languages", "Similarity", "Lengths", "Duplicates", "Negatives", "Time", "Samples",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [360, 400, 768, 1280, 1920])
def test_it_is_as_wide_as_the_window_and_each_chart_is_seen(opened: Any, written: Path, width: int) -> None:
    seen = opened(written, width)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    shown = seen.page.evaluate(
        "[...document.querySelectorAll('.chart')].map(chart => [...chart.querySelectorAll('svg')]"
        ".map(svg => svg.getBoundingClientRect()).filter(box => box.width > 200 && box.height > 20).length)"
    )
    assert set(shown) == {1}
    over = seen.page.evaluate(
        "[...document.querySelectorAll('.card')].filter(card => card.scrollWidth > card.clientWidth + 1).map(card => card.innerText)"
    )
    assert over == []


def test_the_navigation_fits(opened: Any, written: Path) -> None:
    sizes = opened(written).page.evaluate(
        "(list => [list.scrollWidth, list.clientWidth])(document.querySelector('nav ul'))"
    )
    assert sizes[0] <= sizes[1]


def test_filters_and_search(opened: Any, written: Path) -> None:
    seen = opened(written)
    page = seen.page
    whole = len(seen.texts("#rows li"))
    assert seen.text("#count") == f"{whole} rows"
    page.select_option("#task", "sts")
    assert set(seen.texts("#rows li .meta span:nth-child(2)")) == {"sts"}
    page.select_option("#status", "rejected")
    reasons = set(seen.texts("#rows li .meta span:nth-child(1)"))
    assert "accepted" not in reasons
    page.select_option("#reason", "over_target")
    assert set(seen.texts("#rows li .meta span:nth-child(1)")) == {"over_target"}
    few = len(seen.texts("#rows li"))
    assert seen.text("#count") == f"{few} of {whole} rows"
    assert 0 < few < whole
    page.click("#all")
    assert seen.text("#count") == f"{whole} rows"
    page.select_option("#language", "de")
    assert set(seen.texts("#rows li .meta span:nth-child(3)")) == {"de"}
    page.click("#all")
    word = re.findall(r"\w{7,}", seen.text("#rows li:first-child .q"))[0]
    page.fill("#find", word.upper())
    found = seen.texts("#rows li")
    assert 0 < len(found) < whole
    assert word.lower() in {text.lower() for text in seen.texts("#row mark")}
    page.fill("#find", "( [ \\ *")
    page.fill("#find", "no such words anywhere")
    assert seen.texts("#rows li") == ["No row has all of this."]
    assert seen.text("#row") == "Nothing to read: widen the filters."
    assert seen.wrong == []


def test_prompts_and_answers_stand_beside_what_was_made_of_them(opened: Any, written: Path) -> None:
    seen = opened(written)
    seen.page.select_option("#task", "retrieval")
    seen.page.select_option("#status", "accepted")
    assert seen.texts("#row .sides h3") == ["What was asked", "What was made of it"]
    steps = [text for text in seen.texts("#row .sides > div:first-child h4") if "/" in text]
    assert steps == ["retrieval/configure", "retrieval/query"]
    query = seen.text("#row .text.query")
    assert query in seen.texts("#row .text.answer")[-1]
    assert seen.text("#row .sides > div:first-child > .text.raw").startswith("Passage:")
    scores = [float(text.splitlines()[0].replace("−", "-")) for text in seen.texts("#row .neg .score")]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) >= 1
    hidden = seen.page.locator("#row details .text.raw").first
    assert not hidden.is_visible()
    seen.page.locator("#row summary").first.click()
    assert hidden.is_visible()
    boxes = [seen.page.locator("#row .sides > div").nth(at).bounding_box() for at in (0, 1)]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] < boxes[1]["x"]


def test_the_keyboard(opened: Any, written: Path) -> None:
    seen = opened(written)
    page = seen.page

    def chosen() -> int:
        return int(
            page.evaluate("[...document.querySelectorAll('#rows li')].findIndex(row => row.ariaSelected === 'true')")
        )

    def focused() -> str:
        return str(page.evaluate("document.activeElement.id"))

    assert (chosen(), focused()) == (0, "")
    page.keyboard.press("j")
    assert (chosen(), focused()) == (1, "rows")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    page.keyboard.press("j")
    assert chosen() == 2
    page.keyboard.press("ArrowUp")
    assert chosen() == 1
    page.keyboard.press("Enter")
    assert focused() == "row"
    page.keyboard.press("j")
    assert (chosen(), focused()) == (2, "row")
    page.keyboard.press("Escape")
    assert focused() == "rows"
    page.keyboard.press("End")
    assert chosen() == len(seen.texts("#rows li")) - 1
    page.keyboard.press("Home")
    page.keyboard.press("k")
    assert chosen() == 0
    page.keyboard.press("/")
    assert focused() == "find"
    page.keyboard.type("jk/")
    assert page.input_value("#find") == "jk/"
    page.keyboard.press("Escape")
    assert page.input_value("#find") == ""
    page.keyboard.press("Enter")
    assert focused() == "rows"
    assert page.locator(".keys").is_visible()
    assert seen.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(opened: Any, written: Path, scheme: str) -> None:
    """As the system has it, until the button says otherwise; charts go along."""
    seen = opened(written, scheme=scheme)

    def colours() -> tuple[str, str]:
        paper, bar = seen.page.evaluate(
            "[getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(document.querySelector('.full svg path[fill=\"var(--kept)\"]')).fill]"
        )
        return paper, bar

    known = {"light": ("rgb(247, 246, 243)", "rgb(29, 122, 104)"), "dark": ("rgb(19, 20, 22)", "rgb(79, 184, 160)")}
    other = "dark" if scheme == "light" else "light"
    assert colours() == known[scheme]
    assert seen.text("#theme") == other.capitalize()
    seen.page.click("#theme")
    assert colours() == known[other]
    seen.page.click("#theme")
    assert colours() == known[scheme]


def test_words_have_contrast(opened: Any, written: Path) -> None:
    """WCAG AA: 4.5 to 1 for text, on the page and on cards, in light and dark."""
    script = """name => { const probe = document.createElement('i'); probe.className = 'probe'; document.body.append(probe);
      probe.style.color = `var(--${name})`; const found = getComputedStyle(probe).color; probe.remove(); return found; }"""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for scheme in ("light", "dark"):
        page = opened(written, scheme=scheme).page
        for ground in ("paper", "card", "sunk"):
            for ink in ("ink", "quiet", "link"):
                one, two = sorted((luminance(page.evaluate(script, name)) for name in (ground, ink)), reverse=True)
                assert (one + 0.05) / (two + 0.05) >= 4.5, (scheme, ground, ink)


def test_a_hostile_row_runs_nothing_and_reads_as_what_it_is(opened: Any, hostile: Path) -> None:
    seen = opened(hostile)
    page = seen.page
    number = len(seen.texts("#rows li"))
    assert number >= 16
    page.click("#rows li")
    read = str(page.locator("#row").evaluate("row => row.textContent"))
    for _ in range(number):
        page.keyboard.press("ArrowDown")
        read += str(page.locator("#row").evaluate("row => row.textContent"))
    page.fill("#find", "<img src=x onerror='window.hacked")
    assert len(seen.texts("#rows li")) >= 1
    assert page.evaluate("window.hacked") is None
    assert (
        page.evaluate("document.querySelectorAll('main img, main script, main iframe, #row svg, main a').length") == 0
    )
    assert seen.wrong == []
    assert {url.partition("#")[0] for url in seen.requests} == {hostile.as_uri()}
    for text in (*HOSTILE, *TEXTS):
        assert text.translate({ord(letter): f"\\u{ord(letter):04x}" for letter in "\u2028\u2029\u202e\u202c"}) in read


def test_on_paper_there_is_no_navigation(opened: Any, written: Path) -> None:
    page = opened(written, scheme="dark").page
    page.emulate_media(media="print")
    assert [page.locator(name).first.is_visible() for name in ("nav", "#filters", "#rows")] == [False, False, False]
    assert page.locator("h1").is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('h2')).color") == "rgb(29, 28, 26)"


def test_a_script_that_is_not_its_own_is_refused(opened: Any, written: Path, tmp_path: Path) -> None:
    """What the policy is there for, if all else fails."""
    html = written.read_text(encoding="utf-8")
    changed = html.replace(
        "<main", "<script>window.hacked = 1</script><img src='https://example.invalid/x.png'><main", 1
    )
    assert changed != html
    path = tmp_path / "changed.html"
    path.write_text(changed, encoding="utf-8")
    seen = opened(path)
    assert seen.page.evaluate("window.hacked") is None
    assert seen.refused == [("https://example.invalid/x.png", "csp")]
    assert len([text for text in seen.wrong if "Content Security Policy" in text]) == 2
