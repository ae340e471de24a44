"""How every verb answers: tables for people or one JSON document, an exit code, and errors without tracebacks."""

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from poolkit.errors import FormatError, PoolkitError, Problem

if TYPE_CHECKING:
    from rich.console import RenderableType

FINDINGS = 1
UNUSABLE = 2
_PICTURES = (".png", ".svg", ".pdf")
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells say it


class Answer:
    """What a verb found out, kept until its work is done."""

    def __init__(self) -> None:
        self.document: Any = None
        self.shown: tuple[RenderableType, ...] = ()
        self.status = 0

    def __call__(self, document: Any, *shown: "RenderableType", status: int = 0) -> None:
        """Answer with a document for programs, tables for people, and an exit code."""
        self.document, self.shown, self.status = document, shown, status


@contextmanager
def answering(*, as_json: bool) -> Iterator[Answer]:
    """Give a verb the answer to fill, and print it; what poolkit refuses becomes a message and exit code 2.

    Parameters
    ----------
    as_json
        Whether the answer is one JSON document.

    Yields
    ------
    Answer
        To be called once with what was found.

    Raises
    ------
    typer.Exit
        With the exit code, where it is not 0.
    """
    answer = Answer()
    try:
        yield answer
        _print(answer, as_json=as_json)
    except PoolkitError as reason:
        _refuse(reason, as_json=as_json)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # Whoever reads has read enough; nothing may be flushed to it on the way out either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as reason:
        problem = Problem("file", reason.strerror or str(reason))
        _refuse(FormatError(f"{reason.filename or 'a file'}: cannot be used", [problem]), as_json=as_json)
    if answer.status:
        raise typer.Exit(answer.status)


def _print(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(_json(answer.document))
    else:
        from poolkit.cli.screen import show  # noqa: PLC0415 - programs need no tables

        show(*answer.shown)
    sys.stdout.flush()


def _refuse(reason: PoolkitError, *, as_json: bool) -> None:
    """Say what cannot be used, and leave."""
    sys.stderr.write(f"{reason}\n")
    if as_json:
        problems = [{"where": each.where, "what": each.what, "rows": list(each.rows)} for each in reason.problems]
        error = {"kind": type(reason).__name__, "message": str(reason), "title": reason.title, "problems": problems}
        sys.stdout.write(_json({"error": error}))
    raise typer.Exit(UNUSABLE) from None


def _json(document: Any) -> str:
    return json.dumps(document, default=_plain, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    assert isinstance(value, Path), value
    return str(value)


def refuse_full(folder: Path) -> None:
    """Refuse a folder in which something stands already.

    Parameters
    ----------
    folder
        Where the verb would write.

    Raises
    ------
    FormatError
        When it is a file, or a folder that is not empty.
    """
    if folder.is_dir():
        found = sorted(path.name for path in folder.iterdir())
        if found:
            raise FormatError(
                f"{folder}: not empty", [Problem("out", f"expected a new folder, found {found[0]} in it")]
            )
    elif folder.exists():
        raise FormatError(f"{folder}: not a folder", [Problem("out", "expected a new folder, found a file")])


def refuse_suffix(path: Path | None) -> None:
    """Refuse a file name that does not say one of the formats of tables.

    Parameters
    ----------
    path
        The file to be written, if any.

    Raises
    ------
    FormatError
        When its suffix is none of them.
    """
    from poolkit.formats import SUFFIXES  # noqa: PLC0415 - loads pyarrow

    if path is not None and path.suffix not in SUFFIXES:
        what = f"expected one of {', '.join(SUFFIXES)}, found {path.suffix!r}"
        raise FormatError(f"{path}: cannot be written", [Problem("suffix", what)])


def refuse_picture(picture: Path | None) -> None:
    """Refuse a picture that cannot be drawn.

    Parameters
    ----------
    picture
        The file to be drawn, if any.

    Raises
    ------
    FormatError
        When its suffix is none of a picture, or matplotlib is not installed.
    """
    if picture is None:
        return
    from importlib.util import find_spec  # noqa: PLC0415

    problems = []
    if picture.suffix.lower() not in _PICTURES:
        problems.append(Problem("suffix", f"expected one of {', '.join(_PICTURES)}, found {picture.suffix!r}"))
    if find_spec("matplotlib") is None:
        problems.append(Problem("matplotlib", "not installed: pip install 'poolkit[plot]'"))
    if problems:
        raise FormatError(f"{picture}: cannot be drawn", problems)


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a frame as JSON takes them.

    Parameters
    ----------
    frame
        A frame of a few rows.

    Returns
    -------
    list of dict
        A row each, what is missing or infinite as null.
    """
    return [{str(name): number_of(value) for name, value in row.items()} for row in frame.to_dict("records")]


def number_of(value: Any) -> Any:
    """Return a value as JSON takes it.

    Parameters
    ----------
    value
        A number, of numpy too, or text.

    Returns
    -------
    object
        None for what is missing or infinite.
    """
    if hasattr(value, "item"):
        value = value.item()
    missing = value is None or (isinstance(value, float) and not math.isfinite(value)) or str(value) == "<NA>"
    return None if missing else value
