"""The checker of skips says what it should, and the run holds the commands that README gives."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PASSED = '<testcase classname="a" name="b"/>'
FAILED = '<testcase classname="a" name="b"><failure message="no"/></testcase>'
BROKEN = '<testcase classname="a" name="b"><error message="no"/></testcase>'
EXPECTED = '<testcase classname="a" name="b"><skipped type="pytest.xfail" message="not yet"/></testcase>'


def skip(message: str) -> str:
    return (
        f'<testcase classname="tests.trace" name="test_x"><skipped type="pytest.skip" message="{message}"/></testcase>'
    )


def checked(folder: Path, *cases: str, allow: tuple[str, ...] = ("service: ",)) -> tuple[int, list[str]]:
    report = folder / "suite.xml"
    report.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>", encoding="utf-8")
    leave = [part for prefix in allow for part in ("--allow", prefix)]
    command = [sys.executable, str(ROOT / ".ci" / "skips.py"), *leave, str(report)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("cases", "status", "last"),
    [
        ([PASSED, PASSED], 0, "2 passed, 0 failed, 0 skipped"),
        ([PASSED, FAILED, BROKEN], 0, "1 passed, 2 failed, 0 skipped"),  # pytest's own status tells of failures
        ([PASSED, skip("service: PostgreSQL is not running")], 0, "1 passed, 0 failed, 1 skipped"),
        ([PASSED, skip("Skipped: service: PostgreSQL")], 0, "1 passed, 0 failed, 1 skipped"),
        ([PASSED, skip("no time")], 1, "1 passed, 0 failed, 1 skipped"),
        ([PASSED, skip("could not import 'polars'")], 1, "1 passed, 0 failed, 1 skipped"),
        ([PASSED, skip("POOLKIT_SHARED: no reference data")], 1, "1 passed, 0 failed, 1 skipped"),
        ([PASSED, EXPECTED], 1, "1 passed, 0 failed, 1 skipped"),
        ([], 1, "0 passed, 0 failed, 0 skipped"),
    ],
)
def test_skips(tmp_path: Path, cases: list[str], status: int, last: str) -> None:
    found, lines = checked(tmp_path, *cases)
    assert found == status
    assert lines[-1] == last


def test_a_skip_is_named(tmp_path: Path) -> None:
    assert checked(tmp_path, PASSED, skip("no time"))[1] == [
        "suite: 1 passed, 0 failed, 1 skipped",
        "  SKIPPED WITHOUT LEAVE tests.trace::test_x: no time",
        "1 passed, 0 failed, 1 skipped",
    ]


def test_nothing_is_allowed_unless_said(tmp_path: Path) -> None:
    assert checked(tmp_path, PASSED, skip("service: x"), allow=())[0] == 1
    assert checked(tmp_path, PASSED, skip("POOLKIT_SHARED: no reference data"), allow=("POOLKIT_SHARED: no",))[0] == 0


@pytest.mark.parametrize("command", ["pip install '.[test]' && pytest", "pip install . && poolkit demo"])
def test_readme_and_ci_give_the_same_commands(command: str) -> None:
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
