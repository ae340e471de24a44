"""`poolkit journey` and `poolkit turnaround`: where tubes were, and how long samples took."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from poolkit.cli.answer import answering, refuse_suffix
from poolkit.cli.options import AsJson, InData, InStore, OutFile, StoreRules

_SHOWN = 60


class By(StrEnum):
    """What samples are grouped by."""

    LEG = "leg"
    SITE = "site"
    LAB = "lab"
    HOUR = "hour"


def journey(
    tube: Annotated[str, typer.Argument(metavar="TUBE", help="A tube, or a sample in it.", show_default=False)],
    store: InStore,
    data: InData = None,
    protocol: StoreRules = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened to a tube from its collection to its report, who had it, and what was late."""
    with answering(as_json=as_json) as answer:
        from poolkit import Lab  # noqa: PLC0415
        from poolkit.cli.screen import sheet  # noqa: PLC0415

        with Lab.open(store, data=data, create=False) as lab:
            rows = lab.journey(tube, protocol=protocol).to_pylist()
        made = sheet(
            f"{tube}, times in UTC",
            "event",
            "at",
            "minutes",
            "who",
            "where",
            "°C",
            "from",
            "remark",
            wide="remark",
            numbers=("minutes", "°C"),
        )
        for row in rows:
            made.add_row(
                *(row["event"], f"{row['at']:%Y-%m-%d %H:%M:%S}", _number(row["minutes"])),
                " and ".join(each for each in (row["actor"], row["witness"]) if each),
                *(row["place"] or "", _number(row["temperature_c"]), row["source"], row["remark"] or ""),
            )
        answer({"tube": tube, "journey": rows}, made)


def turnaround(
    store: InStore,
    data: InData = None,
    by: Annotated[By, typer.Option("--by", help="All samples of a leg, or by site, laboratory or hour.")] = By.LEG,
    protocol: StoreRules = None,
    out: OutFile = None,
    as_json: AsJson = False,
) -> None:
    """Show how long samples took from leg to leg: percentiles of minutes, and how many were late."""
    with answering(as_json=as_json) as answer:
        from poolkit import Lab  # noqa: PLC0415
        from poolkit.cli.screen import sheet  # noqa: PLC0415
        from poolkit.formats import write_table  # noqa: PLC0415

        refuse_suffix(out)
        with Lab.open(store, data=data, create=False) as lab:
            table = lab.turnaround(by=by.value, protocol=protocol)
        if out is not None:
            write_table(table, out)
        rows = table.to_pylist()
        shares = ("p50", "p90", "p95", "p99", "longest")
        of = () if by is By.LEG else (by.value,)
        made = sheet(
            "Turnaround in minutes", "leg", *of, "samples", *shares, "late", numbers=("samples", *shares, "late")
        )
        for row in rows[:_SHOWN]:
            late = "" if row["n_late"] is None else f"{row['n_late']:,}"
            named = () if by is By.LEG else (row["of"] or "",)
            made.add_row(row["leg"], *named, f"{row['n']:,}", *(_number(row[each]) for each in shares), late)
        more = [f"and {len(rows) - _SHOWN:,} more"] if len(rows) > _SHOWN else []
        answer({"by": by.value, "out": out, "turnaround": rows}, made, *more)


def _number(value: Any) -> str:
    return "" if value is None else f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"
