"""`poolkit prove` and `poolkit check`: one row of a store, proven to whoever has the public key."""

import json
from pathlib import Path
from typing import Annotated

import typer

from poolkit.cli.answer import answering
from poolkit.cli.options import AsJson, InData, InStore, Kept, PublicKey
from poolkit.cli.verify import heads
from poolkit.errors import FormatError, Problem


def prove(
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="A sample.", show_default=False)],
    store: InStore,
    data: InData = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write the proof to this file instead of standard output.", metavar="FILE"),
    ] = None,
) -> None:
    """Write the proof that a sample's current result was committed; it tells nothing about other samples."""
    with answering(as_json=True) as answer:
        from poolkit import Lab  # noqa: PLC0415

        with Lab.open(store, data=data, create=False) as lab:
            proof = lab.prove(sample)
        if out is None:
            answer(proof)
        else:
            out.write_text(json.dumps(proof, indent=2) + "\n", encoding="utf-8")
            answer({"out": str(out), "head": proof["head"]})


def check(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="A file of poolkit prove.", show_default=False)],
    key: PublicKey = None,
    head: Kept = None,
    as_json: AsJson = False,
) -> None:
    """Check a proof by itself, without the store; what does not hold is refused with exit code 2."""
    with answering(as_json=as_json) as answer:
        from poolkit.cli.screen import sheet  # noqa: PLC0415
        from poolkit.trace.prove import check_proof  # noqa: PLC0415

        try:
            document = json.loads(proof.read_text(encoding="utf-8"))
        except ValueError as reason:
            raise FormatError(f"{proof}: cannot be read", [Problem("file", f"expected JSON: {reason}")]) from None
        if not isinstance(document, dict):
            raise FormatError(f"{proof}: cannot be read", [Problem("file", "expected one JSON object")])
        row = check_proof(document, public=None if key is None else key.read_bytes(), kept=heads(head))
        commit = document["commit"]
        made = sheet("The proof holds", "what", "value", wide="value")
        for name, value in row.items():
            made.add_row(name, "" if value is None else str(value))
        said = f"in commit {commit['commit_id']} of {commit['committed_at']}, head {document['head']}"
        by = f"signed by key {document['key_id']}" if key is not None else "by a head that was kept"
        answer({"holds": True, "row": row, "commit": commit, "head": document["head"]}, made, said, by)
