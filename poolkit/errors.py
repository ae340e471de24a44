"""The errors of poolkit: what, where, which rows, what was expected, all at once.

The class says whose fault it is; a defect of poolkit itself stays an ``AssertionError``.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SHOWN = 10
_LONG_NUMBER = re.compile(r"\w*\d{15}\w*")


def some(values: Iterable[object], shown: int = _SHOWN) -> str:
    """Name the first few of many values, and say how many more there are.

    Examples
    --------
    >>> some(range(12))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more'
    """
    listed = list(values)
    text = ", ".join(str(value) for value in listed[:shown])
    more = len(listed) - shown
    return f"{text} and {more} more" if more > 0 else text


def discreet(found: object) -> str:
    """Return what was found as text, long numbers left out: each may be an identity number in a column not its own.

    Examples
    --------
    >>> discreet("kind 999999180001010016"), discreet(0.5)
    ('kind a long number', '0.5')
    """
    return _LONG_NUMBER.sub("a long number", str(found))


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule: where it is broken, how, and in which rows (counted from 0)."""

    where: str
    what: str
    rows: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Give the problem as one line."""
        return f"{self.where}: {self.what}" + (f" (rows {some(self.rows)})" if self.rows else "")


class PoolkitError(Exception):
    """What went wrong with something that poolkit was given; see ``problems`` for each broken rule.

    Parameters
    ----------
    title
        One line that names the thing at fault.
    problems
        Every broken rule that was found.

    Examples
    --------
    >>> print(PoolkitError("not a plan", [Problem("depth", "must be positive", (3,))]))
    not a plan, 1 problem(s):
      - depth: must be positive (rows 3)
    """

    def __init__(self, title: str, problems: Sequence[Problem] = ()) -> None:
        self.title = title
        self.problems = tuple(problems)
        super().__init__(title, self.problems)

    def __str__(self) -> str:
        """Give the title and every problem, one a line."""
        if not self.problems:
            return self.title
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        return f"{self.title}, {len(self.problems)} problem(s):{lines}"


class SchemaError(PoolkitError):
    """Your table is not what its schema says."""


class FormatError(PoolkitError):
    """Your file is not what its format says."""


class DesignError(PoolkitError):
    """The plan is impossible."""


class ProtocolError(PoolkitError):
    """The protocol's values contradict each other."""


class ControlError(PoolkitError):
    """The run failed its controls."""


class TraceError(PoolkitError):
    """The store is broken, in use, or contradicts the claim."""
