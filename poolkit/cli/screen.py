"""Tables on standard output, and on a terminal a progress bar on standard error."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

# The stages that `Lab.run` names.
STAGES_OF_A_RUN = 9
# Where nobody sees the end of the line.
_WIDTH_OF_A_FILE = 100


class Sheet(Table):
    """A table under a heading that may be wider than the table.

    Parameters
    ----------
    heading
        Stands above the table.
    """

    def __init__(self, heading: str) -> None:
        super().__init__(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        self.heading = heading

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give the heading, and the table below it."""
        yield Text(self.heading, "bold")
        yield from super().__rich_console__(console, options)


class _Page(Console):
    """Standard output; a reader who leaves is the verb's to answer, not a reason to exit with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def show(*shown: RenderableType) -> None:
    """Print tables and lines, in colour only on a terminal.

    Parameters
    ----------
    *shown
        What rich can print; text is taken as it is, without markup.
    """
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH_OF_A_FILE
    console = _Page(markup=False, highlight=False, emoji=False, width=width)
    for each in shown:
        console.print(each, soft_wrap=isinstance(each, str))


def sheet(title: str, *columns: str, numbers: Iterable[str] = (), wide: str | None = None) -> Sheet:
    """Return an empty table in the one style of poolkit.

    Parameters
    ----------
    title
        Stands above it.
    *columns
        Its headings.
    numbers
        Columns that are set to the right.
    wide
        The column that takes what room is left; all others keep their lines whole.

    Returns
    -------
    Sheet
        Without rows.
    """
    made = Sheet(title)
    for name in columns:
        made.add_column(
            name,
            justify="right" if name in numbers else "left",
            no_wrap=name != wide,
            overflow="fold",
            ratio=1 if name == wide else None,
        )
    return made


def counted(counts: Mapping[str, int]) -> str:
    """Say counts in one line, e.g. ``negative 97,864, pending 1,144``.

    Parameters
    ----------
    counts
        Numbers by name.

    Returns
    -------
    str
        Without the names that count nothing; ``none`` when nothing is left.
    """
    return ", ".join(f"{name} {number:,}" for name, number in counts.items() if number) or "none"


def several(number: int, word: str) -> str:
    """Say a number and its word, e.g. ``1 plate``, ``2 plates``.

    Parameters
    ----------
    number
        How many.
    word
        Of one.

    Returns
    -------
    str
        Both, the word with an s unless there is one.
    """
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def rounds(title: str, summaries: Mapping[str, Mapping[str, Any]]) -> Sheet:
    """Return the counts of one or more runs side by side.

    Parameters
    ----------
    title
        Stands above the table.
    summaries
        The summary of each commit by its heading.

    Returns
    -------
    Sheet
        One column a run.
    """
    made = sheet(title, "", " ", *summaries, numbers=summaries)
    for label, name in (("samples handed in", "samples"), ("pools looked at", "pools"), ("wells mapped", "wells")):
        made.add_row(label, "", *(f"{each[name]:,}" for each in summaries.values()))
    for label, name in (
        ("calls", "calls"),
        ("results", "results"),
        ("orders issued", "orders"),
        ("findings", "findings"),
    ):
        kinds = sorted({kind for each in summaries.values() for kind in each[name]})
        for kind in kinds:
            counts = (each[name].get(kind, 0) for each in summaries.values())
            made.add_row(label, kind, *(f"{count:,}" if count else Text("-", "dim") for count in counts))
            label = ""  # noqa: PLW2901 - said once
        if not kinds:
            made.add_row(label, "none", *("" for _ in summaries))
    made.add_row("seconds", "", *(f"{seconds(each):.2f}" for each in summaries.values()))
    made.add_row("samples per second", "", *(f"{per_second(each):,}" for each in summaries.values()))
    return made


def seconds(summary: Mapping[str, Any]) -> float:
    """Return how long a run took, all its stages together.

    Parameters
    ----------
    summary
        Of its commit.

    Returns
    -------
    float
        Seconds.
    """
    return float(round(sum(summary["seconds"].values()), 4))


def per_second(summary: Mapping[str, Any]) -> int:
    """Return how many samples a run worked out in a second.

    Parameters
    ----------
    summary
        Of its commit.

    Returns
    -------
    int
        Results, also those of earlier samples that the run looked at again, by seconds.
    """
    took = seconds(summary)
    return round(sum(summary["results"].values()) / took) if took else 0


@contextmanager
def progress(n_stages: int) -> Iterator[Callable[[str], None]]:
    """Show on a terminal how far the work is; say nothing to a pipe.

    Parameters
    ----------
    n_stages
        How many stages there will be.

    Yields
    ------
    callable
        To be called with the name of each stage as it begins.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    columns = (SpinnerColumn(), TextColumn("{task.description:<24}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("start", total=n_stages)
        begun = False

        def began(stage: str) -> None:
            nonlocal begun
            bar.update(task, description=stage, advance=1 if begun else 0)
            begun = True

        yield began


@contextmanager
def share(doing: str) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how much of the work is done; say nothing to a pipe.

    Parameters
    ----------
    doing
        The work.

    Yields
    ------
    callable
        To be called with how much is done and how much there is.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, every: bar.update(task, completed=done, total=every)
