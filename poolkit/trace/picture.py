"""A trace as a picture: from left to right what became of each sample, a band below for swabs taken again."""

from collections import defaultdict

import pyarrow as pa

from poolkit.drawing import BLUE, BROWN, GREEN, GREY, INK, PALE, VERMILLION, Drawing, shortened, width_of
from poolkit.trace.graph import COLUMNS, Graph, Key, Node, graph_of

_SHOWN = 12
_WIDTH, _GAP, _LINE = 176, 34, 13
_LEFT, _TOP = 26, 66
_BETWEEN_NODES, _BETWEEN_BANDS = 8, 40
_SMALL, _LARGE = 9.5, 10.5
_SHORT = {"extraction lot ": "extr. lot ", "amplification lot ": "ampl. lot "}
_TONES = {"positive": VERMILLION, "suspect": BROWN, "invalid": BROWN, "pending": GREY, "negative": GREEN}
_LIGHT = "#F6F6F6"
# What can be asked for and is one node.
_ASKED = ("sample", "specimen", "run")

Place = tuple[float, float, float]


def picture(trace: pa.Table, any_id: str) -> str:
    """Return a trace as an SVG picture.

    Parameters
    ----------
    trace : pyarrow.Table
        Rows of ``trace``, as `lineage` gives them.
    any_id
        What was asked for.

    Returns
    -------
    str
        SVG without scripts, the same bytes for the same trace. Where more than twelve stand side by side, the last
        ones are one node that says how many; those with a call that is not negative are shown first. What the current
        results rest on is drawn bold.
    """
    graph = graph_of(trace, any_id)
    shown, folded = _folded(graph)
    places, height = _places(shown)
    notes = graph.notes[:_SHOWN]
    width = 2 * _LEFT + len(COLUMNS) * _WIDTH + (len(COLUMNS) - 1) * _GAP
    drawing = Drawing(width, height + 24 + 15 * (len(notes) + 1), f"Trace of {any_id}")
    drawing.text(_LEFT, 24, shortened(f"Trace of {any_id}", width - 330, 16), font_size=16, font_weight="bold")
    drawing.text(width - _LEFT, 24, "bold: what the results rest on; times in UTC", text_anchor="end", fill=GREY)
    for number, name in enumerate(COLUMNS):
        drawing.text(_x(number), 50, "tube or mixture" if name == "specimen" else name, fill=GREY)
    _edges(drawing, graph, folded, places)
    for key, node in shown.items():
        _node(drawing, places[key], node, is_asked=key[0] in _ASKED and key[1] == any_id)
    for number, note in enumerate(notes):
        drawing.text(_LEFT, height + 15 * (number + 1), shortened(note, width - 2 * _LEFT, 11), hint=note, font_size=11)
    if len(graph.notes) > len(notes):
        more = f"… and {len(graph.notes) - len(notes):,} more"
        drawing.text(_LEFT, height + 15 * (len(notes) + 1), more, font_size=11)
    return str(drawing)


def _folded(graph: Graph) -> tuple[dict[Key, Node], dict[Key, Key]]:
    """Return the nodes to be drawn, and for each that is not the one that stands for it."""
    marked = {key for edge, is_marked in graph.edges.items() if is_marked for key in edge}
    everyone = len(marked) > _SHOWN * len(COLUMNS)
    stacks: dict[tuple[int, str], list[Key]] = defaultdict(list)
    for key, node in graph.nodes.items():
        stacks[node.band, node.kind].append(key)
    shown: dict[Key, Node] = {}
    folded: dict[Key, Key] = {}
    for (band, kind), keys in sorted(stacks.items()):
        order = {key: number for number, key in enumerate(keys)}
        keys.sort(key=lambda key: (graph.nodes[key].place, order[key]))
        if len(keys) > _SHOWN:
            # Where all results were asked for, everything is marked and says nothing.
            wanted = sorted(keys, key=lambda key: (everyone or key not in marked, not graph.nodes[key].notable))
            kept = set(wanted[: _SHOWN - 1])
            fold: Key = ("fold", str(band), kind)
            folded |= {key: fold for key in keys if key not in kept}
            keys = [key for key in keys if key in kept]  # noqa: PLW2901 - what is left of the stack
            n_folded = len(order) - len(keys)
            shown |= {key: graph.nodes[key] for key in keys}
            shown[fold] = Node(kind, band, f"… and {n_folded:,} more", [], None, "", place=len(order))
        else:
            shown |= {key: graph.nodes[key] for key in keys}
    return shown, folded


def _places(shown: dict[Key, Node]) -> tuple[dict[Key, Place], float]:
    """Return left, top and height of each node, and the height of all."""
    places: dict[Key, Place] = {}
    top = float(_TOP)
    for band in sorted({node.band for node in shown.values()}):
        stacks: dict[str, list[Key]] = defaultdict(list)
        for key, node in shown.items():
            if node.band == band:
                stacks[node.kind].append(key)
        heights = {kind: sum(_height(shown[key]) + _BETWEEN_NODES for key in keys) for kind, keys in stacks.items()}
        tallest = max(heights.values())
        for kind, keys in stacks.items():
            y = top + (tallest - heights[kind]) / 2
            for key in keys:
                places[key] = (_x(COLUMNS.index(kind)), y, _height(shown[key]))
                y += _height(shown[key]) + _BETWEEN_NODES
        top += tallest + _BETWEEN_BANDS
    return places, top - _BETWEEN_BANDS + 24


def _x(column: int) -> float:
    return _LEFT + column * (_WIDTH + _GAP)


def _height(node: Node) -> float:
    return 22.0 if not node.word else 22.0 + _LINE * (len(_lines(node)) + 1)


def _edges(drawing: Drawing, graph: Graph, folded: dict[Key, Key], places: dict[Key, Place]) -> None:
    """Draw each edge once, the marked ones on top."""
    drawn: dict[tuple[Key, Key], bool] = {}
    for (source, target), is_marked in graph.edges.items():
        edge = folded.get(source, source), folded.get(target, target)
        drawn[edge] = drawn.get(edge, False) or is_marked
    tops = {key: _band_top(key, graph, places) for key in {target for _, target in drawn}}
    for (source, target), is_marked in sorted(drawn.items(), key=lambda entry: entry[1]):
        colour = INK if is_marked else "#B5B5B5"
        where = _curve(places[source], places[target], tops[target])
        drawing.path(where, fill="none", stroke=colour, stroke_width=2.2 if is_marked else 1)
        drawing.polygon(_tip(places[target]), fill=colour)


def _band_top(key: Key, graph: Graph, places: dict[Key, Place]) -> float:
    """Return the upper end of the band in which a node stands."""
    band = int(key[1]) if key[0] == "fold" else graph.nodes[key].band
    return min(
        place[1]
        for other, place in places.items()
        if band == (int(other[1]) if other[0] == "fold" else graph.nodes[other].band)
    )


def _curve(source: Place, target: Place, top: float) -> str:
    """Return a line from the right of one node to the left of another, or round by the margins into a later band."""
    x1, y1 = source[0] + _WIDTH, source[1] + source[2] / 2
    x2, y2 = target[0] - 5, target[1] + target[2] / 2
    if x2 > x1:
        half = (x1 + x2) / 2
        return f"M{x1:.1f} {y1:.1f}C{half:.1f} {y1:.1f} {half:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    back = target[0] - 14
    if source[0] == target[0]:
        return f"M{source[0]:.1f} {y1:.1f}H{back:.1f}V{y2:.1f}H{x2:.1f}"
    # Orders share one line, which runs above the band that they lead to.
    return f"M{x1:.1f} {y1:.1f}H{x1 + 12:.1f}V{top - 18:.1f}H{back:.1f}V{y2:.1f}H{x2:.1f}"


def _tip(target: Place) -> list[tuple[float, float]]:
    x, y = target[0], target[1] + target[2] / 2
    return [(x, y), (x - 6, y - 3.5), (x - 6, y + 3.5)]


def _node(drawing: Drawing, place: Place, node: Node, *, is_asked: bool) -> None:
    x, y, height = place
    if not node.word:
        drawing.rect(x, y, _WIDTH, height, fill="#FFFFFF", stroke=GREY, stroke_dasharray="3 3", rx=4)
        drawing.text(x + 8, y + 15, node.title, font_size=_LARGE, fill=GREY)
        return
    word = node.title.partition(" ")[0]
    tone = _TONES.get(word, BLUE) if node.kind in ("call", "result") else BLUE
    drawing.rect(
        x, y, _WIDTH, height, fill=_LIGHT, stroke=INK if is_asked else PALE, stroke_width=2 if is_asked else 1, rx=4
    )
    drawing.rect(x, y, 4, height, fill=tone)
    when = "" if node.at is None else f"{node.at:%Y-%m-%d %H:%M}"
    drawing.text(x + 10, y + 13, node.word, font_size=_SMALL, fill=GREY)
    drawing.text(x + _WIDTH - 6, y + 13, when, font_size=_SMALL, fill=GREY, text_anchor="end")
    title = shortened(node.title, _WIDTH - 16, _LARGE, bold=True)
    colour = tone if node.kind in ("call", "result") else INK
    drawing.text(x + 10, y + 27, title, hint=node.title, font_size=_LARGE, font_weight="bold", fill=colour)
    for number, line in enumerate(_lines(node)):
        fitting = shortened(line, _WIDTH - 16, _SMALL)
        drawing.text(x + 10, y + 40 + _LINE * number, fitting, hint=line, font_size=_SMALL)


def _lines(node: Node) -> list[str]:
    """Return the lines of a node, lists broken where they are too long."""
    lines = []
    for line in filter(None, node.lines):
        for long, short in _SHORT.items():
            line = f"{short}{line.removeprefix(long)}" if line.startswith(long) else line  # noqa: PLW2901
        first, *others = line.split(", ") if node.kind == "call" else [line]
        lines.append(first)
        for each in others:
            if width_of(f"{lines[-1]}, {each}", _SMALL) > _WIDTH - 16:
                lines.append(each)
            else:
                lines[-1] += f", {each}"
    return lines
