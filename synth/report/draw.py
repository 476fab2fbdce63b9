"""Draws Vega-Lite specs as SVG, at build time: the page needs no library and no network.

Colours are drawn as stand-ins and then named (`var(--kept)`), so that one drawing serves light and dark. Of what the library
draws, only elements and attributes that are listed here get into the page.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from xml.etree import ElementTree

from synth.errors import ConfigError, install
from synth.visible import visible

Spec = dict[str, Any]
COLOURS = {
    "kept": "#0a0001", "rejected": "#0a0002", "failed": "#0a0003", "other": "#0a0004", "ink": "#0a0005", "quiet": "#0a0006",
    "line": "#0a0007", "mark": "#0a0008",
}  # fmt: skip
"""Stand-ins: colours that no scale of Vega comes up with."""
_NAMED = {value: f"var(--{name})" for name, value in COLOURS.items()}
_SVG = "{http://www.w3.org/2000/svg}"
_ELEMENTS = {"svg", "g", "path", "line", "rect", "text", "tspan"}
_ATTRIBUTES = {
    "viewBox", "width", "height", "transform", "d", "x", "y", "x1", "y1", "x2", "y2", "dx", "dy", "fill", "stroke",
    "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "fill-opacity", "stroke-opacity",
    "text-anchor", "font-size", "font-weight", "font-style",
}  # fmt: skip
_NO_CHARACTERS = re.compile(r"[\ufffe\uffff]")
_FONT = "sans-serif"
_CONFIG: Mapping[str, Any] = {
    "aria": False,
    "background": None,
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": COLOURS["quiet"], "titleColor": COLOURS["quiet"], "domain": False, "ticks": False,
        "gridColor": COLOURS["line"], "gridOpacity": 1, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "labelLimit": 150, "labelPadding": 6, "titlePadding": 8,
    },
    "legend": {
        "orient": "top", "direction": "horizontal", "title": None, "labelColor": COLOURS["ink"], "labelFontSize": 12,
        "symbolType": "square", "symbolSize": 90, "symbolStrokeWidth": 0, "columnPadding": 26, "symbolOpacity": 1, "offset": 8, "labelLimit": 300,
    },
    "text": {"fontSize": 12, "color": COLOURS["ink"]},
    "bar": {"color": COLOURS["kept"]},
    "rule": {"color": COLOURS["mark"]},
    "tick": {"color": COLOURS["mark"], "thickness": 3, "opacity": 1},
}  # fmt: skip


def svg(spec: Spec, width: int) -> str:
    """Draw a spec `width` pixels wide, and as high as it says."""
    sized = {
        **_shown(spec),
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": width,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": 2,
        "config": _CONFIG,
    }
    return _tidy(_library().vegalite_to_svg(sized, vl_version="6.1"))


def _shown(value: Any) -> Any:
    """Write control characters of all texts out: on one, the library would end the process, or lose its thread."""
    if isinstance(value, str):
        return _NO_CHARACTERS.sub("\ufffd", visible(value.encode("utf-8", "backslashreplace").decode()))
    if isinstance(value, dict):
        return {key: _shown(inner) for key, inner in value.items()}
    return [_shown(inner) for inner in value] if isinstance(value, list) else value


@cache
def _library() -> Any:
    """Load vl-convert (Vega-Lite in a Rust library): no browser, no Node. Raises ConfigError when it is not there."""
    try:
        import vl_convert
    except ImportError as error:
        raise ConfigError(
            "report: charts are drawn by vl-convert-python, which is not installed",
            fix=install("report"),
        ) from error
    return vl_convert


def check() -> None:
    """Raise ConfigError when nothing can be drawn: to be told before anything is counted."""
    _library()


def _tidy(drawn: str) -> str:
    root = ElementTree.fromstring(drawn)
    made = _copy(root)
    assert made is not None
    made.set("aria-hidden", "true")  # the page says beside it what it shows, and has the numbers in a table
    text = ElementTree.tostring(made, encoding="unicode")
    return re.sub(r"(\d+\.\d\d)\d+", r"\1", text)


def _copy(node: ElementTree.Element) -> ElementTree.Element | None:
    """Return what of an element is seen: nothing of empty groups, backgrounds, and elements that are not listed."""
    name = node.tag.removeprefix(_SVG)
    if name not in _ELEMENTS or node.get("display") == "none":
        return None
    given = {key: _NAMED.get(value, value) for key, value in node.attrib.items() if key in _ATTRIBUTES}
    if given.get("opacity") == "1":
        del given["opacity"]
    if name in ("path", "rect", "line") and not ({"fill", "stroke"} & given.keys()):
        return None
    if name == "g" and given.get("transform") == "translate(0,0)":
        del given["transform"]
    made = ElementTree.Element(name, given)
    made.text = node.text
    made.extend(copy for child in node if (copy := _copy(child)) is not None)
    if name == "g" and not len(made):
        return None
    if name == "g" and not given and len(made) == 1:
        return made[0]
    if name == "path" and re.fullmatch(r"(M0,0h0v0h0Z)?", given.get("d", "")):
        return None
    return made
