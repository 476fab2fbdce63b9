"""Charts as Vega-Lite specs, a function each: numbers in, a plain dict out. `draw.svg` gives them their width and style."""

from collections.abc import Mapping, Sequence
from typing import Any

from synth.report.counts import BINS
from synth.report.draw import COLOURS, Spec

Row = Mapping[str, Any]
_STEP = 26
_BAR = {"cornerRadiusEnd": 2, "height": {"band": 0.68}}
_NONE: Any = None


def _names(field: str, order: Sequence[str]) -> Spec:
    return {"field": field, "type": "nominal", "sort": list(order), "title": None}


def _colours(field: str, colours: Mapping[str, str], *, legend: bool = True) -> Spec:
    """Colour by a field: {name: name of a colour}, in the order of the legend and of the stack."""
    scale = {"domain": list(colours), "range": [COLOURS[name] for name in colours.values()]}
    return {"field": field, "type": "nominal", "scale": scale, **({} if legend else {"legend": None})}


def _values(rows: Sequence[Row]) -> Spec:
    return {"values": [dict(row) for row in rows]}


def funnel(rows: Sequence[Row]) -> Spec:
    """Rows that each stage found and what became of them: {stage, fate: "went on" | "left here", rows, label}."""
    order = list(dict.fromkeys(row["stage"] for row in rows))
    y = {**_names("stage", order), "axis": {"labelColor": COLOURS["ink"]}}
    total = max(row["end"] for row in rows)
    x = {"field": "start", "type": "quantitative", "axis": None, "scale": {"domain": [0, total * 1.22]}}
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


def bars(rows: Sequence[Row], colours: Mapping[str, str]) -> Spec:
    """Horizontal bars with a number at the end: {name, number, label, kind}; `colours` by kind."""
    order = [row["name"] for row in rows]
    top = max(row["number"] for row in rows)
    x = {"field": "number", "type": "quantitative", "axis": None, "scale": {"domain": [0, top * 1.3]}}
    return {
        "data": _values(rows),
        "height": {"step": _STEP},
        "encoding": {"y": {**_names("name", order), "axis": {"labelColor": COLOURS["ink"]}}, "x": x},
        "layer": [
            {"mark": {"type": "bar", **_BAR}, "encoding": {"color": _colours("kind", colours, legend=len(colours) > 1)}},
            {"mark": {"type": "text", "align": "left", "dx": 6}, "encoding": {"text": {"field": "label"}}},
        ],
    }  # fmt: skip


def shares(rows: Sequence[Row], wanted: str) -> Spec:
    """Shares that came out as bars, those that were wanted as marks: {name, share, wanted: share or null, label}."""
    order = [row["name"] for row in rows]
    top = max(max(row["share"], row["wanted"] or 0.0) for row in rows) or 1.0
    x = {"field": "share", "type": "quantitative", "axis": None, "scale": {"domain": [0, top * 1.25]}}
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
    y = {**_names("name", order), "axis": {"labelColor": COLOURS["ink"]}}
    return {"data": _values(rows), "height": {"step": _STEP}, "encoding": {"y": y}, "layer": layers}


def _only(domain: Mapping[str, str]) -> Spec:
    found = _colours("", domain, legend=len(domain) > 1)
    del found["field"]
    return found


def histogram(
    bins: Mapping[tuple[str, int], int], colours: Mapping[str, str], title: str, marks: Sequence[tuple[float, str]] = ()
) -> Spec:
    """Stacked bars over bins of cosine: {(kind, bin): rows}; `marks` are thresholds with what to write beside them."""
    each = max(1, -(-(max(at for _, at in bins) - min(at for _, at in bins) + 1) // 40))
    summed: dict[tuple[str, int], int] = {}
    for (kind, at), number in bins.items():
        summed[kind, at // each] = summed.get((kind, at // each), 0) + number
    order = {kind: number for number, kind in enumerate(colours)}
    rows = [
        {"kind": kind, "from": round(at * each / BINS, 4), "to": round((at + 1) * each / BINS, 4), "rows": number, "order": order[kind]}
        for (kind, at), number in sorted(summed.items())
    ]
    low = min([row["from"] for row in rows] + [value for value, _ in marks])
    high = max([row["to"] for row in rows] + [value for value, _ in marks])
    scale = {"domain": [low, high], "nice": False, "zero": False}
    layers: list[Spec] = [
        {
            "data": _values(rows),
            "mark": {"type": "bar", "binSpacing": 1},
            "encoding": {
                "x": {"field": "from", "type": "quantitative", "bin": {"binned": True, "step": each / BINS}, "scale": scale,
                      "title": title, "axis": {"grid": False, "format": ".2~f", "tickCount": 6}},
                "x2": {"field": "to"},
                "y": {"field": "rows", "type": "quantitative", "title": None, "stack": "zero",
                      "axis": {"tickCount": 4, "format": "~s"}},
                "order": {"field": "order"},
                "color": _colours("kind", colours, legend=len(colours) > 1),
            },
        }
    ]  # fmt: skip
    if marks:
        found = [{"at": value, "label": label} for value, label in marks]
        at = {"field": "at", "type": "quantitative", "scale": scale}
        right = found[0]["at"] > (low + high) / 2
        text = {"type": "text", "align": "right" if right else "left", "dx": -6 if right else 6, "baseline": "top", "dy": 2}
        layers.append({"data": _values(found), "mark": {"type": "rule", "strokeWidth": 2, "strokeDash": [5, 3]}, "encoding": {"x": at}})
        layers.append({"data": _values(found), "mark": {**text, "fontWeight": "bold", "color": COLOURS["mark"]},
                       "encoding": {"x": at, "y": {"value": 0}, "text": {"field": "label"}}})  # fmt: skip
    return {"height": 190, "layer": layers}


def columns(rows: Sequence[Row], colours: Mapping[str, str], title: str) -> Spec:
    """Stacked vertical bars over named ranges: {range, kind, rows}."""
    order = {kind: number for number, kind in enumerate(colours)}
    ranges = list(dict.fromkeys(row["range"] for row in rows))
    return {
        "data": _values([{**row, "order": order[row["kind"]]} for row in rows]),
        "height": 190,
        "mark": {"type": "bar", "width": {"band": 0.8}},
        "encoding": {
            "x": {**_names("range", ranges), "title": title, "axis": {"labelAngle": 0, "labelOverlap": True}},
            "y": {"field": "rows", "type": "quantitative", "title": None, "stack": "zero",
                  "axis": {"tickCount": 4, "format": "~s"}},
            "order": {"field": "order"},
            "color": _colours("kind", colours, legend=len(colours) > 1),
        },
    }  # fmt: skip


def heat(rows: Sequence[Row]) -> Spec:
    """Accepted rows by language and task, darker where there are more: {language, task, rows, label}."""
    languages, tasks = (list(dict.fromkeys(row[name] for row in rows)) for name in ("language", "task"))
    top = max(row["rows"] for row in rows) or 1
    strength = {"field": "rows", "type": "quantitative", "legend": None, "scale": {"type": "sqrt", "domain": [0, top], "range": [0.04, 0.5]}}
    axis = {"labelColor": COLOURS["ink"], "labelAngle": 0, "orient": "top", "labelLimit": 110}
    return {
        "data": _values(rows),
        "height": {"step": 30},
        "encoding": {
            "x": {**_names("task", tasks), "axis": axis},
            "y": {**_names("language", languages), "axis": {"labelColor": COLOURS["ink"]}},
        },
        "layer": [
            {"mark": {"type": "rect", "fill": COLOURS["kept"], "cornerRadius": 2, "width": {"band": 0.97}, "height": {"band": 0.93}},
             "encoding": {"fillOpacity": strength}},
            {"mark": {"type": "text"}, "encoding": {"text": {"field": "label"}}},
        ],
    }  # fmt: skip


def line(rows: Sequence[Row], title: str) -> Spec:
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
