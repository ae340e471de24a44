"""`poolkit plate`: wells for the tubes of a day folder that have none."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import answering
from poolkit.cli.options import PROTOCOL, AsJson, PlateSize, Rules, Zone
from poolkit.errors import DesignError, FormatError, Problem

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa
    from rich.console import RenderableType


def plate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The day folder.", show_default=False)],
    protocol: Rules = PROTOCOL,
    wells: Annotated[PlateSize, typer.Option("--wells", help="Wells of a plate.")] = PlateSize.SMALL,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Decides where the controls stand; by default made from the barcodes.", min=0),
    ] = None,
    pool: Annotated[
        int | None,
        typer.Option("--pool", help="Mix single tubes in the laboratory first, so many to a pool.", metavar="N"),
    ] = None,
    design: Annotated[
        str | None,
        typer.Option(
            "--design", help="Mix single tubes by a design first; see poolkit design --list.", metavar="NAME|FILE"
        ),
    ] = None,
    zone: Zone = None,
    as_json: AsJson = False,
) -> None:
    """Give every tube of a day folder that stands in no well a place on a new plate with controls."""
    with answering(as_json=as_json) as answer:
        import pyarrow.compute as pc  # noqa: PLC0415

        from poolkit import layout_plates  # noqa: PLC0415
        from poolkit.formats import append_tables, day_files, table_file  # noqa: PLC0415
        from poolkit.lab import counts  # noqa: PLC0415
        from poolkit.plates import waiting_specimens  # noqa: PLC0415
        from poolkit.schemas import SAMPLES, WELLS  # noqa: PLC0415

        day_files(folder)
        tables = _tables(folder, zone)
        added: dict[str, pa.Table] = {}
        last = pc.max(tables["samples"]["collected_at"]).as_py()
        stem, made_seed = stem_of(last, waiting_specimens(**tables))
        if pool is not None or design is not None:
            mixed = _mixed(tables, pool, design, protocol, f"LP{stem}")
            added |= {"members": mixed.members, "pools": mixed.pools} if mixed.pools.num_rows else {}
            tables = {name: _behind(rows, added.get(name)) for name, rows in tables.items()}
        waiting = waiting_specimens(**tables)
        number = made_seed if seed is None else seed
        layout = layout_plates(waiting, seed=number, protocol=protocol, wells=int(wells), prefix=f"PL{stem}")
        _refuse_known(layout, tables["wells"])
        begun = table_file(folder, WELLS) is None
        if layout.num_rows or begun:
            samples_file = table_file(folder, SAMPLES)
            assert samples_file is not None
            append_tables(folder, {**added, "wells": layout}, suffix=samples_file.suffix)
        plates = sorted(set(layout["plate_id"].to_pylist()))
        document = {
            "plates": len(plates),
            "plate_ids": plates,
            "specimens": len(waiting),
            "pools": added["pools"].num_rows if added else 0,
            "pooled_samples": added["members"].num_rows if added else 0,
            "wells": counts(layout["content"]),
            "seed": number,
        }
        answer(document, *_shown(document, wells.value))


def _shown(document: dict[str, Any], wells: str) -> "list[RenderableType]":
    from poolkit.cli.screen import several, sheet  # noqa: PLC0415

    plates = document["plate_ids"]
    if not plates:
        return ["Every tube stands in a well already."]
    last = f" to {plates[-1]}" if len(plates) > 1 else ""
    title = f"{several(len(plates), 'new plate')} of {wells}, {plates[0]}{last}"
    shown = sheet(title, "content", "wells", numbers=("wells",))
    for content, n_wells in document["wells"].items():
        shown.add_row(content, f"{n_wells:,}")
    mixed = f"{several(document['pooled_samples'], 'single tube')} mixed into {several(document['pools'], 'pool')}"
    return [*([mixed] if document["pools"] else []), shown]


def _tables(folder: Path, zone: str | None) -> "dict[str, pa.Table]":
    """Read what a plate is laid out from."""
    from poolkit.formats import SUFFIXES, read_part  # noqa: PLC0415
    from poolkit.schemas import MEMBERS, POOLS, SAMPLES, WELLS  # noqa: PLC0415

    tables = {}
    for table in (SAMPLES, WELLS, POOLS, MEMBERS):
        rows = read_part(folder, table, zone=zone)
        if rows is None and table is SAMPLES:
            expected = ", ".join(f"samples{suffix}" for suffix in SUFFIXES)
            raise FormatError(
                f"{folder}: not a day folder", [Problem("samples", f"missing, expected one of {expected}")]
            )
        tables[table.name] = table.empty() if rows is None else rows
    return tables


def stem_of(last: "datetime | None", waiting: "pa.Array") -> tuple[str, int]:
    """Return what new barcodes share, and a seed: the last date, and a mark made from what is to be plated.

    A store keeps plates and pools of many days by their ids, so that a running number alone would come twice.
    """
    mark = hashlib.sha256("\0".join(waiting.to_pylist()).encode()).digest()
    date = "" if last is None else f"{last:%y%m%d}"
    return f"{date}-{mark[:2].hex()}-", int.from_bytes(mark[2:6])


def _mixed(tables: "dict[str, pa.Table]", size: int | None, design: str | None, protocol: str, prefix: str) -> Any:
    """Mix the tubes that wait and hold one sample, each registered once and taken for the first time."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    from poolkit import pool_samples, pool_tubes  # noqa: PLC0415
    from poolkit.arrays import TextIndex, plain  # noqa: PLC0415
    from poolkit.plates import waiting_specimens  # noqa: PLC0415

    samples = tables["samples"]
    tubes, ids = (TextIndex.of(plain(samples[name])) for name in ("tube_id", "sample_id"))
    once = (np.bincount(tubes.codes)[tubes.codes] == 1) & (np.bincount(ids.codes)[ids.codes] == 1)
    waits = TextIndex.of(waiting_specimens(**tables)).find(plain(samples["tube_id"])) >= 0
    first = pc.is_null(samples["recollect_of"]).to_numpy()
    single = samples.filter(pa.array(once & waits & first))
    if size is not None and design is not None:
        raise DesignError("the tubes cannot be pooled so", [Problem("--pool, --design", "expected one of the two")])
    if size is not None:
        return pool_tubes(single, size=size, protocol=protocol, prefix=prefix)
    return pool_samples(single, design, protocol=protocol, prefix=prefix)


def _behind(rows: "pa.Table", added: "pa.Table | None") -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415

    return rows if added is None else pa.concat_tables([rows.cast(added.schema), added])


def _refuse_known(layout: "pa.Table", wells: "pa.Table") -> None:
    """Refuse plate ids that stand in the folder already; only a mark that fits two lists of tubes can lead here."""
    from poolkit.errors import some  # noqa: PLC0415

    known = sorted(set(layout["plate_id"].to_pylist()) & set(wells["plate_id"].to_pylist()))
    if known:
        raise FormatError(
            "the plates cannot be named", [Problem("plate_id", f"stands in the folder already: {some(known)}")]
        )
