"""A design as a picture: which sample is in which pool, as a matrix and on the plate."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from poolkit.drawing import BLUE, GREEN, GREY, ORANGE, PALE, SKY, VERMILLION, Drawing, shortened, width_of
from poolkit.errors import DesignError, Problem
from poolkit.pooling.designs.layout import Layout
from poolkit.pooling.designs.model import Design

_WIDTH, _MARGIN = 1000.0, 20.0
_SAMPLES_SHOWN, _POOLS_SHOWN, _PLATES_SHOWN = 1536, 200, 96
_STAGE_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, SKY, GREY)
_SMALL, _LARGE = (8, 12), (16, 24)


def picture(design: Design, n: int | None = None) -> str:
    """Return a design as an SVG picture.

    Parameters
    ----------
    design
        The design.
    n
        Samples, by default a full block; of several blocks the first is drawn.

    Returns
    -------
    str
        SVG without scripts, the same bytes for the same design: the facts, the matrix of pools and samples, and for
        every pool the plate with its wells. Samples stand on the plate column by column, as `layout_plates` fills it.
        Of very large blocks the first pools and samples are drawn, and the picture says so.

    Raises
    ------
    DesignError
        When there is no sample to draw.

    Examples
    --------
    >>> import poolkit
    >>> picture(poolkit.design("array-8x12")).startswith("<svg ")
    True
    """
    asked = design.block if n is None else n
    if asked < 1:
        raise DesignError("no picture", [Problem("n", f"must be at least 1, found {asked}")])
    layout = design.layout(min(asked, design.block))
    facts = design.describe(asked).facts()
    matrix = _Matrix(layout)
    plates = _Plates(layout)
    top = 54 + 18 * -(-len(facts) // 2) + 30
    height = top + matrix.height + 40 + plates.height + _MARGIN
    drawing = Drawing(_WIDTH, height, f"{design.name}: which sample is in which pool")
    title = f"{shortened(design.name, 480, 18, bold=True)}, {_counted(asked, 'samples')}"
    drawing.text(_MARGIN, 30, title, hint=design.name, font_size=18, font_weight="bold")
    for place, (what, how_much) in enumerate(facts):
        x = _MARGIN + (place % 2) * (_WIDTH / 2 - _MARGIN)
        y = 56 + place // 2 * 18
        drawing.text(x, y, what, fill=GREY)
        drawing.text(x + 160, y, shortened(how_much, _WIDTH / 2 - 2 * _MARGIN - 160, 12), hint=how_much)
    _legend(drawing, 30, layout)
    of_blocks = "" if asked <= design.block else f" of the first of {-(-asked // design.block):,} blocks"
    matrix.draw(drawing, top, of_blocks)
    plates.draw(drawing, top + matrix.height + 40)
    return str(drawing)


def _colour(stage: int) -> str:
    return _STAGE_COLOURS[(stage - 1) % len(_STAGE_COLOURS)]


def _legend(drawing: Drawing, y: float, layout: Layout) -> None:
    stages = np.unique(layout.stage).tolist()
    texts = [f"stage {stage}" for stage in stages[: len(_STAGE_COLOURS)]] if len(stages) > 1 else []
    x = _WIDTH - _MARGIN - sum(width_of(text, 12) + 26 for text in texts)
    for stage, text in zip(stages, texts, strict=False):
        drawing.rect(x, y - 10, 11, 11, fill=_colour(stage))
        drawing.text(x + 16, y, text)
        x += width_of(text, 12) + 26


def _pools(layout: Layout, n_shown: int) -> list[NDArray[np.int32]]:
    offsets = layout.offsets[: n_shown + 1].tolist()
    return [np.sort(layout.members[first:stop]) for first, stop in pairwise(offsets)]


def _heading(drawing: Drawing, y: float, title: str, note: str) -> None:
    drawing.text(_MARGIN, y, title, font_size=14, font_weight="bold")
    drawing.text(_MARGIN + width_of(title, 14, bold=True) + 14, y, note, fill=GREY)


def _first(n_shown: int, n: int, what: str) -> str:
    return _counted(n, what) if n_shown == n else f"the first {n_shown:,} of {n:,} {what}"


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what.removesuffix('s') if n == 1 else what}"


class _Matrix:
    """Pools from top to bottom, samples from left to right, a mark where a pool holds a sample."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.n_samples = min(layout.n_samples, _SAMPLES_SHOWN)
        self.n_pools = min(layout.stage.size, _POOLS_SHOWN)
        self.left = _MARGIN + 44
        self.cell_width = min(24.0, (_WIDTH - _MARGIN - self.left) / self.n_samples)
        self.cell_height = min(16.0, max(420.0 / max(self.n_pools, 1), 4.0))
        self.height = 18 + self.cell_height * self.n_pools + 24

    def draw(self, drawing: Drawing, top: float, of_blocks: str) -> None:
        """Draw the matrix, its heading and its axes."""
        samples = _first(self.n_samples, self.layout.n_samples, "samples")
        pools = _first(self.n_pools, self.layout.stage.size, "pools")
        _heading(drawing, top, "Matrix", f"{pools} (rows) and {samples} (columns){of_blocks}")
        upper = top + 14
        lower, right = upper + self.cell_height * self.n_pools, self.left + self.cell_width * self.n_samples
        drawing.rect(self.left, upper, right - self.left, lower - upper, fill="#F6F6F6")
        step = _step(self.n_samples, int((right - self.left) / 40))
        for sample in _ticks(self.n_samples, step):
            x = self.left + (sample - 0.5) * self.cell_width
            drawing.line(x, upper, x, lower + 3, stroke=PALE)
            drawing.text(x, lower + 15, f"{sample:,}", font_size=10, text_anchor="middle")
        gap = 1.0 if self.cell_height >= 6 else 0.4
        for pool, members in enumerate(_pools(self.layout, self.n_pools)):
            y = upper + pool * self.cell_height
            shown = members[members < self.n_samples]
            colour = _colour(int(self.layout.stage[pool]))
            for first, stop in _runs(shown):
                wide = (stop - first) * self.cell_width
                x = self.left + first * self.cell_width
                drawing.rect(x, y + gap / 2, wide, self.cell_height - gap, fill=colour)
        for pool in _ticks(self.n_pools, _step(self.n_pools, int((lower - upper) / 12))):
            y = upper + (pool - 0.5) * self.cell_height + 3.5
            drawing.text(self.left - 6, y, f"P{pool}", font_size=10, text_anchor="end")
        if self.cell_width >= 5:
            # Single samples stay apart in a run.
            for sample in range(1, self.n_samples):
                x = self.left + sample * self.cell_width
                drawing.line(x, upper, x, lower, stroke="#FFFFFF", stroke_width=0.7)


class _Plates:
    """One small plate a pool, or several side by side, its wells filled where the pool holds their sample."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        n_samples = min(layout.n_samples, _SAMPLES_SHOWN)
        self.rows, self.columns = _SMALL if n_samples <= _SMALL[0] * _SMALL[1] else _LARGE
        self.wells = self.rows * self.columns
        self.n_plates = -(-n_samples // self.wells)
        self.pitch = 9.0 if self.rows == _SMALL[0] else 5.0 if self.n_plates == 1 else 3.0
        self.plate_width = self.columns * self.pitch + 8
        self.wide = self.n_plates * self.plate_width + 12
        self.high = self.rows * self.pitch + 30
        self.across = max(1, int((_WIDTH - 2 * _MARGIN + 12) / self.wide))
        self.n_pools = min(layout.stage.size, _PLATES_SHOWN)
        self.height = 16 + self.high * -(-self.n_pools // self.across)

    def draw(self, drawing: Drawing, top: float) -> None:
        """Draw the plates and their heading."""
        plates = f"plate of {self.wells}" if self.n_plates == 1 else f"{self.n_plates} plates of {self.wells}"
        note = (
            f"{_first(self.n_pools, self.layout.stage.size, 'pools')}; samples stand on the {plates} column by column"
        )
        _heading(drawing, top, "Plate", note)
        for pool, members in enumerate(_pools(self.layout, self.n_pools)):
            left = _MARGIN + pool % self.across * self.wide
            upper = top + 16 + pool // self.across * self.high
            self._plate(drawing, left, upper, pool, members)

    def _plate(self, drawing: Drawing, left: float, upper: float, pool: int, members: NDArray[np.int32]) -> None:
        colour = _colour(int(self.layout.stage[pool]))
        title = f"P{pool + 1}"
        drawing.text(left, upper + 9, title, font_size=11, font_weight="bold")
        said = _counted(members.size, "samples")
        drawing.text(left + width_of(title, 11, bold=True) + 6, upper + 9, said, font_size=10, fill=GREY)
        upper += 14
        for plate in range(self.n_plates):
            x = left + plate * self.plate_width
            drawing.rect(
                x, upper, self.columns * self.pitch + 4, self.rows * self.pitch + 4, fill="none", stroke=GREY, rx=2
            )
            wells = self.layout.n_samples - plate * self.wells
            self._dots(drawing, np.arange(min(wells, self.wells)), x, upper, 0.45, "#CFCFCF")
            inside = members[(members >= plate * self.wells) & (members < (plate + 1) * self.wells)]
            self._dots(drawing, inside - plate * self.wells, x, upper, 0.8, colour)

    def _dots(self, drawing: Drawing, wells: NDArray[np.integer], x: float, y: float, size: float, colour: str) -> None:
        """Draw a dot at each well, numbered column by column, as one path of short strokes with round ends."""
        across = x + 2 + (wells // self.rows + 0.5) * self.pitch
        down = y + 2 + (wells % self.rows + 0.5) * self.pitch
        dots = "".join(f"M{a:g} {d:g}h.01" for a, d in zip(across.tolist(), down.tolist(), strict=True))
        drawing.path(dots, stroke=colour, stroke_width=size * self.pitch, stroke_linecap="round")


def _runs(members: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Return the runs of neighbours among sorted numbers, each as its first and the one behind its last."""
    if members.size == 0:
        return []
    cuts = np.flatnonzero(np.diff(members) > 1) + 1
    firsts = members[np.append(0, cuts)]
    lasts = members[np.append(cuts - 1, members.size - 1)]
    return [(int(first), int(last) + 1) for first, last in zip(firsts, lasts, strict=True)]


def _step(n: int, most: int) -> int:
    """Return the distance of labels, a round number that gives at most so many."""
    step = 1
    factors = (2.0, 2.5, 2.0)
    place = 0
    while n / step > max(most, 1):
        step = int(step * factors[place % 3])
        place += 1
    return step


def _ticks(n: int, step: int) -> list[int]:
    """Return the numbers from 1 that get a label: the first, and the round ones that leave it room."""
    return [
        number
        for number in range(1, n + 1)
        if number == 1 or (number % step == 0 and 5 * (number - 1) >= 4 * (step - (step == 1)))
    ]
