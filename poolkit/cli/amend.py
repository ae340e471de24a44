"""`poolkit amend`, `approve` and `amendments`: corrections, asked for by one person and approved by another."""

from typing import Annotated

import typer

from poolkit.cli.answer import answering
from poolkit.cli.options import AsJson, InData, InStore, OptionalKey, Status, Who
from poolkit.cli.run import document


def amend(
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="The sample.", show_default=False)],
    status: Annotated[Status, typer.Option("--status", help="Where it should stand.", show_default=False)],
    reason: Annotated[str, typer.Option("--reason", help="Why.", show_default=False)],
    actor: Who,
    store: InStore,
    data: InData = None,
    key: OptionalKey = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a correction of a result; the old version stays, and the protocol says who else has to approve it."""
    with answering(as_json=as_json) as answer:
        from poolkit import Lab  # noqa: PLC0415

        with Lab.open(store, data=data, create=False, keys=key) as lab:
            commit = lab.amend(sample, status=status.value, reason=reason, actor=actor)
        waits = "results" not in commit.summary
        said = (
            f"{commit.source}: {'waits for approval by another person' if waits else f'{sample} is {status.value} now'}"
        )
        answer(document(commit), said, f"commit {commit.commit_id}, head {commit.head}")


def approve(
    amendment: Annotated[str, typer.Argument(metavar="AMENDMENT", help="As amendment/SAMPLE/1.", show_default=False)],
    actor: Who,
    store: InStore,
    data: InData = None,
    key: OptionalKey = None,
    as_json: AsJson = False,
) -> None:
    """Approve a correction that somebody else asked for."""
    with answering(as_json=as_json) as answer:
        from poolkit import Lab  # noqa: PLC0415

        with Lab.open(store, data=data, create=False, keys=key) as lab:
            commit = lab.approve(amendment, actor=actor)
        said = "counts now" if "results" in commit.summary else "approved; waits for more approvals"
        answer(document(commit), f"{amendment}: {said}", f"commit {commit.commit_id}, head {commit.head}")


def amendments(store: InStore, data: InData = None, as_json: AsJson = False) -> None:
    """List the corrections that wait for somebody's approval."""
    with answering(as_json=as_json) as answer:
        from poolkit import Lab  # noqa: PLC0415
        from poolkit.cli.screen import several, sheet  # noqa: PLC0415

        with Lab.open(store, data=data, create=False) as lab:
            rows = lab.amendments().to_pylist()
        made = sheet(several(len(rows), "amendment") + " waiting", "amendment", "to", "asked by", "why", wide="why")
        for row in rows:
            made.add_row(row["amendment_id"], row["status"], row["actor"], row["reason"])
        answer({"amendments": rows}, made)
