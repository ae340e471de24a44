"""`poolkit protocols`: which rules there are, what each says and where it comes from."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import answering
from poolkit.cli.options import AsJson

if TYPE_CHECKING:
    from poolkit.cli.screen import Sheet
    from poolkit.protocols import Protocol


def protocols(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FILE]", help="A preset's name or a .toml file.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the protocols that come with poolkit, or every value of one with its source and whether it was verified."""
    with answering(as_json=as_json) as answer:
        from poolkit.protocols import load_protocol, protocol_names  # noqa: PLC0415

        if what is None:
            known = [load_protocol(name) for name in protocol_names()]
            answer([_head(protocol) for protocol in known], _presets(known))
        else:
            protocol = load_protocol(what)
            values = _values(protocol)
            answer(_head(protocol) | {"values": values}, protocol.description, _sheet_of(protocol, values))


def _head(protocol: "Protocol") -> dict[str, Any]:
    return {
        "name": protocol.name,
        "version": protocol.version,
        "description": protocol.description,
        "max_pool_size": protocol.max_pool_size,
        "positive_pool": protocol.positive_pool,
        "verified": sum(source.verified for source in protocol.sources.values()),
        "n_values": len(protocol.sources),
    }


def _values(protocol: "Protocol") -> dict[str, dict[str, Any]]:
    values = json.loads(protocol.canonical())
    return {
        name: {"value": values[name], "source": source.text, "verified": source.verified}
        for name, source in protocol.sources.items()
    }


def _presets(known: "list[Protocol]") -> "Sheet":
    from poolkit.cli.screen import sheet  # noqa: PLC0415

    columns = ("name", "pool of", "positive pool", "verified", "what it is")
    made = sheet("Protocols", *columns, numbers=("pool of", "verified"), wide="what it is")
    for protocol in known:
        head = _head(protocol)
        verified = f"{head['verified']} of {head['n_values']}"
        made.add_row(
            protocol.label, str(protocol.max_pool_size), protocol.positive_pool, verified, protocol.description
        )
    return made


def _sheet_of(protocol: "Protocol", values: dict[str, dict[str, Any]]) -> "Sheet":
    from rich.text import Text  # noqa: PLC0415

    from poolkit.cli.screen import sheet  # noqa: PLC0415

    made = sheet(
        protocol.label,
        "value",
        "verified",
        "what it is and where it comes from",
        wide="what it is and where it comes from",
    )
    for name, entry in values.items():
        said = Text(_said(entry["value"]), "bold").append(f"\n{entry['source']}", "not bold")
        made.add_row(name, "yes" if entry["verified"] else Text("no", "yellow"), said)
    return made


def _said(value: Any) -> str:
    """Say a value as a person writes it."""
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(" ".join(map(_said, each)) if isinstance(each, list) else _said(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(each)}" for name, each in value.items() if each not in ({}, []))
    return f"{value:g}" if isinstance(value, float) else str(value)
