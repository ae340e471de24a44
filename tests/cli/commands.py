"""Commands as a person types them, in this process and in one of their own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from poolkit.cli.app import app

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


def process_of(*words: object, **options: Any) -> "subprocess.Popen[bytes]":
    """Start a command as a process of its own, both its outputs piped."""
    command = [sys.executable, "-m", "poolkit", *(str(word) for word in words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
