"""`poolkit orders`: what has to be done."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import answering, refuse_suffix
from poolkit.cli.options import Action, AsJson, InData, InStore, OutFile, ReadOnly

if TYPE_CHECKING:
    from poolkit.cli.screen import Sheet

_SHOWN = 20


def orders(
    store: InStore,
    action: Annotated[Action | None, typer.Option("--action", help="Only orders of this action.")] = None,
    out: OutFile = None,
    data: InData = None,
    read_only: ReadOnly = False,
    as_json: AsJson = False,
) -> None:
    """List the open orders, those due first on top."""
    with answering(as_json=as_json) as answer:
        import pyarrow.compute as pc  # noqa: PLC0415

        from poolkit import Lab  # noqa: PLC0415
        from poolkit.formats import write_table  # noqa: PLC0415
        from poolkit.lab import counts  # noqa: PLC0415

        refuse_suffix(out)
        with Lab.open(store, data=data, create=False, read_only=read_only) as lab:
            rows = lab.orders().sort_by([("due_at", "ascending"), ("order_id", "ascending")])
        if action is not None:
            rows = rows.filter(pc.equal(rows["action"], action.value))
        if out is not None:
            write_table(rows, out)
        by_action = counts(rows["action"])
        listed = rows.to_pylist()
        written = [] if out is None else [f"written to {out}"]
        answer({"by_action": by_action, "out": out, "orders": listed}, *_shown(by_action, listed), *written)


def _shown(by_action: dict[str, int], rows: list[dict[str, Any]]) -> "list[Sheet | str]":
    from poolkit.cli.screen import counted, sheet  # noqa: PLC0415

    title = f"Open orders: {counted(by_action)}"
    if not rows:
        return [title]
    made = sheet(title, "due (UTC)", "sample", "action", "reason", wide="reason")
    for row in rows[:_SHOWN]:
        made.add_row(f"{row['due_at']:%Y-%m-%d %H:%M}", row["sample_id"], row["action"], row["reason"])
    return [made, f"and {len(rows) - _SHOWN:,} more"] if len(rows) > _SHOWN else [made]
