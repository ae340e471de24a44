"""`poolkit simulate`: a day and its evening as a laboratory would hand them in."""

from pathlib import Path
from typing import Annotated

import typer

from poolkit.cli.answer import answering, refuse_full
from poolkit.cli.options import PROTOCOL, AsJson, Format, Pooling, Rules


def simulate(
    n_samples: Annotated[int, typer.Option("--samples", help="People sampled.", min=1, show_default=False)],
    prevalence: Annotated[float, typer.Option("--prevalence", help="Mean share infected, 0 to 1.", show_default=False)],
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same files.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="A new or empty folder.", metavar="DIR", show_default=False)],
    protocol: Rules = PROTOCOL,
    pooling: Annotated[
        Pooling, typer.Option("--pooling", help="Whether tubes are shared at collection or each holds one sample.")
    ] = Pooling.COLLECTION,
    file_format: Annotated[Format, typer.Option("--format", help="What the tables are written as.")] = Format.PARQUET,
    as_json: AsJson = False,
) -> None:
    """Write a made-up day, the evening that answers its orders, and the truth, into a new folder."""
    with answering(as_json=as_json) as answer:
        from poolkit import process, simulate_day, simulate_evening, write_day  # noqa: PLC0415
        from poolkit.cli.screen import progress, sheet  # noqa: PLC0415
        from poolkit.formats import write_table  # noqa: PLC0415
        from poolkit.lab import counts  # noqa: PLC0415

        refuse_full(out)
        suffix = f".{file_format.value}"
        with progress(4) as began:
            began("simulate the day")
            made = simulate_day(n_samples, prevalence, seed, protocol=protocol, pooling=pooling.value)
            began("process the day")
            orders = process(made.day, protocol=protocol).orders
            began("simulate the evening")
            evening = simulate_evening(made.day, made.truth, orders, seed, protocol=protocol)
            began("write")
            write_day(made.day, out / "day", suffix=suffix)
            write_day(evening, out / "evening", suffix=suffix)
            write_table(made.truth, out / "truth.parquet")
        tables = ("samples", "wells", "runs", "readings")
        days = {"day": made.day, "evening": evening}
        rows = {name: {each: getattr(day, each).num_rows for each in tables} for name, day in days.items()}
        infected = made.truth["infected"].to_pylist().count(True)
        shown = sheet(
            f"Simulated in {out}: {n_samples:,} people, {infected:,} of them infected", "table", *days, numbers=days
        )
        for table in tables:
            shown.add_row(table, *(f"{rows[name][table]:,}" for name in days))
        document = {"out": out, "samples": n_samples, "infected": infected, "orders": counts(orders["action"]), **rows}
        answer(document, shown)
