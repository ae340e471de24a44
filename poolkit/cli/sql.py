"""`poolkit sql`: a store's tables and questions as SQL views."""

from typing import Annotated

import typer

from poolkit.cli.answer import answering, refuse_suffix
from poolkit.cli.options import AsJson, InData, InStore, OutFile

_SHOWN = 50


def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to ask, in DuckDB's SQL.", show_default=False)],
    store: InStore,
    data: InData = None,
    out: OutFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask a store in SQL: tables, and views current_results, chain, rests_on, moments, not_received, daily_calls."""
    with answering(as_json=as_json) as answer:
        from poolkit import Lab  # noqa: PLC0415
        from poolkit.cli.screen import several, sheet  # noqa: PLC0415
        from poolkit.formats import write_table  # noqa: PLC0415

        refuse_suffix(out)
        with Lab.open(store, data=data, create=False) as lab:
            rows = lab.sql(query)
        if out is not None:
            write_table(rows, out)
        listed = rows.to_pylist()
        made = sheet(several(len(listed), "row"), *rows.column_names, wide=rows.column_names[-1])
        for row in listed[:_SHOWN]:
            made.add_row(*("" if value is None else str(value) for value in row.values()))
        more = [f"and {len(listed) - _SHOWN:,} more"] if len(listed) > _SHOWN else []
        answer({"columns": rows.column_names, "rows": listed}, made, *more)
