"""`poolkit findings`: what does not add up."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import FINDINGS, answering, refuse_suffix
from poolkit.cli.options import AsJson, InData, InStore, OutFile, ReadOnly, Severity

if TYPE_CHECKING:
    from poolkit.cli.screen import Sheet

_SHOWN = 20
RANK = {severity.value: rank for rank, severity in enumerate(Severity)}
_STYLE = {"error": "bold red", "warning": "yellow", "info": ""}


def findings(
    store: InStore,
    severity: Annotated[Severity | None, typer.Option("--severity", help="Only findings of this severity.")] = None,
    out: OutFile = None,
    data: InData = None,
    read_only: ReadOnly = False,
    as_json: AsJson = False,
) -> None:
    """List what does not add up, errors first; the exit code is 1 when an error is among them."""
    with answering(as_json=as_json) as answer:
        import pyarrow as pa  # noqa: PLC0415

        from poolkit import Lab  # noqa: PLC0415
        from poolkit.cli.screen import counted  # noqa: PLC0415
        from poolkit.formats import write_table  # noqa: PLC0415
        from poolkit.lab import counts  # noqa: PLC0415

        refuse_suffix(out)
        with Lab.open(store, data=data, create=False, read_only=read_only) as lab:
            rows = lab.findings()
        listed = sorted(rows.to_pylist(), key=lambda row: RANK[row["severity"]])
        if severity is not None:
            listed = [row for row in listed if row["severity"] == severity.value]
        rows = pa.Table.from_pylist(listed, schema=rows.schema)
        if out is not None:
            write_table(rows, out)
        by_severity, by_kind = counts(rows["severity"]), counts(rows["kind"])
        document = {"by_severity": by_severity, "by_kind": by_kind, "out": out, "findings": listed}
        written = [] if out is None else [f"written to {out}"]
        shown = [*listing(f"Findings: {counted(by_severity)}", listed, shown=_SHOWN), *written]
        answer(document, *shown, status=FINDINGS if "error" in by_severity else 0)


def listing(title: str, rows: Sequence[dict[str, Any]], *, shown: int) -> "list[Sheet | str]":
    """Return the first findings as a table, and a line that says how many more there are.

    Parameters
    ----------
    title
        Stands above the table.
    rows
        Findings, the most serious first.
    shown
        How many to show.

    Returns
    -------
    list
        The table, and the line where it is needed.
    """
    from rich.text import Text  # noqa: PLC0415

    from poolkit.cli.screen import sheet  # noqa: PLC0415

    if not rows:
        return [title]
    made = sheet(title, "severity", "kind", "what was found", wide="what was found")
    for row in rows[:shown]:
        made.add_row(Text(row["severity"], _STYLE[row["severity"]]), row["kind"], row["message"])
    return [made, f"and {len(rows) - shown:,} more"] if len(rows) > shown else [made]
