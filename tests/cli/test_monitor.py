"""`poolkit monitor`: verdict lines, one document, a picture, and exit code 1 when something has to stop."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

import poolkit as library
from poolkit import Failures
from tests.cli.commands import document, poolkit
from tests.cli.conftest import Lab


def test_monitor(lab: Lab, tmp_path: Path) -> None:
    picture = tmp_path / "my charts.svg"
    said = document("monitor", "--store", lab.store, "--picture", picture)
    assert set(said) == {"verdict", "rates", "charts", "broken", "picture"}
    assert said["picture"] == str(picture)
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    with library.Lab.open(lab.store) as store:
        found = store.monitor()
    assert said["verdict"] == found.verdict
    assert len(said["rates"]) == found.rates.num_rows
    pooled = next(row for row in said["rates"] if row["what"] == "in_pools" and row["current"])
    assert (pooled["last_day"], pooled["verdict"]) == ("2022-04-01", "ok")
    lines = poolkit("monitor", "--store", lab.store, "--window", 7).stdout.splitlines()
    assert lines[0] == f"Verdict: {found.verdict}"
    assert lines[1].startswith("  pooling: ")
    assert any(line.startswith("samples in pools positive") for line in lines)


@pytest.fixture(scope="module")
def invalid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of a day on which every third internal control failed."""
    root = tmp_path_factory.mktemp("invalid")
    day = library.simulate_day(2000, 0.0, 1, failures=Failures(failed_internal_control=0.3)).day
    library.write_day(day, root / "day")
    poolkit("run", root / "day", "--store", root / "store")
    return root / "store"


def test_what_has_to_stop_is_exit_code_1(invalid: Path) -> None:
    said = document("monitor", "--store", invalid, status=1)
    assert said["verdict"] == "out of control"
    shown = poolkit("monitor", "--store", invalid, status=1).stdout
    assert "Verdict: out of control" in shown
    assert "calls and runs: out of control" in shown


def test_monitor_of_nothing(tmp_path: Path) -> None:
    library.Lab.open(tmp_path / "store").close()
    assert (
        poolkit("monitor", "--store", tmp_path / "store").stdout == "Nothing was read yet: there is nothing to judge.\n"
    )
    assert document("monitor", "--store", tmp_path / "store")["verdict"] is None


def test_a_zone_that_is_none(lab: Lab) -> None:
    assert "expected an IANA name" in poolkit("monitor", "--store", lab.store, "--zone", "Mars", status=2).stderr
