"""`poolkit design`: what a pool design asks for and can do, as facts, as a picture and as a table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolkit.cli.answer import answering, refuse_suffix
from poolkit.cli.options import AsJson, OutFile
from poolkit.errors import FormatError, Problem

if TYPE_CHECKING:
    from poolkit.cli.screen import Sheet
    from poolkit.pooling.designs import Description


def design(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FILE]", help="A design's name, or a file of one.", show_default=False),
    ] = None,
    samples: Annotated[
        int | None, typer.Option("--samples", help="Samples, by default those of a full block.", min=1, metavar="N")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw it into this .svg file.", metavar="FILE")
    ] = None,
    out: OutFile = None,
    listed: Annotated[bool, typer.Option("--list", help="List the families, as without a name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what a pool design asks for and can do, draw it, and write its pools; without a name, list the families."""
    with answering(as_json=as_json) as answer:
        import poolkit  # noqa: PLC0415

        if what is None or listed:
            families = poolkit.design_names()
            answer([each._asdict() for each in families], _families(families))
            return
        refuse_suffix(out)
        if picture is not None and picture.suffix.lower() != ".svg":
            raise FormatError(
                f"{picture}: cannot be drawn", [Problem("suffix", f"expected .svg, found {picture.suffix!r}")]
            )
        found = poolkit.design(what)
        facts = found.describe(samples)
        written = []
        if picture is not None:
            from poolkit.pooling.designs.picture import picture as drawn  # noqa: PLC0415

            picture.write_text(drawn(found, samples), encoding="utf-8")
            written.append(f"drawn in {picture}")
        if out is not None:
            from poolkit.formats import write_table  # noqa: PLC0415

            write_table(found.table(facts.n_samples), out)
            written.append(f"written to {out}")
        answer(_document(facts) | {"picture": picture, "out": out}, _sheet_of(facts), *written)


def _document(facts: "Description") -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415

    return asdict(facts)


def _sheet_of(facts: "Description") -> "Sheet":
    from poolkit.cli.screen import sheet  # noqa: PLC0415

    made = sheet(f"{facts.name}, {facts.n_samples:,} samples", "fact", "value", wide="value")
    for each in facts.facts():
        made.add_row(*each)
    return made


def _families(families: Any) -> "Sheet":
    from poolkit.cli.screen import sheet  # noqa: PLC0415

    made = sheet("Designs", "name", "what it is", wide="what it is")
    for each in families:
        made.add_row(each.form, each.about)
    return made
