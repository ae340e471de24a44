"""`poolkit doctor`: what interrupted commits left behind, and what the ledger names and the disk lacks."""

from typing import Annotated

import typer

from poolkit.cli.answer import FINDINGS, answering
from poolkit.cli.options import AsJson, InData, InStore


def doctor(
    store: InStore,
    data: InData = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Remove what no commit names, and bring the journal up to the ledger.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List what interrupted commits left behind, and what the ledger names and the disk lacks."""
    with answering(as_json=as_json) as answer:
        from poolkit import Lab  # noqa: PLC0415
        from poolkit.cli.screen import several, sheet  # noqa: PLC0415

        with Lab.open(store, data=data, create=False) as lab:
            rows = lab.doctor(fix=fix).to_pylist()
        made = sheet(f"{several(len(rows), 'thing')} in {store}", "what", "where", "detail", "fixed", wide="detail")
        for row in rows:
            made.add_row(row["kind"], row["path"], row["detail"], "yes" if row["fixed"] else "")
        # What was left behind harms nobody; what is missing does.
        broken = any(row["kind"] in {"missing", "wrong_size"} for row in rows)
        answer(rows, made, status=FINDINGS if broken else 0)
