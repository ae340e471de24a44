"""Monitoring as a picture: rolling positivity with its limits, invalid calls, and the control charts."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pyarrow.compute as pc

from poolkit.drawing import BLUE, BROWN, GREEN, GREY, INK, ORANGE, PALE, SKY, VERMILLION, Drawing, shortened
from poolkit.quality.answers import VERDICTS, Monitoring

_WIDTH = 1020
_LEFT, _RIGHT = 70, 190
_PANEL = 150
_COLUMNS, _CHART_WIDTH, _CHART_HEIGHT = 3, 310, 170
_CHARTS_SHOWN, _POINTS_SHOWN = 12, 60
_FARTHEST = 5.0  # standard deviations; what lies farther is drawn at the edge
_VERDICT_COLOUR = {"ok": GREEN, "too few": GREY, "watch": BROWN}
_GROUP = {"instrument_id": "instrument", "extraction_lot": "extraction lot", "amplification_lot": "amplification lot"}

_Row = dict[str, Any]
_Scale = Callable[[float], float]


def picture(found: Monitoring) -> str:
    """Return monitoring as an SVG picture.

    Parameters
    ----------
    found
        What `monitor` returned.

    Returns
    -------
    str
        SVG without scripts, the same bytes for the same answer. Of the control charts the first dozen are shown, those
        with the worst verdict on top, each with its last 60 readings.

    Examples
    --------
    >>> from poolkit.quality import CHARTS, POINTS, RATES
    >>> picture(Monitoring(RATES.empty(), CHARTS.empty(), POINTS.empty())).startswith("<svg ")
    True
    """
    rates = found.rates.to_pylist()
    charts = _worst_first(found, rates)
    shown = charts[:_CHARTS_SHOWN]
    n_rows = -(-len(shown) // _COLUMNS)
    top = 2 * (_PANEL + 90) + 40
    drawing = Drawing(_WIDTH, top + n_rows * (_CHART_HEIGHT + 20) + 50, "Monitoring of pools, calls and controls")
    verdict = found.verdict
    drawing.text(16, 26, f"Monitoring: {verdict or 'nothing to judge'}", font_size=18, font_weight="bold")
    _positivity(drawing, 60, rates)
    _invalid(drawing, 60 + _PANEL + 90, rates)
    _heading(drawing, top, f"Control charts, {len(shown)} of {len(charts)}, worst first")
    if charts:
        _legend(drawing, top)
    else:
        drawing.text(_LEFT, top + 30, "no control has enough readings for a chart", fill=GREY)
    points = found.points
    for place, (chart, rate) in enumerate(shown):
        rows = points.filter(pc.equal(points["chart"], chart["chart"]))
        left = 16 + place % _COLUMNS * (_CHART_WIDTH + 20)
        upper = top + 30 + place // _COLUMNS * (_CHART_HEIGHT + 20)
        _chart(drawing, left, upper, chart, rate, rows.slice(max(rows.num_rows - _POINTS_SHOWN, 0)).to_pylist())
    return str(drawing)


def _worst_first(found: Monitoring, rates: list[_Row]) -> list[tuple[_Row, _Row | None]]:
    """Return the charts that have a mean, each with its rate in the last window."""
    keys = ("by", "group", "control", "target")
    of = {tuple(row[key] for key in keys): row for row in rates if row["what"] == "controls"}
    charts = [(row, of.get(tuple(row[key] for key in keys))) for row in found.charts.to_pylist() if row["baseline"]]

    def badness(pair: tuple[_Row, _Row | None]) -> tuple[int, float, int]:
        chart, rate = pair
        worst = -1 if rate is None else VERDICTS.index(rate["verdict"])
        return -worst, 0.0 if rate is None else -rate["low"], chart["chart"]

    return sorted(charts, key=badness)


def _positivity(drawing: Drawing, top: float, rates: list[_Row]) -> None:
    rows = [row for row in rates if row["what"] == "in_pools"]
    pools = [row for row in rates if row["what"] == "pools"]
    _heading(drawing, top, "Positive samples among those tested in pools, % of a rolling window")
    if not rows:
        drawing.text(_LEFT, top + 30, "nothing was tested in pools", fill=GREY)
        return
    drops = [row for row in rates if row["what"] == "drop"]
    reference = next((row for row in rates if row["what"] == "reference"), None)
    stop = rows[-1]["limit"]
    highest = max([row["high"] for row in rows] + [row["limit"] for row in drops] + [1e-4]) * 1.1
    x, y = _axes(drawing, top, [row["last_day"] for row in rows], highest)
    band = [(x(_day(row)), y(row["high"])) for row in rows] + [(x(_day(row)), y(row["low"])) for row in rows[::-1]]
    drawing.polygon(band, fill=SKY, fill_opacity=0.3)
    _series(drawing, [(x(_day(row)), y(row["estimate"])) for row in rows], BLUE)
    end = _WIDTH - _RIGHT
    labels: list[tuple[float, str, str]] = [(y(rows[-1]["estimate"]), f"{_percent(rows[-1]['estimate'])} now", BLUE)]
    if drops:
        limit = drops[-1]["limit"]
        drawing.line(x(_day(drops[0])), y(limit), end, y(limit), stroke=VERMILLION, stroke_dasharray="6 3")
        labels.append((y(limit), f"reassess below {_percent(limit)}", VERMILLION))
    if reference and reference["estimate"] is not None and reference["estimate"] <= highest:
        level = y(reference["estimate"])
        drawing.line(_LEFT, level, end, level, stroke=GREY, stroke_dasharray="2 3")
        labels.append((level, f"reference {_percent(reference['estimate'])}", GREY))
    if stop <= highest:
        drawing.line(_LEFT, y(stop), end, y(stop), stroke=INK, stroke_dasharray="8 4")
        labels.append((y(stop), f"stop above {_percent(stop)}", INK))
    else:
        labels.append((top + 14, f"stop above {_percent(stop)} (off scale)", INK))
    _labels(drawing, labels)
    note = f"band: exact interval; {rows[-1]['k']:,} of {rows[-1]['n']:,} samples"
    note += f", {rows[-1]['n_open']:,} reactive pools wait for retests"
    if pools:
        note += f"; {_percent(pools[-1]['estimate'])} of {pools[-1]['n']:,} pools positive"
    drawing.text(_LEFT, top + _PANEL + 52, note, font_size=11, fill=GREY)


def _invalid(drawing: Drawing, top: float, rates: list[_Row]) -> None:
    invalid = [row for row in rates if row["what"] == "invalid" and row["by"] == "day"]
    failed = [row for row in rates if row["what"] == "failed_runs" and row["by"] == "day"]
    _heading(drawing, top, "Invalid calls, and runs whose plate failed its controls, % of a day")
    if not failed:
        drawing.text(_LEFT, top + 30, "nothing was called", fill=GREY)
        return
    limit = failed[-1]["limit"] if not invalid else invalid[-1]["limit"]
    highest = max([row["estimate"] for row in [*invalid, *failed]] + [limit]) * 1.15
    x, y = _axes(drawing, top, [row["last_day"] for row in failed], highest)
    _series(drawing, [(x(_day(row)), y(row["estimate"])) for row in failed], ORANGE, dash="5 3")
    _series(drawing, [(x(_day(row)), y(row["estimate"])) for row in invalid], BLUE)
    drawing.line(_LEFT, y(limit), _WIDTH - _RIGHT, y(limit), stroke=VERMILLION, stroke_dasharray="6 3")
    labels = [(y(limit), f"limit {_percent(limit)}", VERMILLION)]
    if invalid:
        labels.append((y(invalid[-1]["estimate"]), f"invalid {_percent(invalid[-1]['estimate'])}", BLUE))
    labels.append((y(failed[-1]["estimate"]), f"failed runs {_percent(failed[-1]['estimate'])}", BROWN))
    _labels(drawing, labels)


def _heading(drawing: Drawing, top: float, text: str) -> None:
    drawing.text(16, top, text, font_size=14, font_weight="bold")


def _axes(drawing: Drawing, top: float, days: list[date], highest: float) -> tuple[_Scale, _Scale]:
    """Draw both axes of a panel and return the scales of day and share."""
    first, last = days[0].toordinal(), days[-1].toordinal()
    upper, lower, end = top + 16, top + 16 + _PANEL, _WIDTH - _RIGHT

    def x(day: float) -> float:
        return _LEFT + (day - first) / max(last - first, 1) * (end - _LEFT)

    def y(share: float) -> float:
        return lower - share / highest * (lower - upper)

    step = _step(highest * 100) / 100
    for number in range(int(highest / step) + 1):
        level = y(number * step)
        drawing.line(_LEFT, level, end, level, stroke=PALE)
        drawing.text(_LEFT - 8, level + 4, _percent(number * step), font_size=11, text_anchor="end")
    n_labels = min(last - first + 1, 8)
    for number in range(n_labels):
        day = first + round(number * (last - first) / max(n_labels - 1, 1))
        drawing.line(x(day), lower, x(day), lower + 4, stroke=INK)
        drawing.text(x(day), lower + 17, f"{date.fromordinal(day)}", font_size=11, text_anchor="middle")
    drawing.line(_LEFT, lower, end, lower, stroke=INK)
    return x, y


def _step(highest: float) -> float:
    """Return a round number of which three to six make up the highest."""
    step = 1e-6
    factors = (2.0, 2.5, 2.0)
    place = 0
    while highest / step > 6:
        step *= factors[place % 3]
        place += 1
    return step


def _series(drawing: Drawing, points: list[tuple[float, float]], colour: str, *, dash: str = "none") -> None:
    drawing.polyline(points, stroke=colour, stroke_width=2, stroke_dasharray=dash)
    for place in points if len(points) <= 40 else points[-1:]:
        drawing.circle(*place, 2.5, fill=colour)


def _labels(drawing: Drawing, labels: Sequence[tuple[float, str, str]]) -> None:
    """Write labels beside the ends of their lines, none over another."""
    labels = sorted(labels)
    places = [level for level, _, _ in labels]
    for number in range(1, len(places)):
        places[number] = max(places[number], places[number - 1] + 14)
    # The last label stays where it belongs, above the axis, and pushes the others up.
    places[-1] = labels[-1][0]
    for number in reversed(range(len(places) - 1)):
        places[number] = min(places[number], places[number + 1] - 14)
    for place, (_, text, colour) in zip(places, labels, strict=True):
        drawing.text(_WIDTH - _RIGHT + 8, place + 4, text, font_size=11, fill=colour)


def _legend(drawing: Drawing, top: float) -> None:
    x = 470.0
    for kind, text in (
        ("ok", "in control"),
        ("warn", "beyond 2 sd"),
        ("reject", "rejected"),
        ("none", "no Ct"),
        ("base", "baseline"),
    ):
        _mark(drawing, x, top - 4, kind)
        drawing.text(x + 9, top, text, font_size=11)
        x += 95


def _mark(drawing: Drawing, x: float, y: float, kind: str) -> None:
    """Draw a point; shape and colour say the same."""
    if kind == "ok":
        drawing.circle(x, y, 2.6, fill=BLUE)
    elif kind == "base":
        drawing.circle(x, y, 2.4, fill="#FFFFFF", stroke=GREY)
    elif kind == "warn":
        drawing.polygon([(x, y - 4.5), (x + 4.5, y), (x, y + 4.5), (x - 4.5, y)], fill=ORANGE)
    elif kind == "reject":
        drawing.path(f"M{x - 4:.2f} {y - 4:.2f}l8 8m0 -8l-8 8", stroke=VERMILLION, stroke_width=2.4, fill="none")
    else:
        drawing.polygon([(x - 4.5, y + 4), (x + 4.5, y + 4), (x, y - 4.5)], fill=INK)


def _chart(drawing: Drawing, left: float, top: float, chart: _Row, rate: _Row | None, points: list[_Row]) -> None:
    """Draw one Levey-Jennings chart: Ct against the readings in order, lines at the mean and 1 to 3 deviations."""
    mean, sd = chart["mean_cycles"], chart["sd_cycles"]
    verdict = "no reading in the last window" if rate is None else rate["verdict"]
    inner, upper, lower, end = left + 38, top + 36, top + _CHART_HEIGHT - 16, left + _CHART_WIDTH - 22
    name = chart["group"]
    drawing.text(left, top + 12, shortened(name, _CHART_WIDTH - 110, 12), hint=name, font_size=12, font_weight="bold")
    said = verdict if rate is None else f"{verdict}, {rate['k']}/{rate['n']}"
    drawing.text(end, top + 12, said, font_size=11, text_anchor="end", fill=_VERDICT_COLOUR.get(verdict, VERMILLION))
    control = f"{_GROUP[chart['by']]}; {chart['control'].replace('_', ' ')}, {chart['target']}; Ct, cycles"
    drawing.text(left, top + 27, shortened(control, _CHART_WIDTH, 10), font_size=10, fill=GREY)
    reach: float = max([3.4] + [min(abs(row["z"]), _FARTHEST) + 0.4 for row in points if row["z"] is not None])

    def y(z: float) -> float:
        # A later Ct is higher up, as on the instrument's axis.
        return upper + (reach - max(-reach, min(z, reach))) / (2 * reach) * (lower - upper)

    for z, dash, colour in ((3, "none", VERMILLION), (2, "5 3", ORANGE), (1, "1 3", GREY)):
        for side in (-z, z):
            drawing.line(inner, y(side), end, y(side), stroke=colour, stroke_dasharray=dash)
    drawing.line(inner, y(0), end, y(0), stroke=INK)
    for z in (-3, -2, 0, 2, 3):
        drawing.text(inner - 5, y(z) + 3.5, f"{mean + z * sd:.1f}", font_size=9, text_anchor="end")
        drawing.text(end + 3, y(z) + 3.5, f"{z:+d} sd" if z else "mean", font_size=8, fill=GREY)
    step = (end - inner - 12) / max(len(points) - 1, 1)
    places = [
        (inner + 6 + step * number, y(row["z"]) if row["z"] is not None else upper - 2)
        for number, row in enumerate(points)
    ]
    drawing.polyline([place for place, row in zip(places, points, strict=True) if row["z"] is not None], stroke=SKY)
    for (x, level), row in zip(places, points, strict=True):
        _mark(drawing, x, level, _kind(row))
    if points:
        when = f"{len(points)} readings, {points[0]['at']:%Y-%m-%d} to {points[-1]['at']:%Y-%m-%d}"
        drawing.text(inner, lower + 14, when, font_size=9, fill=GREY)


def _kind(row: _Row) -> str:
    if row["ct_cycles"] is None:
        return "none"
    if row["baseline"]:
        return "base"
    if row["rejected"]:
        return "reject"
    return "warn" if "1-2s" in row["rules"] else "ok"


def _day(row: _Row) -> int:
    day: date = row["last_day"]
    return day.toordinal()


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
