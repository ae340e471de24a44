"""Made-up custody: it adds up, is the same for the same seed, and lies between swab and run."""

import poolkit
from poolkit import Lab
from poolkit.schemas import CUSTODY, conform
from poolkit.trace.journey import custody_findings


def test_custody_that_adds_up() -> None:
    day = poolkit.simulate_day(900, 0.02, seed=3).day
    custody = poolkit.simulate_custody(day, 1)
    assert custody.equals(poolkit.simulate_custody(day, 1))
    assert not custody.equals(poolkit.simulate_custody(day, 2))
    assert conform(custody, CUSTODY).num_rows == custody.num_rows > 100
    assert custody_findings(custody, day.samples, limits={"received": 1e6}) == []
    started = min(row["started_at"] for row in day.runs.to_pylist())
    last = max(row["started_at"] for row in day.runs.to_pylist())
    swabs = day.samples["collected_at"].to_pylist()
    assert min(custody["at"].to_pylist()) == min(swabs)
    assert max(custody["at"].to_pylist()) < last
    assert started < last


def test_no_day_no_custody() -> None:
    day = poolkit.simulate_day(10, 0.0, seed=3).day
    nobody = poolkit.schemas.Day(day.samples.slice(0, 0))
    assert poolkit.simulate_custody(nobody, 1).num_rows == 0


def test_every_leg_of_a_journey_is_written_down(tmp_path) -> None:
    day = poolkit.simulate_day(100, 0.0, seed=3).day
    day = poolkit.schemas.Day(day.samples, day.wells, day.readings, day.runs, custody=poolkit.simulate_custody(day, 1))
    poolkit.write_day(day, tmp_path / "day")
    with Lab.open(tmp_path / "store") as lab:
        lab.run(tmp_path / "day")
        rows = lab.journey(
            day.wells.filter(day.wells["content"].cast("string").to_numpy() == "specimen")["specimen_id"][0].as_py()
        )
    told = {row["event"]: row["source"] for row in rows.to_pylist()}
    assert list(told) == ["collected", "boxed", "courier", "received", "plated", "read", "called", "reported"]
    assert [event for event, source in told.items() if source == "custody"] == list(told)[:5]
