"""`poolkit run`: take in a day folder."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from poolkit.cli.answer import FINDINGS, answering
from poolkit.cli.options import PROTOCOL, AsJson, InData, InStore, OptionalKey, Rules, Zone
from poolkit.errors import FormatError, Problem

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolkit.trace.record import Commit

_SHOWN = 10


def run(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The day folder.", show_default=False)],
    store: InStore,
    protocol: Rules = PROTOCOL,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", help="The moment to compute at, ISO 8601; by default the latest time known.", metavar="TIME"
        ),
    ] = None,
    zone: Zone = None,
    key: OptionalKey = None,
    wait: Annotated[
        float, typer.Option("--wait", help="Seconds to wait for another process that writes to the store.", min=0.0)
    ] = 600.0,
    data: InData = None,
    as_json: AsJson = False,
) -> None:
    """Take a day folder into a store and say where its samples stand; the exit code is 1 when a finding is an error."""
    with answering(as_json=as_json) as answer:
        from poolkit import Lab  # noqa: PLC0415
        from poolkit.cli.screen import STAGES_OF_A_RUN, progress  # noqa: PLC0415
        from poolkit.formats import day_files  # noqa: PLC0415

        moment = _moment(at, zone)
        # A folder that is none makes no store.
        day_files(folder)
        with Lab.open(store, data=data, keys=key) as lab:
            with progress(STAGES_OF_A_RUN) as began:
                commit = lab.run(folder, protocol=protocol, at=moment, zone=zone, wait_seconds=wait, progress=began)
            errors = lab.findings(commit_id=commit.commit_id).to_pylist() if commit.summary["errors"] else []
        errors = [row for row in errors if row["severity"] == "error"]
        answer(document(commit), *_shown(commit, errors), status=FINDINGS if errors else 0)


def document(commit: "Commit") -> dict[str, Any]:
    """Return what a run says to programs.

    Parameters
    ----------
    commit
        What was written.

    Returns
    -------
    dict
        The counts, and which commit, rules, folder and moment they belong to.
    """
    return {
        "commit": commit.commit_id,
        "repeated": commit.repeated,
        "source": commit.source,
        "protocol": commit.protocol,
        "computed_at": commit.computed_at,
        "content_key": commit.content_key,
        "head": commit.head,
        "key_id": commit.key_id,
        **commit.summary,
    }


def _shown(commit: "Commit", errors: list[dict[str, Any]]) -> "list[RenderableType]":
    from poolkit.cli.findings import listing  # noqa: PLC0415
    from poolkit.cli.screen import rounds, several  # noqa: PLC0415

    title = f"{commit.source} by {commit.protocol} at {commit.computed_at:%Y-%m-%d %H:%M:%S} UTC"
    stages = ", ".join(f"{stage} {took:.2f}" for stage, took in commit.summary["seconds"].items())
    shown: list[RenderableType] = []
    if errors:
        shown += [*listing(several(len(errors), "finding") + " of severity error", errors, shown=_SHOWN), ""]
    if commit.repeated:
        shown += ["This folder was known already: nothing was written, and this is what was found then.", ""]
    return [*shown, rounds(title, {f"commit {commit.commit_id}": commit.summary}), f"seconds: {stages}", _head(commit)]


def _head(commit: "Commit") -> str:
    """Say what has to be kept elsewhere, so that the store can be held to it."""
    return f"head {commit.head}, {'not signed' if commit.key_id is None else f'signed by key {commit.key_id}'}"


def _moment(text: str | None, zone: str | None) -> datetime | None:
    """Return the moment that was named; a time without an offset is one of the zone."""
    try:
        named = None if zone is None else ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        problem = Problem("--zone", f"expected an IANA name as Asia/Shanghai, found {zone!r}")
        raise FormatError("no such time zone", [problem]) from None
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        problem = Problem("--at", f"expected a time as 2022-04-01T08:30:00+08:00, found {text!r}")
        raise FormatError("no moment to compute at", [problem]) from None
    if moment.tzinfo is None and named is None:
        problem = Problem("--at", f"expected an offset as in 2022-04-01T08:30:00+08:00, or --zone, found {text!r}")
        raise FormatError("no moment to compute at", [problem])
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=named)
