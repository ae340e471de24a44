"""Commands as a person types them, in this process and in one of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from poolkit.cli.app import app

FORCING = ("CLICOLOR_FORCE", "FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TTY_COMPATIBLE")
ROOT = Path(__file__).parents[2]


def poolkit(*words: object, status: int = 0) -> Result:
    """Run a command in this process; a defect is raised, and another exit code than the expected one fails."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == status, (done.stdout, done.stderr)
    return done


def document(*words: object, status: int = 0) -> Any:
    """Return what a command says to programs: its whole standard output is one JSON document."""
    return json.loads(poolkit(*words, "--json", status=status).stdout)


def process_of(*words: object) -> "subprocess.Popen[bytes]":
    """Start a command as a process of its own, both its outputs piped; Ctrl-C reaches it whoever started the tests."""
    script = "import signal, poolkit.cli\nsignal.signal(signal.SIGINT, signal.default_int_handler)\npoolkit.cli.main()"
    # Some of these make rich and typer take every pipe for a terminal.
    environment = {name: value for name, value in os.environ.items() if name not in FORCING}
    if "NUMBA_DISABLE_JIT" in environment:
        environment["PYTHONWARNINGS"] = "ignore::RuntimeWarning"  # hashes wrap, which numpy's scalars say
    return subprocess.Popen(
        [sys.executable, "-c", script, *(str(word) for word in words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
