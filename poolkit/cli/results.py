"""`poolkit results`: the current result of every sample as a file."""

from pathlib import Path
from typing import Annotated

import typer

from poolkit.cli.answer import answering, refuse_suffix
from poolkit.cli.options import AsJson, InData, InStore, ReadOnly


def results(
    store: InStore,
    out: Annotated[
        Path, typer.Option("--out", help="A .parquet, .arrow or .csv file.", metavar="FILE", show_default=False)
    ],
    data: InData = None,
    read_only: ReadOnly = False,
    as_json: AsJson = False,
) -> None:
    """Write the current result of every sample to a file, and say how many have which status."""
    with answering(as_json=as_json) as answer:
        from poolkit import Lab  # noqa: PLC0415
        from poolkit.cli.screen import several, sheet  # noqa: PLC0415
        from poolkit.formats import write_table  # noqa: PLC0415
        from poolkit.lab import counts  # noqa: PLC0415

        refuse_suffix(out)
        with Lab.open(store, data=data, create=False, read_only=read_only) as lab:
            rows = lab.results()
        write_table(rows, out)
        by_status = counts(rows["status"])
        made = sheet(f"{several(rows.num_rows, 'result')} in {out}", "status", "samples", numbers=("samples",))
        for status, number in by_status.items():
            made.add_row(status, f"{number:,}")
        answer({"samples": rows.num_rows, "results": by_status, "out": out}, made)
