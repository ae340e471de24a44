"""`poolkit plan`: a campaign run as a line: when everybody has a result, and what is in the way."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import answering, refuse_picture, rows_of
from poolkit.cli.options import AsJson

if TYPE_CHECKING:
    from poolkit.cli.screen import Sheet
    from poolkit.planning import CampaignPlan


def plan(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[SCENARIO|FILE]", help="A scenario's name, or a .toml file.", show_default=False),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a value, e.g. labs=3; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw it into this .png, .svg or .pdf file.", metavar="FILE")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the simulation.", min=0)] = 0,
    listed: Annotated[bool, typer.Option("--list", help="List the scenarios, as without a name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say when everybody has a result, which stage binds and what is unverified; without a name, list the scenarios."""
    with answering(as_json=as_json) as answer:
        from poolkit import planning  # noqa: PLC0415

        if what is None or listed:
            rows = [_listed(planning.scenario(name)) for name in planning.scenario_names()]
            answer(rows, _list_of(rows))
            return
        refuse_picture(picture)
        wanted = planning.read_changes(changes or [])
        made = planning.plan_campaign(what, seed=seed, **wanted)
        document = _document(made, seed) | {"picture": picture}
        if picture is not None:
            _draw(made, picture)
        drawn = [] if picture is None else [f"drawn in {picture}"]
        answer(document, *_sheets(made, document), *_notes(document), *drawn)


def _draw(made: "CampaignPlan", picture: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - pyplot would ask for a screen

    from poolkit.planning import plot_plan_campaign  # noqa: PLC0415

    figure = Figure(figsize=(8.5, 4.5), layout="constrained")
    plot_plan_campaign(made, ax=figure.subplots())
    figure.savefig(picture, dpi=150)


def _listed(scenario: Any) -> dict[str, Any]:
    unverified = sum(not value.verified for value in scenario.values.values())
    return {
        "name": scenario.name,
        "title": scenario.title,
        "people": scenario["people"],
        "values": len(scenario.values),
        "unverified": unverified,
        "traces": len(scenario.traces),
        "description": scenario.description,
    }


def _list_of(rows: list[dict[str, Any]]) -> "Sheet":
    from poolkit.cli.screen import sheet  # noqa: PLC0415

    numbers = ("persons", "values", "unverified")
    made = sheet("Scenarios", "name", "title", *numbers, numbers=numbers, wide="title")
    for row in rows:
        made.add_row(row["name"], row["title"], f"{row['people']:,}", f"{row['values']}", f"{row['unverified']}")
    return made


def _document(made: "CampaignPlan", seed: int) -> dict[str, Any]:
    frames = {"capacity": made.capacity, "stages": made.stages, "turnaround": made.turnaround}
    assumed = rows_of(made.assumptions())
    return {
        "scenario": made.scenario.name,
        "title": made.scenario.title,
        "seed": seed,
        "binding": made.binding,
        "meets_deadline": made.meets_deadline,
        "facts": rows_of(made.facts()),
        **{name: rows_of(frame) for name, frame in frames.items()},
        "assumptions": assumed,
        "unverified": [row["name"] for row in assumed if not row["verified"]],
    }


def _sheets(made: "CampaignPlan", document: dict[str, Any]) -> list["Sheet"]:
    from poolkit.cli.screen import sheet  # noqa: PLC0415

    facts = sheet(made.scenario.title, "", "value", "unit", numbers=("value",))
    for row in document["facts"]:
        facts.add_row(row["fact"], _said(row["value"], row["unit"]), row["unit"])
    names = ("servers", "persons a day", "use %", "last through, h")
    stages = sheet("What each stage can take, use while persons come", "stage", *names, "", numbers=names)
    for row in document["capacity"]:
        stages.add_row(
            row["stage"],
            _said(row["servers"], ""),
            _said(row["people_a_day"], ""),
            "-" if row["use"] is None else f"{100.0 * row['use']:.0f}",
            _said(row["finish_hour"], "h"),
            "binds" if row["binding"] else "",
        )
    headings = ("degree", "most waiting", "at hour", "wait h", "longest wait h")
    matched = sheet("How the stages match", "from", "to", *headings, "", numbers=headings)
    for row in document["stages"]:
        figures = (row["peak_backlog"], row["peak_hour"], row["lag_at_peak_hours"], row["longest_lag_hours"])
        units = ("persons", "h", "h", "h")
        matched.add_row(
            row["before"],
            row["after"],
            f"{row['degree']:.3f}",
            *(_said(each, unit) for each, unit in zip(figures, units, strict=True)),
            "worst" if row["worst"] else "",
        )
    return [facts, stages, matched]


def _said(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f}" if unit in ("h", "days") else f"{value:,.0f}"


def _notes(document: dict[str, Any]) -> list[str]:
    facts = {row["name"]: row["value"] for row in document["facts"]}
    deadline, last, tested = facts["deadline_hours"], facts["last_hour"], facts["tested_hour"]
    out = [
        f"{row['fact']} hour {row['value']:.1f}"
        for row in document["facts"]
        if row["name"].startswith("out_") and row["value"] is not None
    ]
    if document["meets_deadline"]:
        verdict = f"everybody has a result within the {deadline:g} h asked for"
    elif last is None:
        verdict = "not everybody has a result at the horizon" + ("" if out else f": {document['binding']} binds")
    elif tested is not None and tested <= deadline:
        late = f"the last retest or recollection is {last - deadline:.1f} h late"
        verdict = f"everybody is tested once within the {deadline:g} h asked for; {late}"
    else:
        verdict = f"{last - deadline:.1f} h later than the {deadline:g} h asked for: {document['binding']} binds"
    unverified = document["unverified"]
    count = f"{len(unverified)} of {len(document['assumptions'])} values are not verified"
    return [verdict, *out, f"{count}: {', '.join(unverified)}" if unverified else "every value is verified"]
