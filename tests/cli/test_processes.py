"""Real processes: pipes without escape codes, readers that leave, and Ctrl-C."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.commands import ROOT, process_of
from tests.cli.conftest import Lab

ESCAPE = b"\x1b"


def test_a_pipe_gets_plain_text(lab: Lab) -> None:
    for words in (("run", lab.folder / "day", "--store", lab.store), ("orders", "--store", lab.store), ("--help",)):
        process = process_of(*words)
        out, err = process.communicate(timeout=300)
        assert (process.returncode, err) == (0, b"")
        assert out
        assert ESCAPE not in out


def test_json_is_all_there_is(lab: Lab) -> None:
    process = process_of("trace", "none", "--store", lab.store, "--json")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 2
    assert json.loads(out)["error"]["kind"] == "TraceError"
    assert err.startswith(b"nothing to trace")


def test_a_reader_that_leaves(lab: Lab) -> None:
    for words in (("protocols", "cn-10in1-2020"), ("orders", "--store", lab.store, "--json")):
        process = process_of(*words)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        with process.stderr as stderr:
            err = stderr.read()
        assert (process.wait(timeout=300), err) == (0, b"")


def test_ctrl_c(tmp_path: Path) -> None:
    process = process_of("demo", "--samples", 20_000, "--out", tmp_path / "kept")
    while not (tmp_path / "kept" / "day").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert err == b"interrupted\n"


def test_a_terminal_sees_progress_and_standard_output_stays_clean(lab: Lab, tmp_path: Path) -> None:
    reader, terminal = pty.openpty()
    command = [sys.executable, "-m", "poolkit", "run", str(lab.folder / "day"), "--store", str(tmp_path), "--json"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=terminal, env=environment)
    os.close(terminal)
    seen = b""
    while True:
        try:
            part = os.read(reader, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
    assert process.stdout is not None
    out = process.stdout.read()
    assert process.wait(timeout=300) == 0
    process.stdout.close()
    os.close(reader)
    assert json.loads(out)["samples"] == 1200
    assert ESCAPE in seen


def test_the_package_is_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "poolkit", "--version"], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.startswith(b"poolkit ")


def test_help_loads_nothing_heavy() -> None:
    script = "import sys, poolkit.cli\nsys.stdout.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True)
    heavy = {"numba", "pandas", "pyarrow", "numpy", "scipy", "sqlalchemy", "pydantic"}
    assert not heavy & set(done.stdout.split())
