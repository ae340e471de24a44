"""Pictures: a small writer of SVG, the same bytes for the same content, no scripts; and axes for the plots."""

import unicodedata
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that stay apart for the colour-blind. Okabe, Ito 2008, Color Universal Design.
BLUE, ORANGE, VERMILLION, GREEN, GREY = "#0072B2", "#E69F00", "#D55E00", "#009E73", "#6B6B6B"
SKY, PALE, INK = "#56B4E9", "#E4E4E4", "#1A1A1A"
BROWN = "#8A5A00"  # orange that can be read as text

# Width of a letter in units of the font size: of the digits and capitals of DejaVu Sans, plain and bold, since barcodes
# are made of them; and of East Asian letters.
_LATIN, _BOLD, _WIDE = 0.64, 0.7, 1.0


class Drawing:
    """A picture that grows shape by shape and is read with ``str``.

    Parameters
    ----------
    width, height
        In pixels.
    title
        What it shows, for who hears it read out.

    Examples
    --------
    >>> drawing = Drawing(20, 10, "one point")
    >>> drawing.circle(5, 5, 2, fill=BLUE)
    >>> str(drawing).splitlines()[-2]
    '<circle cx="5" cy="5" r="2" fill="#0072B2"/>'
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self._size = f'width="{_number(width)}" height="{_number(height)}"'
        self._box = f'viewBox="0 0 {_number(width)} {_number(height)}"'
        self._title = title
        self._shapes: list[str] = []
        self.rect(0, 0, width, height, fill="#FFFFFF")

    def rect(self, x: float, y: float, width: float, height: float, **style: object) -> None:
        """Draw a rectangle."""
        self._add("rect", x=x, y=y, width=width, height=height, **style)

    def circle(self, x: float, y: float, radius: float, **style: object) -> None:
        """Draw a circle."""
        self._add("circle", cx=x, cy=y, r=radius, **style)

    def line(self, x1: float, y1: float, x2: float, y2: float, **style: object) -> None:
        """Draw a straight line."""
        self._add("line", x1=x1, y1=y1, x2=x2, y2=y2, **style)

    def path(self, commands: str, **style: object) -> None:
        """Draw a path; `commands` as SVG says them."""
        self._add("path", d=commands, **style)

    def polyline(self, points: list[tuple[float, float]], **style: object) -> None:
        """Draw a line through points."""
        where = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
        self._add("polyline", points=where, **({"fill": "none"} | style))

    def polygon(self, points: list[tuple[float, float]], **style: object) -> None:
        """Draw a closed shape."""
        self._add("polygon", points=" ".join(f"{_number(x)},{_number(y)}" for x, y in points), **style)

    def text(self, x: float, y: float, text: str, *, hint: str | None = None, **style: object) -> None:
        """Write a line of text; `hint` is shown where the pointer rests on it."""
        inner = escape(_printable(text))
        if hint is not None:
            inner += f"<title>{escape(_printable(hint))}</title>"
        placed = {"x": x, "y": y, "font_size": 12, "fill": INK} | style
        self._shapes.append(f"<text{_attributes(placed)}>{inner}</text>")

    def _add(self, shape: str, **style: object) -> None:
        self._shapes.append(f"<{shape}{_attributes(style)}/>")

    def __str__(self) -> str:
        """Give the picture as SVG."""
        return "\n".join(
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" {self._size} {self._box} role="img" '
                'font-family="DejaVu Sans, Noto Sans, Noto Sans CJK SC, sans-serif">',
                f"<title>{escape(_printable(self._title))}</title>",
                *self._shapes,
                "</svg>",
                "",
            )
        )


def width_of(text: str, font_size: float, *, bold: bool = False) -> float:
    """Return about how wide a text is, in pixels.

    Examples
    --------
    >>> width_of("样本", 10)
    20.0
    """
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return (wide * _WIDE + (len(text) - wide) * (_BOLD if bold else _LATIN)) * font_size


def shortened(text: str, width: float, font_size: float, *, bold: bool = False) -> str:
    """Return a text that fits, its middle left out where it is too long: barcodes differ at both ends.

    Examples
    --------
    >>> shortened("S00092220401000000001", 70, 10)
    'S000…00001'
    """
    text = _printable(text)
    if width_of(text, font_size, bold=bold) <= width:
        return text
    fitting = (n for n in range(len(text) - 1, 2, -1) if width_of(_ends(text, n), font_size, bold=bold) <= width)
    return _ends(text, next(fitting, 2))


def _ends(text: str, n_kept: int) -> str:
    head = (n_kept - 1) // 2
    return f"{text[:head]}…{text[len(text) - (n_kept - head) :]}"


def _printable(text: str) -> str:
    """Replace what XML cannot hold: control characters, half surrogate pairs and non-characters."""
    return "".join(
        letter
        if letter.isprintable() and not 0xFDD0 <= ord(letter) <= 0xFDEF
        else " "
        if letter.isspace()
        else "\ufffd"
        for letter in text
    )


def _number(value: float) -> str:
    """Write a number with at most two decimals, and none where there is none."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _attributes(style: dict[str, object]) -> str:
    return "".join(
        f" {name.replace('_', '-')}={quoteattr(_number(value) if isinstance(value, int | float) else str(value))}"
        for name, value in style.items()
    )


def axes_for(ax: "Axes | None" = None, *, width: float = 7.0, height: float = 4.2) -> "Axes":
    """Return the axes to draw on: those given, or of a new pyplot figure, which a notebook shows by itself.

    Parameters
    ----------
    ax
        Axes to draw on.
    width, height
        Of a new figure, in inches.

    Returns
    -------
    matplotlib.axes.Axes
        Without the upper and right border.

    Raises
    ------
    ModuleNotFoundError
        When matplotlib is not installed; the message says how.
    """
    if ax is None:
        try:
            from matplotlib import pyplot  # noqa: PLC0415
        except ModuleNotFoundError as missing:
            raise ModuleNotFoundError("plots need matplotlib: pip install 'poolkit[plot]'") from missing
        ax = pyplot.subplots(figsize=(width, height), layout="constrained")[1]
    ax.spines[["top", "right"]].set_visible(False)
    return ax
