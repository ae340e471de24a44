"""`poolkit decode`: what a day's pools say of each sample, with a probability and one of three answers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import answering, refuse_suffix
from poolkit.cli.options import PROTOCOL, AsJson, OutFile, Rules, Zone
from poolkit.errors import PoolkitError, Problem, SchemaError

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import RenderableType

    from poolkit.deconvolution import Decoded
    from poolkit.pooling.designs import Design
    from poolkit.schemas import Day

_SHOWN = 20


def decode(
    folder: Annotated[Path, typer.Argument(metavar="DAY", help="The day folder.", show_default=False)],
    design: Annotated[
        str | None,
        typer.Option(
            "--design",
            help="How the samples were pooled, where the folder does not say: a name, whose pools P1, P2, ... hold the "
            "samples in their order; or a table of pool_id and sample_id.",
            metavar="NAME|FILE",
        ),
    ] = None,
    prior: Annotated[
        float | None,
        typer.Option("--prior", help="Probability that a sample is infected; the protocol's by default.", min=0, max=1),
    ] = None,
    tolerance: Annotated[
        int, typer.Option("--tolerance", help="Negative pools that may be wrong before a sample is cleared.", min=0)
    ] = 0,
    protocol: Rules = PROTOCOL,
    zone: Zone = None,
    out: OutFile = None,
    as_json: AsJson = False,
) -> None:
    """Say of each sample of a day whether its pools make it negative, positive, or to be tested again, and how sure."""
    with answering(as_json=as_json) as answer:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.compute as pc  # noqa: PLC0415

        from poolkit import Assay, load_protocol, process, read_day  # noqa: PLC0415
        from poolkit import decode as decoded_by  # noqa: PLC0415
        from poolkit.arrays import plain  # noqa: PLC0415
        from poolkit.deconvolution.looks import named_by_sample  # noqa: PLC0415
        from poolkit.formats import write_table  # noqa: PLC0415
        from poolkit.lab import counts  # noqa: PLC0415
        from poolkit.pooling import design as design_of  # noqa: PLC0415

        refuse_suffix(out)
        rules = load_protocol(protocol)
        day = read_day(folder, zone=zone)
        laid_out = None if design is None else design_of(design)
        members = day.members if laid_out is None else _members(laid_out, day)
        if members.num_rows == 0:
            raise SchemaError("nothing can be decoded", [Problem("members", f"{folder} has no pools; name a --design")])
        calls = process(day, protocol=rules).calls
        named = named_by_sample(calls, day.samples)
        known = pa.concat_arrays([plain(members["pool_id"]), plain(members["sample_id"])])
        found = decoded_by(
            members,
            named.filter(pc.is_in(named["specimen_id"], known)),
            prior=rules.prior_prevalence if prior is None else prior,
            assay=Assay(rules.sensitivity, rules.specificity),
            tolerance=tolerance,
            rated=_rated(laid_out, day),
        )
        if out is not None:
            write_table(found.samples, out)
        doubtful = found.samples.filter(pc.not_equal(found.samples["answer"].cast("string"), "negative"))
        document = {
            "answers": counts(found.samples["answer"]),
            "pools": counts(found.pools["fit"]),
            "overloaded": pc.sum(found.components["overloaded"]).as_py() or 0,
            "out": out,
            "samples": doubtful.to_pylist(),
        }
        written = [] if out is None else [f"written to {out}"]
        answer(document, *_shown(document, found), *written)


def _members(laid_out: "Design", day: "Day") -> "pa.Table":
    """Return who is in which pool of a design; a table of one's own bears the names of pools and samples itself."""
    import pyarrow as pa  # noqa: PLC0415

    from poolkit.arrays import plain  # noqa: PLC0415
    from poolkit.pooling.designs.custom import Custom  # noqa: PLC0415

    own = isinstance(laid_out, Custom)
    members = laid_out.members(laid_out.block if own else day.samples.num_rows)
    pool, sample = (members[name].combine_chunks() for name in ("pool_id", "sample_id"))
    pool_ids = laid_out.pool_ids if isinstance(laid_out, Custom) else pool.dictionary
    sample_ids = laid_out.sample_ids if isinstance(laid_out, Custom) else plain(day.samples["sample_id"])
    return pa.table({"pool_id": pool_ids.take(pool.indices), "sample_id": sample_ids.take(sample.indices)})


def _rated(laid_out: "Design | None", day: "Day") -> int | None:
    """Return how many infected samples a block is made for; none where the first pools alone never decide."""
    from poolkit.pooling import design as design_of  # noqa: PLC0415

    named = set(day.pools["design"].to_pylist()) - {None} if laid_out is None else set()
    try:
        each = design_of(named.pop()) if len(named) == 1 else laid_out
    except PoolkitError:
        # A design from a table that is not at hand, or pools that the search for the next ones chose.
        return None
    return (each.describe().rated_load or None) if each is not None else None


def _shown(document: dict[str, Any], found: "Decoded") -> "list[RenderableType]":
    from poolkit.cli.screen import counted, several, sheet  # noqa: PLC0415

    rows = sorted(document["samples"], key=lambda row: (row["answer"], -(row["probability"] or 0.0), row["sample_id"]))
    title = f"{several(found.samples.num_rows, 'sample')}: {counted(document['answers'])}"
    notes = []
    if document["pools"].get("contradicted"):
        notes.append(f"{several(document['pools']['contradicted'], 'pool')} reacted with nobody left to explain it")
    if document["overloaded"]:
        blocks = several(document["overloaded"], "block")
        notes.append(f"overloaded: {blocks} with more infected than the design is rated for")
    if not rows:
        return [title, *notes]
    shown = sheet(title, "sample", "answer", "probability", "certainty", numbers=("probability",))
    for row in rows[:_SHOWN]:
        chance = "-" if row["probability"] is None else f"{row['probability']:.4f}"
        shown.add_row(row["sample_id"], row["answer"], chance, row["certainty"] or "not read")
    return [shown, *([f"and {len(rows) - _SHOWN:,} more"] if len(rows) > _SHOWN else []), *notes]
