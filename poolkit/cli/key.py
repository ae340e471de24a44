"""`poolkit key`: the laboratory's keys, which lie outside every store."""

from pathlib import Path
from typing import Annotated

import typer

from poolkit.cli.answer import answering
from poolkit.cli.options import AsJson

KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="The key file.", show_default=False)]

key = typer.Typer(
    name="key",
    help="Make, rotate and show the laboratory's keys; secrets are never shown.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@key.command("new")
def new(path: KeyFile, as_json: AsJson = False) -> None:
    """Make a key file, for its owner alone; one that is there already is never written over."""
    with answering(as_json=as_json) as answer:
        from poolkit import KeyRing  # noqa: PLC0415

        made = KeyRing.new(path).current
        shown = f"{path}: key {made.key_id}; keep it outside every store, and keep a copy of it"
        answer({"file": str(path), "key_id": made.key_id, "created_at": made.created_at}, shown)


@key.command("rotate")
def rotate(path: KeyFile, as_json: AsJson = False) -> None:
    """Add a new key, which is used from here on; older ones still name what was written under them."""
    with answering(as_json=as_json) as answer:
        from poolkit import KeyRing  # noqa: PLC0415

        made = KeyRing.load(path).rotate().current
        answer({"file": str(path), "key_id": made.key_id, "created_at": made.created_at}, f"{path}: key {made.key_id}")


@key.command("public")
def public(
    path: KeyFile,
    out: Annotated[Path | None, typer.Option("--out", help="Write them to this file.", metavar="FILE")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the public keys in PEM; whoever has them can check signatures and proofs."""
    with answering(as_json=as_json) as answer:
        from poolkit import KeyRing  # noqa: PLC0415

        ring = KeyRing.load(path)
        pem = ring.public_pem()
        if out is not None:
            out.write_bytes(pem)
        document = {"keys": [each.key_id for each in ring.keys], "pem": pem.decode(), "out": out}
        answer(document, pem.decode().rstrip() if out is None else f"written to {out}")


@key.command("list")
def listing(path: KeyFile, as_json: AsJson = False) -> None:
    """List the keys by id and date; the last one is in use."""
    with answering(as_json=as_json) as answer:
        from poolkit import KeyRing  # noqa: PLC0415
        from poolkit.cli.screen import several, sheet  # noqa: PLC0415

        rows = [{"key_id": each.key_id, "created_at": each.created_at} for each in KeyRing.load(path).keys]
        made = sheet(several(len(rows), "key"), "key", "made (UTC)")
        for row in rows:
            made.add_row(str(row["key_id"]), f"{row['created_at']:%Y-%m-%d %H:%M}")
        answer({"keys": rows}, made)
