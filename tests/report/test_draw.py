import builtins
import re
from typing import Any

import pytest

from synth.errors import ConfigError
from synth.report import charts, draw

HOSTILE = "<script>alert(1)</script>\"' onload=x &amp; javascript:1 \x1b[2J"
BARS = [
    {"name": HOSTILE, "number": 3, "label": "3", "kind": "rejected"},
    {"name": "b", "number": 1, "label": "1", "kind": "failed"},
]
KINDS = {"rejected": "rejected", "failed": "failed"}


def test_a_drawing_has_named_colours_no_style_and_nothing_that_acts() -> None:
    drawn = draw.svg(charts.bars(BARS, KINDS, width=500), 500)
    assert drawn.startswith("<svg ")
    assert {"var(--rejected)", "var(--failed)", "var(--ink)"} <= set(re.findall(r"var\(--\w+\)", drawn))
    assert set(re.findall(r'(?:fill|stroke)="([^"]*)"', drawn)) <= {f"var(--{name})" for name in draw.COLOURS} | {
        "none",
        "transparent",
    }
    assert re.findall(r"<(\w+)", drawn)
    assert set(re.findall(r"<(\w+)", drawn)) <= {"svg", "g", "path", "text", "line"}
    assert re.findall(r"\s(on\w+|href|style|class|id)=", drawn.replace("&lt;", "<")) == []
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn


@pytest.mark.parametrize(
    "name", ["a\x00", "a\x1b[2J", "a\u2028", "a\u202e", "a\ufffe", "a\ud800", "a\n", "長い名前" * 40, "a" * 5000, ""]
)
def test_any_name_can_be_drawn(name: str) -> None:
    """The library would abort the whole process on some of these."""
    drawn = draw.svg(charts.bars([{"name": name, "number": 1, "label": name, "kind": "failed"}], KINDS, width=336), 336)
    assert drawn.startswith("<svg ")
    drawn.encode()


def test_the_width_is_what_was_asked_for() -> None:
    for width in (336, 1078):
        found = re.match(r'<svg [^>]*width="([\d.]+)"', draw.svg(charts.bars(BARS, KINDS, width=width), width))
        assert found
        assert abs(float(found[1]) - width) <= 5


@pytest.mark.parametrize("width", [336, 1078])
@pytest.mark.parametrize(
    ("chart", "given", "texts"),
    [
        (charts.funnel, [[
            {"stage": "plan", "fate": "went on", "start": 0, "end": 9, "label": "9"},
            {"stage": "filter", "fate": "went on", "start": 0, "end": 5, "label": ""},
            {"stage": "filter", "fate": "left here", "start": 5, "end": 9, "label": "5  (−4)"},
        ]], {"plan", "filter", "went on", "left here", "9", "5  (−4)"}),
        (charts.shares, [[
            {"name": "en", "share": 0.75, "wanted": 0.5, "label": "75 %"}, {"name": "de", "share": 0.25, "wanted": None, "label": "25 %"},
        ], "targets"], {"en", "de", "75 %", "25 %", "targets", "accepted rows"}),
        (charts.histogram, [{("accepted", 20): 3, ("low_cosine", 4): 2}, {"accepted": "kept", "low_cosine": "rejected"}, "cosine",
                            (0.3, "threshold 0.30")], {"threshold 0.30", "cosine", "accepted", "low_cosine", "0.2", "0.3", "0.4"}),
        (charts.columns, [[{"range": "1", "kind": "rows", "rows": 4}, {"range": "2", "kind": "rows", "rows": 0}], {"rows": "kept"}, "rank"],
         {"1", "2", "rank"}),
        (charts.heat, [[{"language": "English", "task": "sts", "rows": 4, "label": "4"},
                        {"language": "German", "task": "sts", "rows": 0, "label": "–"}]],
         {"English", "German", "sts", "4", "–"}),
        (charts.line, [[{"start": 0, "end": 1, "rate": 3.0}, {"start": 1, "end": 2, "rate": 5.0}], "hours"], {"hours"}),
    ],
    ids=["funnel", "shares", "histogram", "columns", "heat", "line"],
)  # fmt: skip
def test_each_chart_says_what_it_was_given(chart: Any, given: list[Any], texts: set[str], width: int) -> None:
    drawn = draw.svg(chart(*given, width=width), width)
    assert texts - set(re.findall(r"<text[^>]*>([^<]*)</text>", drawn)) == set()
    assert "NaN" not in drawn


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    known = builtins.__import__

    def missing(name: str, *args: Any) -> Any:
        if name == "vl_convert":
            raise ImportError(name)
        return known(name, *args)

    draw._library.cache_clear()
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigError, match="vl-convert-python, which is not installed") as failed:
        draw.check()
    assert failed.value.fix == "pip install '.[report]' in a checkout of synth"
