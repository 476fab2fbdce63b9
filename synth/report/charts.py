"""Charts as Vega-Lite specs, a function each: numbers in, a plain dict out. `draw.svg` gives them their width and style."""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from synth.report.counts import BINS
from synth.report.draw import COLOURS, Spec

Row = Mapping[str, Any]
_STEP = 26
_LETTER = 7.3
"""Pixels of a letter at 12 px, in a wide font: what draws the text in the end is not what measured it."""
_BAR = {"cornerRadiusEnd": 2, "height": {"band": 0.68}}


def _names(field: str, order: Sequence[str]) -> Spec:
    return {"field": field, "type": "nominal", "sort": list(order), "title": None}


def _down(field: str, order: Sequence[str]) -> Spec:
    """Names at the left of horizontal bars."""
    axis = {"labelColor": COLOURS["ink"], "minExtent": _extent(order), "maxExtent": _extent(order), "labelLimit": 175}
    return {**_names(field, order), "axis": axis}


def _room(labels: Sequence[str], names: Sequence[str], width: int) -> float:
    """Return how much longer than the longest bar an axis must be for the labels at the bars' ends."""
    plot = max(width - _extent(names) - 10, 80)
    label = min(_LETTER * max(map(len, labels), default=0) + 10, 0.6 * plot)
    return plot / (plot - label)


def _extent(names: Sequence[str]) -> int:
    return min(round(_LETTER * max(map(_columns, names), default=0)) + 10, 175)


def _columns(name: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in name)


def _colours(field: str, colours: Mapping[str, str], *, legend: bool = True) -> Spec:
    """Colour by a field: {name: name of a colour}, in the order of the legend and of the stack."""
    scale = {"domain": list(colours), "range": [COLOURS[name] for name in colours.values()]}
    return {"field": field, "type": "nominal", "scale": scale, **({} if legend else {"legend": None})}


def _values(rows: Sequence[Row]) -> Spec:
    return {"values": [dict(row) for row in rows]}


def funnel(rows: Sequence[Row], *, width: int) -> Spec:
    """Rows that each stage found and what became of them: {stage, fate: "went on" | "left here", rows, label}."""
    order = list(dict.fromkeys(row["stage"] for row in rows))
    y = _down("stage", order)
    total = max(row["end"] for row in rows) * _room([row["label"] for row in rows], order, width)
    x = {"field": "start", "type": "quantitative", "axis": None, "scale": {"domain": [0, total]}}
    return {
        "data": _values(rows),
        "height": {"step": 30},
        "encoding": {"y": y},
        "layer": [
            {"mark": {"type": "bar", "height": {"band": 0.72}}, "encoding": {
                "x": x, "x2": {"field": "end"}, "color": _colours("fate", {"went on": "kept", "left here": "rejected"})}},
            {"transform": [{"filter": "datum.label != ''"}],
             "mark": {"type": "text", "align": "left", "dx": 6}, "encoding": {
                "x": {**x, "field": "end"}, "text": {"field": "label"}}},
        ],
    }  # fmt: skip


def bars(rows: Sequence[Row], colours: Mapping[str, str], *, width: int) -> Spec:
    """Horizontal bars with a number at the end: {name, number, label, kind}; `colours` by kind."""
    order = [row["name"] for row in rows]
    top = (max(row["number"] for row in rows) or 1) * _room([row["label"] for row in rows], order, width)
    x = {"field": "number", "type": "quantitative", "axis": None, "scale": {"domain": [0, top]}}
    return {
        "data": _values(rows),
        "height": {"step": _STEP},
        "encoding": {"y": _down("name", order), "x": x},
        "layer": [
            {"mark": {"type": "bar", **_BAR}, "encoding": {"color": _colours("kind", colours, legend=len(colours) > 1)}},
            {"mark": {"type": "text", "align": "left", "dx": 6}, "encoding": {"text": {"field": "label"}}},
        ],
    }  # fmt: skip


def shares(rows: Sequence[Row], wanted: str, *, width: int) -> Spec:
    """Shares that came out as bars, those that were wanted as marks: {name, share, wanted: share or null, label}."""
    order = [row["name"] for row in rows]
    top = max(max(row["share"], row["wanted"] or 0.0) for row in rows) or 1.0
    top *= _room([row["label"] for row in rows], order, width)
    x = {"field": "share", "type": "quantitative", "axis": None, "scale": {"domain": [0, top]}}
    domain = {"accepted rows": "kept", **({wanted: "mark"} if wanted else {})}
    layers: list[Spec] = [
        {"mark": {"type": "bar", **_BAR},
         "encoding": {"x": x, "color": {"datum": "accepted rows", **_only(domain)}}},
    ]  # fmt: skip
    if wanted:
        layers.append(
            {"transform": [{"filter": "isValid(datum.wanted)"}],
             "mark": {"type": "tick", "thickness": 3, "height": {"band": 0.95}},
             "encoding": {"x": {**x, "field": "wanted"}, "color": {"datum": wanted, **_only(domain)}}}
        )  # fmt: skip
    layers.append(
        {"transform": [{"calculate": "max(datum.share, isValid(datum.wanted) ? datum.wanted : 0)", "as": "at"}],
         "mark": {"type": "text", "align": "left", "dx": 7},
         "encoding": {"x": {**x, "field": "at"}, "text": {"field": "label"}}}
    )  # fmt: skip
    return {"data": _values(rows), "height": {"step": _STEP}, "encoding": {"y": _down("name", order)}, "layer": layers}


def _only(domain: Mapping[str, str]) -> Spec:
    found = _colours("", domain, legend=len(domain) > 1)
    del found["field"]
    return found


def histogram(
    bins: Mapping[tuple[str, int], int],
    colours: Mapping[str, str],
    title: str,
    mark: tuple[float, str] | None = None,
    *,
    width: int,
) -> Spec:
    """Stacked bars over bins of cosine: {(kind, bin): rows}; `mark` is a threshold, with what to write beside it."""
    each = max(1, -(-(max(at for _, at in bins) - min(at for _, at in bins) + 1) // 40))
    summed: dict[tuple[str, int], int] = {}
    for (kind, at), number in bins.items():
        summed[kind, at // each] = summed.get((kind, at // each), 0) + number
    order = {kind: number for number, kind in enumerate(colours)}
    rows: list[dict[str, Any]] = [
        {
            "kind": kind,
            "from": round(at * each / BINS, 4),
            "to": round((at + 1) * each / BINS, 4),
            "rows": number,
            "order": order[kind],
        }
        for (kind, at), number in sorted(summed.items())
    ]
    low = min([row["from"] for row in rows] + ([mark[0]] if mark else []))
    high = max([row["to"] for row in rows] + ([mark[0]] if mark else []))
    scale = {"domain": [low, high], "nice": False, "zero": False}
    stacks: dict[float, int] = {}
    for row in rows:
        stacks[row["from"]] = stacks.get(row["from"], 0) + row["rows"]
    top = max(stacks.values()) * (1.15 if mark else 1.02)  # room for what is written beside a mark
    layers: list[Spec] = [
        {
            "data": _values(rows),
            "mark": {"type": "bar", "binSpacing": 1},
            "encoding": {
                "x": {"field": "from", "type": "quantitative", "bin": {"binned": True}, "scale": scale,
                      "title": title, "axis": {"grid": False, "format": ".2~f", "values": _ticks(low, high)}},
                "x2": {"field": "to"},
                "y": {"field": "rows", "type": "quantitative", "title": None, "stack": "zero",
                      "scale": {"domain": [0, top], "nice": False}, "axis": {"tickCount": 4, "format": "~s", "tickMinStep": 1}},
                "order": {"field": "order"},
                "color": _colours("kind", colours, legend=len(colours) > 1),
            },
        }
    ]  # fmt: skip
    if mark:
        layers += _mark(*mark, scale, left=mark[0] > (low + high) / 2)
    return {"height": 190, "layer": layers}


def _mark(value: float, label: str, scale: Spec, *, left: bool) -> list[Spec]:
    """Draw a threshold, with what it is beside it."""
    data = _values([{"at": value, "label": label}])
    at = {"field": "at", "type": "quantitative", "scale": scale}
    text = {"type": "text", "align": "right" if left else "left", "dx": -6 if left else 6, "baseline": "top", "dy": 2}
    return [
        {"data": data, "mark": {"type": "rule", "strokeWidth": 2, "strokeDash": [5, 3]}, "encoding": {"x": at}},
        {"data": data, "mark": {**text, "fontWeight": "bold", "color": COLOURS["mark"]},
         "encoding": {"x": at, "y": {"value": 0}, "text": {"field": "label"}}},
    ]  # fmt: skip


def _ticks(low: float, high: float) -> list[float]:
    """Return some five round numbers between two cosines."""
    step = next(step for step in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if (high - low) / step <= 6)
    return [round(at * step, 2) for at in range(math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6) + 1)]


def columns(rows: Sequence[Row], colours: Mapping[str, str], title: str, *, width: int) -> Spec:
    """Stacked vertical bars over named ranges: {range, kind, rows}."""
    order = {kind: number for number, kind in enumerate(colours)}
    ranges = list(dict.fromkeys(row["range"] for row in rows))
    return {
        "data": _values([{**row, "order": order[row["kind"]]} for row in rows]),
        "height": 190,
        "mark": {"type": "bar", "width": {"band": 0.8}},
        "encoding": {
            "x": {**_names("range", ranges), "title": title, "axis": {"labelAngle": 0, "labelOverlap": True, "labelSeparation": 7}},
            "y": {"field": "rows", "type": "quantitative", "title": None, "stack": "zero",
                  "axis": {"tickCount": 4, "format": "~s", "tickMinStep": 1}},
            "order": {"field": "order"},
            "color": _colours("kind", colours, legend=len(colours) > 1),
        },
    }  # fmt: skip


def heat(rows: Sequence[Row], *, width: int) -> Spec:
    """Accepted rows by language and task, darker where there are more: {language, task, rows, label}."""
    languages, tasks = (list(dict.fromkeys(row[name] for row in rows)) for name in ("language", "task"))
    top = max(row["rows"] for row in rows) or 1
    strength = {
        "field": "rows",
        "type": "quantitative",
        "legend": None,
        "scale": {"type": "sqrt", "domain": [0, top], "range": [0.04, 0.5]},
    }
    axis = {"labelColor": COLOURS["ink"], "labelAngle": 0, "orient": "top", "labelLimit": 110}
    return {
        "data": _values(rows),
        "height": {"step": 30},
        "encoding": {
            "x": {**_names("task", tasks), "axis": axis},
            "y": _down("language", languages),
        },
        "layer": [
            {"mark": {"type": "rect", "fill": COLOURS["kept"], "cornerRadius": 2, "width": {"band": 0.97}, "height": {"band": 0.93}},
             "encoding": {"fillOpacity": strength}},
            {"mark": {"type": "text"}, "encoding": {"text": {"field": "label"}}},
        ],
    }  # fmt: skip


def line(rows: Sequence[Row], title: str, *, width: int) -> Spec:
    """A rate over hours of work, as steps: {start, end, rate}."""
    return {
        "data": _values([*rows, {**rows[-1], "start": rows[-1]["end"]}]),
        "height": 150,
        "mark": {"type": "area", "interpolate": "step-after", "color": COLOURS["kept"], "fillOpacity": 0.18,
                 "line": {"color": COLOURS["kept"], "strokeWidth": 2}},
        "encoding": {
            "x": {"field": "start", "type": "quantitative", "title": title, "axis": {"grid": False, "tickCount": 6}},
            "y": {"field": "rate", "type": "quantitative", "title": None, "scale": {"zero": True},
                  "axis": {"tickCount": 4, "format": "~s"}},
        },
    }  # fmt: skip
