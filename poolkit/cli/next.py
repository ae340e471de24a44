"""`poolkit next`: a folder with the pools and plates that answer the open orders."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import answering, refuse_full
from poolkit.cli.options import AsJson, Format, InData, InStore, PlateSize, StoreRules
from poolkit.cli.plate import stem_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolkit.lab.upcoming import Upcoming


def next_plates(
    store: InStore,
    out: Annotated[Path, typer.Option("--out", help="A new or empty folder.", metavar="DIR", show_default=False)],
    protocol: StoreRules = None,
    designs: Annotated[
        list[Path] | None,
        typer.Option("--design", help="The table of a design of one's own; may be repeated.", metavar="FILE"),
    ] = None,
    adaptive: Annotated[
        bool, typer.Option("--adaptive", help="Choose the next pools by what is known of each sample.")
    ] = False,
    wells: Annotated[PlateSize, typer.Option("--wells", help="Wells of a plate.")] = PlateSize.SMALL,
    file_format: Annotated[Format, typer.Option("--format", help="What the tables are written as.")] = Format.PARQUET,
    data: InData = None,
    as_json: AsJson = False,
) -> None:
    """Write a day folder with the next pools and plates: retests by the design's next stage, and reruns."""
    with answering(as_json=as_json) as answer:
        import pyarrow.compute as pc  # noqa: PLC0415

        from poolkit import Lab, design, layout_plates, write_day  # noqa: PLC0415
        from poolkit.schemas import SAMPLES, Day  # noqa: PLC0415

        refuse_full(out)
        known = tuple(design(path) for path in designs or [])
        with Lab.open(store, data=data, create=False) as lab:
            found = lab.next_pools(designs=known, adaptive=adaptive, protocol=protocol)
            commits = lab.commits()
            rules = lab.rules(protocol)
        stem, seed = stem_of(commits[-1].computed_at if commits else None, found.specimens)
        plates: list[str] = []
        if len(found.specimens):
            laid_out = layout_plates(found.specimens, seed=seed, protocol=rules, wells=int(wells), prefix=f"PL{stem}")
            plates = pc.unique(laid_out["plate_id"]).to_pylist()
            day = Day(samples=SAMPLES.empty(), pools=found.pools, members=found.members, wells=laid_out)
            write_day(day, out, suffix=f".{file_format.value}")
        document = {
            "out": out if plates else None,
            "plates": plates,
            "pools": found.pools.num_rows,
            "pooled_samples": found.members.num_rows,
            "alone": len(found.alone),
            "again": len(found.again),
            "waiting": len(found.waiting),
        }
        answer(document, *_shown(document, found))


def _shown(document: dict[str, Any], found: "Upcoming") -> "list[RenderableType]":
    from poolkit.cli.screen import several, sheet  # noqa: PLC0415

    waiting = [f"{several(len(found.waiting), 'sample')} in specimens that are not read yet"] if found.waiting else []
    if not document["plates"]:
        return ["Nothing is to be put on a plate.", *waiting]
    shown = sheet(f"{several(len(document['plates']), 'plate')} in {document['out']}", "specimens", "", numbers=("",))
    for name, count in (
        (f"pools of {several(document['pooled_samples'], 'sample')}", document["pools"]),
        ("tubes alone", document["alone"]),
        ("run again", document["again"]),
    ):
        shown.add_row(name, f"{count:,}")
    return [shown, *waiting]
