"""`poolkit choose`: the best pool design for a prevalence, the best of each family, and the frontier as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import answering
from poolkit.cli.options import AsJson

if TYPE_CHECKING:
    from poolkit.cli.screen import Sheet


def choose(
    prevalence: Annotated[
        float, typer.Option("--prevalence", help="Each sample is infected with this probability.", metavar="P")
    ],
    max_pool: Annotated[int, typer.Option("--max-pool", help="Samples a pool at most.", metavar="N")] = 32,
    max_stages: Annotated[
        int, typer.Option("--max-stages", help="Stages of pools in pools at most, samples alone included.", metavar="N")
    ] = 3,
    max_rounds: Annotated[
        int | None, typer.Option("--max-rounds", help="Rounds of tests at most, tests alone included.", metavar="N")
    ] = None,
    sensitivity: Annotated[
        float, typer.Option("--sensitivity", help="Probability that a pool with an infected sample reacts.")
    ] = 1.0,
    specificity: Annotated[
        float, typer.Option("--specificity", help="Probability that a pool without one does not react.")
    ] = 1.0,
    loads: Annotated[
        bool,
        typer.Option(
            "--loads", help="Sensitivity by published viral loads, dilution and --limit-cycles, not --sensitivity."
        ),
    ] = False,
    limit_cycles: Annotated[
        float, typer.Option("--limit-cycles", help="With --loads: a curve that crosses later is read as negative.")
    ] = 40.0,
    min_sensitivity: Annotated[
        float, typer.Option("--min-sensitivity", help="Every infected sample is found with this probability at least.")
    ] = 0.0,
    objective: Annotated[
        str, typer.Option("--objective", help="What is to be least: tests, tests_per_correct or cost.")
    ] = "tests",
    picture: Annotated[
        Path | None,
        typer.Option("--picture", help="Draw the frontier to this .png or .svg file.", metavar="FILE"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find the best pool design for a prevalence, over all sizes and shapes, and draw what else there is."""
    with answering(as_json=as_json) as answer:
        import poolkit  # noqa: PLC0415

        suffixes = (".png", ".svg")
        if picture is not None and picture.suffix.lower() not in suffixes:
            problem = poolkit.errors.Problem("picture", f"must end with .png or .svg, found {picture.name}")
            raise poolkit.DesignError("no such picture", [problem])
        if loads and sensitivity != 1.0:
            problem = poolkit.errors.Problem("sensitivity", "comes from the viral loads with --loads, give one of them")
            raise poolkit.DesignError("not an assay", [problem])
        by_load = poolkit.Assay.of_loads(specificity=specificity, limit_cycles=limit_cycles) if loads else None
        assay = by_load or poolkit.Assay(sensitivity, specificity)
        chosen = poolkit.choose(
            prevalence,
            assay=assay,
            objective=objective,  # type: ignore[arg-type]
            max_pool=max_pool,
            max_stages=max_stages,
            max_rounds=max_rounds,
            min_sensitivity=min_sensitivity,
        )
        rows: list[dict[str, Any]] = [
            {str(name): value for name, value in row.items()} for row in chosen.table.to_dict("records")
        ]
        notes = [f"best: {chosen.name}"]
        if not chosen.table["exact"].all():
            notes.append("found % with ±: simulated, with its standard error")
        if picture is not None:
            table = poolkit.frontier(
                prevalence,
                assay=assay,
                max_pool=max_pool,
                max_stages=max_stages,
                max_rounds=max_rounds,
                min_sensitivity=min_sensitivity,
            )
            _draw(table, picture, f"prevalence {prevalence:g}, pools of at most {max_pool}")
            notes.append(f"frontier of {len(table)} designs drawn to {picture}")
        title = f"prevalence {prevalence:g}, pools of at most {max_pool}"
        answer(rows, _sheet_of(title, rows, objective), *notes)


def _draw(table: Any, picture: Path, title: str) -> None:
    import poolkit  # noqa: PLC0415
    from poolkit.drawing import axes_for  # noqa: PLC0415

    ax = poolkit.plot_frontier(table, ax=axes_for())
    ax.set_title(title, fontsize="medium", loc="left")
    figure = ax.get_figure(root=True)
    if figure is not None:
        figure.savefig(picture, dpi=150)


def _sheet_of(title: str, rows: list[dict[str, Any]], objective: str) -> "Sheet":
    from poolkit.cli.screen import sheet  # noqa: PLC0415

    value = () if objective == "tests" else ("a right call" if objective == "tests_per_correct" else "cost",)
    numbers = (*value, "a sample", "found %", "cleared %", "ppv %", "npv %", "rounds", "largest")
    made = sheet(title, "design", *numbers, numbers=numbers, wide="design")
    for row in rows:
        made.add_row(
            row["design"],
            *(f"{row['value']:.4f}" for _ in value),
            f"{row['tests_per_sample']:.4f}",
            f"{100 * row['sensitivity']:.4g}" + ("" if row["exact"] else f" ± {100 * row['sensitivity_error']:.1g}"),
            *(f"{100 * row[name]:.4g}" for name in ("specificity", "ppv", "npv")),
            f"{row['rounds']}",
            f"{row['largest_pool']:,}",
        )
    return made
