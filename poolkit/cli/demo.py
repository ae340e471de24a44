"""`poolkit demo`: a made-up day and evening from swab to result."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import answering, refuse_full
from poolkit.cli.options import PROTOCOL, AsJson

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import RenderableType

# Two runs of nine stages, and between them: simulate, write, simulate, write, read back, trace.
_STAGES = 24


def demo(
    n_samples: Annotated[int, typer.Option("--samples", help="People sampled.", min=1)] = 100_000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same day.")] = 1,
    prevalence: Annotated[float, typer.Option("--prevalence", help="Mean share infected, 0 to 1.")] = 0.001,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Keep the files and the store in this new or empty folder.", metavar="DIR"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a day and its evening, work out both, and compare the results with the truth."""
    with answering(as_json=as_json) as answer, ExitStack() as stack:
        if out is not None:
            refuse_full(out)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) if out is None else out
        document = _demonstrate(folder, n_samples, seed, prevalence, keep=out is not None)
        document["out"] = out
        answer(document, *_shown(document))


def _demonstrate(folder: Path, n_samples: int, seed: int, prevalence: float, *, keep: bool) -> dict[str, Any]:
    from poolkit import Lab, simulate_day, simulate_evening, write_day  # noqa: PLC0415
    from poolkit.cli.run import document  # noqa: PLC0415
    from poolkit.cli.screen import progress  # noqa: PLC0415
    from poolkit.formats import write_table  # noqa: PLC0415
    from poolkit.simulation import compare_with_truth  # noqa: PLC0415

    with progress(_STAGES) as began:
        began("simulate the day")
        made = simulate_day(n_samples, prevalence, seed)
        began("write the day")
        write_day(made.day, folder / "day")
        with Lab.open(folder / "store") as lab:
            day = lab.run(folder / "day", progress=lambda stage: began(f"day: {stage}"))
            began("simulate the evening")
            evening = simulate_evening(made.day, made.truth, lab.orders(), seed)
            began("write the evening")
            write_day(evening, folder / "evening")
            if keep:
                write_table(made.truth, folder / "truth.parquet")
            second = lab.run(folder / "evening", progress=lambda stage: began(f"evening: {stage}"))
            began("compare with the truth")
            results = lab.results()
            found = compare_with_truth(made.truth, results)
            began("trace one person")
            person = _somebody(results, evening.samples)
            rows = [] if person is None else lab.trace(person).to_pylist()
    return {
        "samples": n_samples,
        "seed": seed,
        "prevalence": prevalence,
        "protocol": PROTOCOL,
        "rounds": {"day": document(day), "evening": document(second)},
        "truth": found,
        "trace": {"id": person, "rows": rows},
    }


def _somebody(results: "pa.Table", evening: "pa.Table") -> str | None:
    """Return a sample that came out positive, if possible one that was taken again."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    ids = results["sample_id"].cast(pa.string())
    positive = pc.equal(results["status"].cast(pa.string()), "positive")
    again = pc.is_in(ids, pc.drop_null(evening["recollect_of"]).combine_chunks())
    for wanted in (pc.and_(positive, again), positive, again):
        chosen = ids.filter(wanted)
        if len(chosen):
            return str(chosen[0])
    return str(ids[0]) if len(ids) else None


def _shown(document: dict[str, Any]) -> "list[RenderableType]":
    from poolkit.cli.screen import rounds  # noqa: PLC0415
    from poolkit.cli.trace import steps  # noqa: PLC0415

    title = f"{document['samples']:,} samples, prevalence {document['prevalence']:g}, seed {document['seed']}"
    made = rounds(f"{title}, {document['protocol']}", document["rounds"])
    shown: list[RenderableType] = [made, "", *_against(document["truth"])]
    person = document["trace"]["id"]
    if person is not None:
        shown += ["", steps(person, document["trace"]["rows"])]
    if document["out"] is not None:
        shown += ["", f"kept in {document['out']}"]
    return shown


def _against(truth: dict[str, dict[str, int]]) -> "list[RenderableType]":
    from poolkit.cli.screen import sheet  # noqa: PLC0415

    said = ("positive", "negative", "not settled")
    made = sheet("After the evening, against the truth", "", *said, numbers=said)
    for word, counts in truth.items():
        not_settled = sum(counts.values()) - counts["positive"] - counts["negative"]
        made.add_row(word.replace("_", " "), *(f"{n:,}" for n in (counts["positive"], counts["negative"], not_settled)))
    infected, others = truth["infected"], truth["not_infected"]
    found = f"{infected['positive']:,} of {sum(infected.values()):,} infected found, {infected['negative']:,} missed"
    return [made, f"{found}; {others['positive']:,} of {sum(others.values()):,} others called positive"]
