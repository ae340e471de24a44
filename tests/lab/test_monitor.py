"""A store says of itself whether pooling is sound, from what it holds."""

from pathlib import Path

import pytest

import poolkit
from poolkit import Failures, Lab, ProtocolError
from poolkit.quality import MonitorRules, monitor


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("monitored")
    with Lab.open(root / "store") as lab:
        for number in (1, 2, 3):
            made = poolkit.simulate_day(1500, 0.01, number, date=f"2022-04-0{number}", failures=Failures())
            poolkit.write_day(made.day, root / f"day {number}")
            lab.run(root / f"day {number}")
            orders = poolkit.process(made.day).orders
            evening = poolkit.simulate_evening(made.day, made.truth, orders, number)
            poolkit.write_day(evening, root / f"evening {number}")
            lab.run(root / f"evening {number}")
    return root / "store"


def test_what_a_store_holds_is_what_is_judged(store: Path) -> None:
    """Only columns and rows that matter are read; nothing of the answer rests on the others."""
    names = ("samples", "pools", "members", "wells", "runs", "calls", "readings")
    with Lab.open(store, create=False) as lab:
        found = lab.monitor()
        whole = {name: lab.table(name) for name in names}
        expected = monitor(**whole, results=lab.results(), targets=("ORF1ab", "N"))
    assert found.rates.equals(expected.rates)
    assert found.charts.equals(expected.charts)
    assert found.points.equals(expected.points)


def test_every_pool_and_every_control_is_counted(store: Path) -> None:
    with Lab.open(store, create=False) as lab:
        found = lab.monitor(rules=MonitorRules(window_days=7))
        samples, wells, runs = (lab.table(name).to_pylist() for name in ("samples", "wells", "runs"))
        calls, status = lab.table("calls").to_pylist(), lab.results().to_pylist()
    shared = [row for row in samples if row["recollect_of"] is None]
    tubes = {row["tube_id"] for row in shared}
    valid = {row["specimen_id"] for row in calls if row["call"] != "invalid"}
    current = {row["what"]: row for row in found.rates.to_pylist() if row["current"] and row["by"] == "window"}
    # Tubes of this day hold two or more but for the last few of a site.
    n_alone = current.get("alone", {"n": 0})["n"]
    assert current["in_pools"]["n"] + n_alone == sum(row["tube_id"] in valid for row in shared)
    assert current["pools"]["n"] + n_alone == len(tubes & valid)
    positive = {row["sample_id"] for row in status if row["status"] == "positive"}
    assert 0 < current["in_pools"]["k"] <= sum(row["sample_id"] in positive for row in shared)
    assert current["retests"]["k"] > 0
    n_controls = {row["plate_id"]: 0 for row in wells}
    for row in wells:
        n_controls[row["plate_id"]] += row["content"] in ("positive_control", "weak_positive_control")
    per_family = 2 * sum(n_controls[run["plate_id"]] for run in runs)
    assert found.points.num_rows == 3 * per_family


def test_an_empty_store(tmp_path: Path) -> None:
    with Lab.open(tmp_path / "store") as lab:
        assert lab.monitor().verdict is None


def test_targets_of_rules_that_did_not_come_with_poolkit_have_to_be_given(tmp_path: Path) -> None:
    own = poolkit.load_protocol("cn-10in1-2020").revised("1", source="ours", name="our-own")
    poolkit.write_day(poolkit.simulate_day(50, 0.0, 1).day, tmp_path / "day")
    with Lab.open(tmp_path / "store") as lab:
        lab.run(tmp_path / "day", protocol=own)
        with pytest.raises(ProtocolError, match="our-own"):
            lab.monitor()
        assert set(lab.monitor(protocol=own).charts["target"].to_pylist()) == {"ORF1ab", "N"}
