"""`poolkit required`: the least sites, vehicles, machines and staff for so many people in so many hours."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import answering, number_of, refuse_picture, rows_of
from poolkit.cli.options import AsJson
from poolkit.errors import DesignError, Problem

if TYPE_CHECKING:
    from poolkit.cli.screen import Sheet
    from poolkit.planning import Required, Verified


def required(
    people: Annotated[int, typer.Option("--people", help="People to be tested.", metavar="N")] = 1_000_000,
    within: Annotated[str, typer.Option("--within", help="The time, e.g. 24h, 90min or 3d.", metavar="SPAN")] = "24h",
    pool_size: Annotated[int, typer.Option("--pool-size", help="Swabs in a tube.", metavar="N")] = 10,
    prevalence: Annotated[
        float, typer.Option("--prevalence", help="Each person is infected with this probability.", metavar="P")
    ] = 0.001,
    have: Annotated[
        list[str] | None,
        typer.Option("--have", help="How many there are, e.g. cyclers=64; may be repeated.", metavar="RESOURCE=N"),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", help="Suppose another value, e.g. use=0.7; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Simulate, and raise the counts until the last result is in time.")
    ] = False,
    first_pass: Annotated[
        bool, typer.Option("--first-pass", help="Verify the first pass only; members of reactive pools may come later.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the simulation.", min=0)] = 0,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw it into this .png, .svg or .pdf file.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how many sites, vehicles, machines and staff so many people in so many hours take, and what binds first."""
    with answering(as_json=as_json) as answer:
        from poolkit import planning  # noqa: PLC0415

        refuse_picture(picture)
        problems: list[Problem] = []
        there, supposed = _numbers(have or [], problems), _numbers(values or [], problems)
        problems += [
            Problem(name, f"must be a whole number, found {count:g}")
            for name, count in there.items()
            if not float(count).is_integer()
        ]
        if first_pass and not verify:
            problems.append(Problem("first-pass", "is a word to --verify"))
        if problems:
            raise DesignError("not a target", problems)
        made = planning.required(
            people,
            within=within,
            pool_size=pool_size,
            prevalence=prevalence,
            have={name: int(count) for name, count in there.items()},
            values=supposed,
        )
        found = None
        if verify:
            found = planning.verify_required(made, seed=seed, whom="first pass" if first_pass else "everybody")
        document = _document(made, found) | {"first_pass": first_pass, "seed": seed, "picture": picture}
        if picture is not None:
            _draw(made, picture)
        drawn = [] if picture is None else [f"drawn in {picture}"]
        answer(document, _sheet(made, document), *_notes(document), *drawn)


def _numbers(texts: Sequence[str], problems: list[Problem]) -> dict[str, float]:
    """Return numbers that are written as name=number; what is not goes to the problems."""
    found: dict[str, float] = {}
    for text in texts:
        name, sign, written = (part.strip() for part in text.partition("="))
        if not sign or not name:
            problems.append(Problem(text, "must be like cyclers=64"))
        elif name in found:
            problems.append(Problem(name, "given twice"))
        else:
            try:
                found[name] = float(written.replace(",", ""))
            except ValueError:
                problems.append(Problem(name, f"must be a number, found {written!r}"))
    return found


def _draw(made: "Required", picture: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - pyplot would ask for a screen

    from poolkit.planning import plot_required  # noqa: PLC0415

    figure = Figure(figsize=(8.5, 4.8), layout="constrained")
    plot_required(made, ax=figure.subplots())
    figure.savefig(picture, dpi=150)


def _document(made: "Required", found: "Verified | None") -> dict[str, Any]:
    assumed = rows_of(made.assumptions if found is None else found.assumptions)
    simulated = None
    if found is not None:
        hours = ("last_hour", "least_last_hour", "sampling_until_hour")
        simulated = {name: number_of(getattr(found, name)) for name in hours}
        simulated |= {"n_runs": found.n_runs, "resources": rows_of(found.resources)}
    return {
        "people": number_of(made.people),
        "hours": made.hours,
        "pool_size": made.pool_size,
        "prevalence": made.prevalence,
        "tubes": made.demand.tubes,
        "retests": made.demand.retests,
        "bottleneck": made.bottleneck,
        "next_bottleneck": made.next_bottleneck,
        "people_served": number_of(made.people_served),
        "resources": rows_of(made.resources),
        "verified": simulated,
        "assumptions": assumed,
        "unverified": [row["name"] for row in assumed if not row["verified"]],
    }


def _sheet(made: "Required", document: dict[str, Any]) -> "Sheet":
    from poolkit.cli.screen import sheet  # noqa: PLC0415

    simulated = document["verified"]
    needed = {} if simulated is None else {row["resource"]: row["needed"] for row in simulated["resources"]}
    told = any(row["have"] is not None for row in document["resources"])
    columns = ("least", *(("simulated",) if simulated else ()), *(("have", "missing") if told else ()), "use %")
    title = f"{made.people:,.0f} people in {made.hours:g} h, {made.pool_size} a tube, prevalence {made.prevalence:g}"
    shown = sheet(title, "resource", "stage", *columns, "", numbers=columns)
    for row in document["resources"]:
        name = row["resource"]
        counts = [row["least"], *((needed.get(name),) if simulated else ())]
        counts += [row["have"], row["missing"]] if told else []
        binds = {document["bottleneck"]: "binds", document["next_bottleneck"]: "binds next"}.get(name, "")
        said = ["-" if count is None else f"{count:,.0f}" for count in counts]
        shown.add_row(name, row["stage"], *said, f"{100.0 * row['use']:.0f}", binds)
    return shown


def _notes(document: dict[str, Any]) -> list[str]:
    notes = [f"{document['tubes']:,.0f} tubes and {document['retests']:,.0f} tests of single samples are expected"]
    if document["people_served"] is not None:
        served = f"{document['people_served']:,.0f} people in {document['hours']:g} h"
        notes.append(f"what there is serves {served}: {document['bottleneck']} bind first")
    simulated = document["verified"]
    if simulated is not None:
        least = simulated["least_last_hour"]
        with_least = "never" if least is None else f"at {least:.1f} h"
        last = "the last result of the first pass" if document["first_pass"] else "the last result"
        notes.append(
            f"simulated: {last} comes at {simulated['last_hour']:.1f} h, with the least {with_least}; "
            f"sampling ends at {simulated['sampling_until_hour']:.1f} h"
        )
    else:
        notes.append("busy all day is not yet done in time: --verify simulates it until the last result")
    unverified = document["unverified"]
    notes.append(
        f"{len(unverified)} of {len(document['assumptions'])} values are not verified: {', '.join(unverified)}"
    )
    return notes
