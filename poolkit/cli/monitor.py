"""`poolkit monitor`: is the pooling still sound, are instruments and lots still in control."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import FINDINGS, answering
from poolkit.cli.options import AsJson, InStore

if TYPE_CHECKING:
    from rich.console import RenderableType

_SHOWN, _WATCHED = 12, 5
_STYLE = {"ok": "green", "too few": "dim", "watch": "yellow"}
_WORST = "bold red"
# What ends work; everything else goes on and is shown.
_ENDS = ("stop pooling", "out of control")
_WORDS = {
    "pools": "pools positive",
    "in_pools": "samples in pools positive",
    "drop": "positive in pools, against {by}",
    "alone": "samples alone positive",
    "reference": "reference, {by}",
    "retests": "retests and recollections positive",
    "discordant": "reactive pools without a positive",
    "invalid": "calls invalid",
    "failed_runs": "runs failed",
    "controls": "control readings rejected",
}
_BY = {"individual": "individual tests before", "initial": "the first window", "given": "what was given"}


def monitor(
    store: InStore,
    window_days: Annotated[int, typer.Option("--window", help="Days of the rolling window.", min=1)] = 10,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", help="Rules with the targets, if not a preset was used last.", metavar="NAME|FILE"),
    ] = None,
    zone: Annotated[str, typer.Option("--zone", help="IANA time zone in which a day begins at midnight.")] = "UTC",
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Write charts to this .svg file.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether pooling is still sound and controls are in control; the exit code is 1 when something has to stop."""
    with answering(as_json=as_json) as answer:
        from poolkit import Lab  # noqa: PLC0415
        from poolkit.quality import MonitorRules  # noqa: PLC0415
        from poolkit.quality.picture import picture as drawn  # noqa: PLC0415

        rules = MonitorRules(window_days=window_days)
        with Lab.open(store, create=False) as lab:
            found = lab.monitor(rules=rules, zone=zone, protocol=protocol)
        if picture is not None:
            picture.write_text(drawn(found), encoding="utf-8")
        rates = [_plain(row) for row in found.rates.to_pylist()]
        judged = [_plain(row) for row in found.verdicts.to_pylist()]
        charts = found.charts.to_pylist()
        rejected = [row for row in found.points.to_pylist() if row["rules"]]
        document = {"verdict": found.verdict, "rates": rates, "charts": charts, "broken": rejected, "picture": picture}
        written = [] if picture is None else [f"written to {picture}"]
        ends = found.verdict in _ENDS
        answer(document, *_shown(found.verdict, rates, judged), *written, status=FINDINGS if ends else 0)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Write days as texts, as JSON takes them."""
    return row | {name: None if row[name] is None else f"{row[name]}" for name in ("first_day", "last_day")}


def _shown(verdict: str | None, rates: list[dict[str, Any]], judged: list[dict[str, Any]]) -> "list[RenderableType]":
    from rich.text import Text  # noqa: PLC0415

    from poolkit.cli.screen import counted, sheet  # noqa: PLC0415

    if not rates:
        return ["Nothing was read yet: there is nothing to judge."]
    lines: list[RenderableType] = [Text.assemble("Verdict: ", (verdict or "none", _STYLE.get(verdict or "", _WORST)))]
    for title, names in (
        ("pooling", ("in_pools", "drop", "reference", "discordant")),
        ("calls and runs", ("invalid", "failed_runs")),
        ("controls", ("controls",)),
    ):
        of = [row for row in judged if row["what"] in names]
        if of:
            worst = of[0]["verdict"]
            counts = counted(Counter(row["verdict"] for row in of))
            lines.append(Text.assemble(f"  {title}: ", (worst, _STYLE.get(worst, _WORST)), f" ({counts})"))
    last = max(row["last_day"] for row in rates if row["last_day"])
    attention = [row for row in judged if row["verdict"] not in ("ok", "too few")]
    usual = [row for row in rates if row["current"] and row["by"] in ("window", "day", *_BY)]
    usual = [row for row in usual if row not in attention]
    made = sheet(
        f"Window to {last}",
        *("what", "share %", "interval %", "counted", "limit %", "verdict"),
        numbers=("share %", "interval %", "counted", "limit %"),
        wide="what",
    )
    serious = [row for row in attention if row["verdict"] != "watch"]
    watched = attention[len(serious) :]
    for row in [*serious[:_SHOWN], *usual, *watched[:_WATCHED]]:
        said = row["verdict"] or ""
        unsure = "" if row["sure"] or said in ("", "ok", "too few") else "?"
        waiting = f"+{row['n_open']:,}" if row["n_open"] else ""
        made.add_row(
            _named(row),
            _percent(row["estimate"]),
            "" if row["low"] is None else f"{_percent(row['low'])}-{_percent(row['high'])}",
            f"{row['k']:,}{waiting}/{row['n']:,}",
            _percent(row["limit"]),
            Text(f"{said}{unsure}", _STYLE.get(said, _WORST)),
        )
    more = len(attention) - min(len(serious), _SHOWN) - min(len(watched), _WATCHED)
    note = "? the interval holds the limit; + not settled yet"
    return [*lines, "", made, *([f"and {more:,} more to look at"] if more > 0 else []), Text(note, "dim")]


def _named(row: dict[str, Any]) -> str:
    """Say what was counted, and of which instrument or lot."""
    of = [row["group"], row["control"] and row["control"].replace("_", " "), row["target"]]
    words: str = _WORDS[row["what"]].format(by=_BY.get(row["by"], ""))
    return f"{words} ({', '.join(each for each in of if each)})" if row["group"] else words


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.3g}"
