"""The command `poolkit` and its verbs; a verb imports what it needs when it is called, so that help is quick."""

import sys
import traceback
from collections.abc import Callable
from typing import Annotated

import typer

from poolkit import __version__
from poolkit.cli.amend import amend, amendments, approve
from poolkit.cli.choose import choose
from poolkit.cli.compare import compare
from poolkit.cli.decode import decode
from poolkit.cli.demo import demo
from poolkit.cli.design import design
from poolkit.cli.doctor import doctor
from poolkit.cli.findings import findings
from poolkit.cli.journey import journey, turnaround
from poolkit.cli.key import key
from poolkit.cli.monitor import monitor
from poolkit.cli.next import next_plates
from poolkit.cli.orders import orders
from poolkit.cli.plan import plan
from poolkit.cli.plate import plate
from poolkit.cli.protocols import protocols
from poolkit.cli.prove import check, prove
from poolkit.cli.recall import recall
from poolkit.cli.reconcile import reconcile
from poolkit.cli.required import required
from poolkit.cli.results import results
from poolkit.cli.run import run
from poolkit.cli.simulate import simulate
from poolkit.cli.sql import sql
from poolkit.cli.trace import trace
from poolkit.cli.verify import verify

# What sysexits.h calls EX_SOFTWARE: a script must not take a defect of poolkit for findings (1) or bad input (2).
DEFECT = 70

VERBS: tuple[Callable[..., None], ...] = (
    demo,
    simulate,
    plate,
    run,
    results,
    orders,
    next_plates,
    findings,
    trace,
    recall,
    journey,
    turnaround,
    reconcile,
    amend,
    approve,
    amendments,
    verify,
    prove,
    check,
    sql,
    doctor,
    monitor,
    protocols,
    design,
    compare,
    choose,
    plan,
    required,
    decode,
)

# `next` is a word of Python itself.
_NAMES = {next_plates: "next"}

app = typer.Typer(
    name="poolkit",
    help="Pooled nucleic-acid testing from swab to result and back.",
    epilog="Exit codes: 0 done, 1 findings of severity error or a reason to stop, 2 input that cannot be used.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in VERBS:
    app.command(_NAMES.get(verb), help=(verb.__doc__ or "").partition("\n")[0])(verb)
app.add_typer(key)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"poolkit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which poolkit this is.")
    ] = False,
) -> None:
    """Take the options that stand before a verb."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        app(prog_name="poolkit")
    except Exception:
        # A defect of poolkit is shown whole.
        traceback.print_exc()
        sys.exit(DEFECT)
