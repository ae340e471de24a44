"""`poolkit reconcile`: what does not add up over all days, and over several stores."""

from contextlib import ExitStack
from typing import Annotated

import typer

from poolkit.cli.answer import FINDINGS, answering, refuse_suffix
from poolkit.cli.findings import RANK
from poolkit.cli.options import AsJson, OutFile, StoreRules

_SHOWN = 20


def reconcile(
    stores: Annotated[
        list[str],
        typer.Option("--store", help="A store; may be repeated.", metavar="STORE", show_default=False),
    ],
    protocol: StoreRules = None,
    out: OutFile = None,
    as_json: AsJson = False,
) -> None:
    """List what does not add up over all days and several stores; the exit code is 1 when an error is among it."""
    with answering(as_json=as_json) as answer:
        from poolkit import Lab  # noqa: PLC0415
        from poolkit.cli.findings import listing  # noqa: PLC0415
        from poolkit.cli.screen import counted  # noqa: PLC0415
        from poolkit.formats import write_table  # noqa: PLC0415
        from poolkit.lab import counts  # noqa: PLC0415

        refuse_suffix(out)
        with ExitStack() as opened:
            first, *others = [opened.enter_context(Lab.open(store, create=False)) for store in stores]
            rows = first.reconcile(*others, protocol=protocol)
        if out is not None:
            write_table(rows, out)
        by_severity, by_kind = counts(rows["severity"]), counts(rows["kind"])
        listed = sorted(rows.to_pylist(), key=lambda row: RANK[row["severity"]])
        document = {"by_severity": by_severity, "by_kind": by_kind, "out": out, "findings": listed}
        shown = listing(f"Over {len(stores)} store(s): {counted(by_severity)}", listed, shown=_SHOWN)
        answer(document, *shown, status=FINDINGS if "error" in by_severity else 0)
