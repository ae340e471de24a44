"""`poolkit trace`: everything up- and downstream of one barcode."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import answering
from poolkit.cli.options import AsJson, InData, InStore, OptionalKey, ReadOnly

if TYPE_CHECKING:
    from poolkit.cli.screen import Sheet


def trace(
    any_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="A sample, subject, pool, tube, plate, run or PLATE/WELL.", show_default=False
        ),
    ],
    store: InStore,
    data: InData = None,
    read_only: ReadOnly = False,
    key: OptionalKey = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Write the trace as a graph to this .svg file.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show everything up- and downstream of a sample, subject, pool, tube, plate, run or well, in order of time."""
    with answering(as_json=as_json) as answer:
        from poolkit import KeyRing, Lab  # noqa: PLC0415
        from poolkit.lab.door import names_of  # noqa: PLC0415

        with Lab.open(store, data=data, create=False, read_only=read_only, keys=key) as lab:
            rows = lab.trace(any_id).to_pylist()
            if picture is not None:
                picture.write_text(lab.trace_picture(any_id), encoding="utf-8")
        # Who asked by an identity number is answered by the pseudonym.
        people = {row["subject_id"] for row in rows}
        asked = [] if key is None else [name for name in names_of(KeyRing.load(key), any_id)[1:] if name in people]
        written = [] if picture is None else [f"written to {picture}"]
        answer(rows, steps(", ".join(asked) or any_id, rows), *written)


def steps(any_id: str, rows: list[dict[str, Any]]) -> "Sheet":
    """Return a trace as a table that is still legible on 80 columns.

    Parameters
    ----------
    any_id
        What was asked for.
    rows
        The rows of `Lab.trace`.

    Returns
    -------
    Sheet
        A line for each date, and under it the steps of that day.
    """
    from rich.text import Text  # noqa: PLC0415

    from poolkit.cli.screen import several, sheet  # noqa: PLC0415

    made = sheet(f"{any_id}, {several(len(rows), 'step')}, times in UTC", "time", "step", "of", "what", wide="what")
    date = None
    for row in rows:
        moment = row["at"]
        if moment is not None and moment.date() != date:
            date = moment.date()
            made.add_row(Text(f"{date}", "bold"))
        of = Text(row["sample_id"] or row["specimen_id"] or "")
        if row["plate_id"] and row["step"] != "plated":
            of.append(f"\n{row['plate_id']}/{row['well']}", "dim")
        made.add_row("" if moment is None else f"{moment:%H:%M:%S}", row["step"], of, row["detail"])
    return made
