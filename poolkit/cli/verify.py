"""`poolkit verify`: whether a store still is what was committed to it."""

from pathlib import Path
from typing import Annotated

import typer

from poolkit.cli.answer import FINDINGS, answering
from poolkit.cli.options import AsJson, InData, InStore, Kept, PublicKey


def verify(
    store: InStore,
    data: InData = None,
    key: PublicKey = None,
    head: Kept = None,
    rows: Annotated[bool, typer.Option("--rows", help="Also compute the hash of every row again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hold segments, ledger, heads and signatures to each other; the exit code is 1 when anything was changed."""
    with answering(as_json=as_json) as answer:
        from poolkit import Lab  # noqa: PLC0415
        from poolkit.cli.screen import share, sheet  # noqa: PLC0415

        with Lab.open(store, data=data, create=False) as lab, share("verify") as told:
            found = lab.verify(public=_read(key), kept=heads(head), rows=rows, progress=told)
        problems = [{"where": each.where, "what": each.what} for each in found.problems]
        counted = {
            "commits": found.n_commits,
            "segments": found.n_segments,
            "bytes": found.n_bytes,
            "rows": found.n_rows,
            "signatures": found.n_signed,
            "lagging": found.n_lagging,
        }
        document = {"sound": not problems, "head": found.head, **counted, "problems": problems}
        said = ", ".join(f"{n:,} {name}" for name, n in counted.items() if n and name != "lagging")
        shown = [f"looked at {said or 'nothing'}", f"head {found.head}"]
        if found.n_lagging:
            shown.append(
                f"the journal lacks the last {found.n_lagging:,}: poolkit doctor --fix, or the next run, adds them"
            )
        if key is None:
            shown.append("signatures were not checked: give the public key with --key")
        if not problems:
            answer(document, *shown, "sound: nothing was changed since it was committed")
            return
        made = sheet(f"{len(problems)} problem(s)", "where", "what", wide="what")
        for each in problems:
            made.add_row(each["where"], each["what"])
        answer(document, made, "", *shown, status=FINDINGS)


def _read(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


def heads(given: list[str] | None) -> list[str]:
    """Return heads that were given as such, or as files of one a line.

    Parameters
    ----------
    given
        Each the head itself or a file.

    Returns
    -------
    list of str
        In hexadecimal.
    """
    found: list[str] = []
    for each in given or []:
        path = Path(each)
        found += path.read_text(encoding="utf-8").split() if path.is_file() else [each.strip().lower()]
    return found
