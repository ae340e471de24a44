"""`poolkit compare`: every family of pool designs side by side for the same samples."""

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import answering
from poolkit.cli.options import AsJson

if TYPE_CHECKING:
    from poolkit.cli.screen import Sheet


def compare(
    samples: Annotated[int, typer.Argument(metavar="SAMPLES", help="How many samples are to be tested.")],
    max_positives: Annotated[
        int | None, typer.Option("--max-positives", help="At most so many are infected: a promise.", metavar="K")
    ] = None,
    prevalence: Annotated[
        float | None, typer.Option("--prevalence", help="Or: each is infected with this probability.", metavar="P")
    ] = None,
    max_pool: Annotated[int | None, typer.Option("--max-pool", help="Samples a pool at most.", metavar="N")] = None,
    max_rounds: Annotated[
        int | None, typer.Option("--max-rounds", help="Rounds of tests at most, tests alone included.", metavar="N")
    ] = None,
    designs: Annotated[
        list[str] | None,
        typer.Option("--design", help="Compare only this one, by name or file; may be repeated.", metavar="NAME|FILE"),
    ] = None,
    sensitivity: Annotated[
        float, typer.Option("--sensitivity", help="Probability that a pool with one infected sample reacts.")
    ] = 1.0,
    specificity: Annotated[
        float, typer.Option("--specificity", help="Probability that a pool without one does not react.")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of what is simulated.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Put every family of pool designs side by side, fewest expected tests first."""
    with answering(as_json=as_json) as answer:
        import poolkit  # noqa: PLC0415

        table = poolkit.compare_designs(
            samples,
            max_positives=max_positives,
            prevalence=prevalence,
            max_pool=max_pool,
            max_rounds=max_rounds,
            assay=poolkit.Assay(sensitivity, specificity),
            designs=designs,
            seed=seed,
        )
        rows = [_plain(row) for row in table.to_dict("records")]
        given = f"at most {max_positives} infected" if prevalence is None else f"prevalence {prevalence:g}"
        answer(rows, _sheet_of(f"{samples:,} samples, {given}", rows, samples), *_notes(rows, max_positives))


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Write what is missing as null, as JSON takes it."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}


def _sheet_of(title: str, rows: list[dict[str, Any]], samples: int) -> "Sheet":
    from poolkit.cli.screen import sheet  # noqa: PLC0415

    numbers = ("pools", "tests", "a sample", "worst", "rounds", "largest", "cycles", "found %")
    made = sheet(title, "design", *numbers, numbers=numbers, wide="design")
    for row in rows:
        error = "" if row["exact"] else f" ± {row['standard_error']:.2g}"
        made.add_row(
            row["design"],
            f"{row['pools']:,}",
            f"{row['expected_tests']:,.2f}{error}",
            f"{row['expected_tests'] / samples:.4f}",
            f"{row['worst_tests']:,}",
            f"{row['rounds']}",
            f"{row['largest_pool']:,}",
            f"{row['dilution_cycles']:.1f}",
            f"{100 * row['sensitivity']:.4g}",
        )
    return made


def _notes(rows: list[dict[str, Any]], max_positives: int | None) -> list[str]:
    notes = [] if all(row["exact"] for row in rows) else ["± standard error: simulated; all others are exact"]
    if max_positives is not None:
        notes.append(f"holds as long as no more than {max_positives} are infected")
    return notes
