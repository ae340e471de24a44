"""`poolkit recall`: everybody whose result rests on a lot, an instrument, a person, a plate, a run or a time."""

from datetime import datetime
from typing import Annotated, Any

import typer

from poolkit.cli.answer import answering, refuse_suffix
from poolkit.cli.options import Action, AsJson, InData, InStore, OptionalKey, OutFile
from poolkit.errors import FormatError, Problem

_SHOWN = 20


def recall(
    store: InStore,
    data: InData = None,
    lot: Annotated[str | None, typer.Option("--lot", help="An extraction or amplification lot.")] = None,
    instrument: Annotated[str | None, typer.Option("--instrument", help="An instrument.")] = None,
    operator: Annotated[str | None, typer.Option("--operator", help="Who started the runs.")] = None,
    plate: Annotated[str | None, typer.Option("--plate", help="A plate.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="A run.")] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Runs under way from this moment.", metavar="TIME")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="… to this one.", metavar="TIME")] = None,
    order: Annotated[
        Action | None, typer.Option("--order", help="Withdraw these results, and order this of every sample.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; needed with --order.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Who does it; needed with --order.")] = None,
    key: OptionalKey = None,
    out: OutFile = None,
    as_json: AsJson = False,
) -> None:
    """List everybody whose current result rests on what is named, those already released first."""
    with answering(as_json=as_json) as answer:
        from poolkit import Lab  # noqa: PLC0415
        from poolkit.cli.screen import counted, several, sheet  # noqa: PLC0415
        from poolkit.formats import write_table  # noqa: PLC0415
        from poolkit.lab import counts  # noqa: PLC0415

        refuse_suffix(out)
        window = _window(since, until)
        if order is not None and not (reason and actor):
            raise FormatError("no order", [Problem("--order", "needs --reason and --actor")])
        if order is Action.RETEST:
            raise FormatError("no order", [Problem("--order", "expected rerun or recollect, found retest")])
        named: dict[str, Any] = {"lot": lot, "instrument": instrument, "operator": operator, "plate": plate, "run": run}
        with Lab.open(store, data=data, create=False, keys=key) as lab:
            rows = lab.recall(**named, window=window)
            commit = None
            if order is not None:
                assert reason is not None
                assert actor is not None
                commit = lab.order_recall(**named, window=window, action=order.value, reason=reason, actor=actor)
        if out is not None:
            write_table(rows, out)
        listed = rows.to_pylist()
        n_released = sum(row["released_at"] is not None for row in listed)
        by_status = counts(rows["status"])
        made = sheet(
            f"{several(len(listed), 'sample')}, {n_released:,} of them released: {counted(by_status)}",
            *("sample", "status", "released (UTC)", "read in"),
        )
        for row in listed[:_SHOWN]:
            told = "" if row["released_at"] is None else f"{row['released_at']:%Y-%m-%d %H:%M}"
            made.add_row(row["sample_id"], row["status"], told, f"{row['plate_id']}/{row['well']}")
        more = [f"and {len(listed) - _SHOWN:,} more"] if len(listed) > _SHOWN else []
        filed = [] if commit is None else [f"ordered in commit {commit.commit_id}, head {commit.head}"]
        document = {
            "samples": len(listed),
            "released": n_released,
            "by_status": by_status,
            "commit": None if commit is None else commit.commit_id,
            "out": out,
            "recalled": listed,
        }
        to_do = {row["status"]: f"{row['status']}: {row['to_do']}" for row in listed}
        answer(document, made, *more, "", *to_do.values(), *filed, *([] if out is None else [f"written to {out}"]))


def _window(since: str | None, until: str | None) -> tuple[datetime, datetime] | None:
    if since is None and until is None:
        return None
    if since is None or until is None:
        raise FormatError("no window", [Problem("--from, --to", "expected both, found one")])
    try:
        return datetime.fromisoformat(since), datetime.fromisoformat(until)
    except ValueError as reason:
        what = f"expected times as 2022-04-01T08:30:00+08:00: {reason}"
        raise FormatError("no window", [Problem("--from, --to", what)]) from None
