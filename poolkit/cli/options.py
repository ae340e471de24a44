"""The options that several verbs share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, and nothing else.")]
InStore = Annotated[
    str,
    typer.Option(
        "--store", help="The store's folder, or postgresql://USER@HOST/DATABASE.", metavar="STORE", show_default=False
    ),
]
InData = Annotated[
    str | None,
    typer.Option(
        "--data", help="Where the segments stand, if not in the store's folder.", metavar="DIR|URL", show_default=False
    ),
]
ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="Read the journal beside the data instead of the ledger, as of a copy.")
]
Rules = Annotated[
    str, typer.Option("--protocol", help="The rules: a preset's name or a .toml file.", metavar="NAME|FILE")
]
StoreRules = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="The rules, by name or .toml file; those of the last commit by default.",
        metavar="NAME|FILE",
    ),
]
Zone = Annotated[
    str | None,
    typer.Option("--zone", help="IANA time zone of times that give none, e.g. Asia/Shanghai.", show_default=False),
]
OutFile = Annotated[
    Path | None,
    typer.Option("--out", help="Write all rows to this .parquet, .arrow or .csv file.", metavar="FILE"),
]
OptionalKey = Annotated[
    Path | None,
    typer.Option("--key", help="The laboratory's key file, which lies outside the store.", envvar="POOLKIT_KEY"),
]
PublicKey = Annotated[
    Path | None, typer.Option("--key", help="Public keys in PEM, as poolkit key public prints them.", metavar="PEM")
]
Kept = Annotated[
    list[str] | None,
    typer.Option(
        "--head", help="A head that was kept elsewhere, or a file of such; may be repeated.", metavar="HEX|FILE"
    ),
]
Who = Annotated[str, typer.Option("--actor", help="Who does it, a pseudonym.", show_default=False)]

PROTOCOL = "cn-10in1-2020"


class Pooling(StrEnum):
    """Where tubes are shared."""

    COLLECTION = "collection"
    SINGLE = "single"


class Format(StrEnum):
    """What a table is written as."""

    PARQUET = "parquet"
    ARROW = "arrow"
    CSV = "csv"


class PlateSize(StrEnum):
    """How many wells a plate has."""

    SMALL = "96"
    LARGE = "384"


class Action(StrEnum):
    """What an order asks for."""

    RECOLLECT = "recollect"
    RETEST = "retest"
    RERUN = "rerun"


class Status(StrEnum):
    """Where a sample stands."""

    NEGATIVE = "negative"
    POSITIVE = "positive"
    SUSPECT = "suspect"
    INVALID = "invalid"
    PENDING = "pending"


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
