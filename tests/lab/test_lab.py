"""A store that is continued says of everybody what one computation of everything says."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

import poolkit
from poolkit import Day, Failures, History, Lab, SchemaError
from poolkit.schemas import MEMBERS, ORDERS, POOLS, SAMPLES

OFTEN = Failures(
    unfilled_tube=0.1,
    tube_not_received=0.05,
    late_plate=0.3,
    failed_plate=0.2,
    failed_internal_control=0.05,
    dropped_reading=0.02,
    false_signal=0.02,
)
OPEN = ("suspect", "invalid", "pending")


def everything(lab: Lab) -> History:
    """All that the store holds, not only what the next folder touches."""
    names = ("samples", "pools", "members", "wells", "runs", "calls", "orders")
    return History(**{name: lab.table(name) for name in names})


def conserved(lab: Lab) -> None:
    """Section 11 of the definitions, on what the store says now."""
    results, orders = lab.results().to_pylist(), lab.orders().to_pylist()
    status = {row["sample_id"]: row["status"] for row in results}
    assert len(results) == len(status)
    assert set(status) == set(lab.table("samples")["sample_id"].to_pylist())
    asked = Counter(row["sample_id"] for row in orders)
    assert max(asked.values(), default=1) == 1
    assert all(status[sample] in OPEN for sample in asked)
    assert {sample for sample, said in status.items() if said in ("suspect", "invalid")} <= set(asked)
    assert all(row["evidence"] for row in results if row["status"] in ("negative", "positive"))
    # Whoever waits without an order waits for a specimen that nobody has called.
    called = set(lab.table("calls")["specimen_id"].to_pylist())
    tube = {row["sample_id"]: row["tube_id"] for row in lab.table("samples").to_pylist()}
    waiting = [sample for sample, said in status.items() if said == "pending" and sample not in asked]
    assert not [sample for sample in waiting if tube[sample] in called]


def rounds(small: bool) -> list[int]:
    return [1] if small else [1, 2, 3]


@pytest.mark.parametrize("tube_size", [3, 1])
@pytest.mark.parametrize("name", ["cn-10in1-2020", "cn-20in1-2022", "us-fda-swab-pool"])
def test_a_continued_store_says_what_one_computation_says(
    tmp_path: Path, name: str, tube_size: int, small: bool
) -> None:
    """Evening after evening: only what a folder touches is read from the store, and nobody's status differs by it."""
    made = poolkit.simulate_day(300, 0.04, 41, protocol=name, tube_size=tube_size, failures=OFTEN)
    poolkit.write_day(made.day, tmp_path / "day")
    day = made.day
    with Lab.open(tmp_path / "store") as lab:
        lab.run(tmp_path / "day", protocol=name)
        conserved(lab)
        alone = poolkit.process(made.day, protocol=name)
        assert lab.results().cast(alone.results.schema).equals(alone.results)
        for number in rounds(small):
            orders = lab.orders()
            assert orders.num_rows
            evening = poolkit.simulate_evening(day, made.truth, orders, 50 + number, protocol=name, failures=OFTEN)
            whole = poolkit.process(evening, protocol=name, history=everything(lab))
            folder = tmp_path / f"evening {number}"
            poolkit.write_day(evening, folder, suffix=".csv" if number == 2 else ".parquet")
            commit = lab.run(folder, protocol=name)
            conserved(lab)
            expected = {row["sample_id"]: row for row in whole.results.to_pylist()}
            found = {row["sample_id"]: row for row in lab.results().to_pylist()}
            assert found.keys() == expected.keys()
            for column in ("status", "evidence", "subject_id"):
                differing = [each for each in found if found[each][column] != expected[each][column]]
                assert not differing, (column, differing)
            for sample, row in found.items():
                assert near(row["probability"], expected[sample]["probability"])
            issued = [row["order_id"] for row in whole.orders.to_pylist()]
            assert sorted(commit_orders(lab, commit.commit_id)) == sorted(issued)
            day = Day(
                samples=stacked(day.samples, evening.samples),
                wells=stacked(day.wells, evening.wells),
                readings=stacked(day.readings, evening.readings),
                runs=stacked(day.runs, evening.runs),
            )


def near(one: float | None, other: float | None) -> bool:
    """Whether two probabilities are the same but for the order in which they were multiplied."""
    return one == other or (one is not None and other is not None and math.isclose(one, other, rel_tol=1e-9))


def commit_orders(lab: Lab, commit_id: int) -> list[str]:
    """The orders that a commit issued."""
    return lab._store.snapshot().table("orders", commit_id=commit_id)["order_id"].to_pylist()


def stacked(first: pa.Table, second: pa.Table) -> pa.Table:
    return pa.concat_tables([first, second.cast(first.schema)])


def test_evenings_settle_the_day(tmp_path: Path) -> None:
    made = poolkit.simulate_day(400, 0.03, 7, failures=Failures(late_plate=0.5))
    poolkit.write_day(made.day, tmp_path / "day")
    with Lab.open(tmp_path / "store") as lab:
        lab.run(tmp_path / "day")
        waiting = Counter(lab.results()["status"].to_pylist())
        assert waiting["pending"] > 50
        day, n_open = made.day, []
        for number in range(4):
            evening = poolkit.simulate_evening(day, made.truth, lab.orders(), 60 + number, failures=Failures.none())
            poolkit.write_day(evening, tmp_path / f"evening {number}")
            lab.run(tmp_path / f"evening {number}")
            conserved(lab)
            n_open.append(sum(status in OPEN for status in lab.results()["status"].to_pylist()))
            tables = {name: stacked(getattr(day, name), getattr(evening, name)) for name in ("samples", "wells")}
            tables |= {name: stacked(getattr(day, name), getattr(evening, name)) for name in ("readings", "runs")}
            day = Day(**tables)
        assert n_open[-1] == 0
        assert lab.orders().num_rows == 0
        infected = {row["subject_id"] for row in made.truth.to_pylist() if row["infected"]}
        positive = {row["subject_id"] for row in lab.results().to_pylist() if row["status"] == "positive"}
        assert positive <= infected
        assert len(positive) > 0.7 * len(infected)


def test_days_do_not_touch_each_other(tmp_path: Path) -> None:
    """The second day's commit holds nothing of the first day's settled people."""
    with Lab.open(tmp_path / "store") as lab:
        for number in (1, 2):
            made = poolkit.simulate_day(100, 0.0, number, date=f"2022-04-0{number}", failures=Failures.none())
            poolkit.write_day(made.day, tmp_path / f"day {number}")
            lab.run(tmp_path / f"day {number}")
        assert [commit.summary["results"] for commit in lab.commits()] == [{"negative": 100}] * 2
        assert lab.results().num_rows == 200


def test_what_the_clock_has_not_reached_is_not_known(tmp_path: Path) -> None:
    """A run whose clock is a day ahead gives no result before that day, whatever the folder says."""
    date = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    made = poolkit.simulate_day(40, 0.1, 3, date=date, failures=Failures.none())
    poolkit.write_day(made.day, tmp_path / "day")
    with Lab.open(tmp_path / "store") as lab:
        before = datetime.now(UTC)
        commit = lab.run(tmp_path / "day")
        assert before <= commit.computed_at <= datetime.now(UTC)
        assert set(lab.results()["status"].to_pylist()) == {"pending"}
        kinds = set(lab.findings()["kind"].to_pylist())
        assert kinds == {"result_before_run_end", "well_not_read"}
        assert lab.run(tmp_path / "day").repeated


def test_a_moment_needs_a_zone(tmp_path: Path) -> None:
    poolkit.write_day(poolkit.simulate_day(40, 0.1, 3).day, tmp_path / "day")
    with Lab.open(tmp_path / "store") as lab:
        with pytest.raises(SchemaError, match="needs a time zone, found a naive time"):
            lab.run(tmp_path / "day", at=datetime(2022, 4, 2))  # noqa: DTZ001 - what is refused
        assert lab.commits() == []


def test_stages_are_told_and_timed(tmp_path: Path) -> None:
    poolkit.write_day(poolkit.simulate_day(40, 0.1, 3).day, tmp_path / "day")
    told: list[str] = []
    with Lab.open(tmp_path / "store") as lab:
        commit = lab.run(tmp_path / "day", progress=told.append)
    assert told[0] == "read"
    assert told[-1] == "commit"
    assert list(commit.summary["seconds"]) == told


def test_a_prior_of_the_day(tmp_path: Path) -> None:
    made = poolkit.simulate_day(200, 0.0, 3, failures=Failures.none())
    poolkit.write_day(made.day, tmp_path / "day")
    found = []
    for prior in (0.001, 0.01):
        with Lab.open(tmp_path / f"store {prior}") as lab:
            lab.run(tmp_path / "day", prior=prior)
            found.append(lab.results()["probability"].to_pylist())
    assert all(one < other for one, other in zip(*found, strict=True))


def laboratory_day(n_samples: int, size: int) -> Day:
    """Single tubes of a simulated day, mixed in the laboratory in order; nothing is read."""
    samples = poolkit.simulate_day(n_samples, 0.0, 9, pooling="single", failures=Failures.none()).day.samples
    ids = samples["sample_id"].to_pylist()
    members = [{"pool_id": f"M{k // size}", "sample_id": name, "slot": k % size + 1} for k, name in enumerate(ids)]
    counted = Counter(row["pool_id"] for row in members)
    pools = [{"pool_id": name, "formed": "laboratory", "n_members": n, "stage": 1} for name, n in counted.items()]
    return Day(
        samples=samples,
        wells=poolkit.layout_plates(list(counted), seed=4),
        pools=pa.Table.from_pylist(pools, schema=POOLS.schema),
        members=pa.Table.from_pylist(members, schema=MEMBERS.schema),
    )


def test_pools_mapped_today_and_read_tomorrow(tmp_path: Path) -> None:
    """The second folder holds nothing but a run and its readings: whom they speak of is in the store."""
    day = laboratory_day(30, 5)
    poolkit.write_day(day, tmp_path / "mapped")
    start = datetime(2022, 4, 2, 8, tzinfo=UTC)
    runs = {"run_id": ["R1"], "plate_id": ["PL000001"], "instrument_id": ["cycler 1"]}
    runs |= {"started_at": [start], "ended_at": [start + timedelta(hours=2)]}
    shows = {
        "specimen": {"ORF1ab": None, "N": None, "RNaseP": 27.0},
        "weak_positive_control": {"ORF1ab": 34.0, "N": 34.0, "RNaseP": None},
        "negative_control": {"ORF1ab": None, "N": None, "RNaseP": None},
    }
    readings = [
        {"run_id": "R1", "well": row["well"], "target": target, "ct_cycles": ct}
        for row in day.wells.to_pylist()
        if row["content"] != "empty"
        for target, ct in shows.get(row["content"], shows["negative_control"]).items()
    ]
    for row in readings:
        if row["well"] == wells_of(day, "M2")[0] and row["target"] != "RNaseP":
            row["ct_cycles"] = 22.0
    later = Day(SAMPLES.empty(), readings=pa.Table.from_pylist(readings), runs=pa.table(runs))
    poolkit.write_day(later, tmp_path / "read")
    with Lab.open(tmp_path / "store") as lab:
        lab.run(tmp_path / "mapped", at=start)
        assert set(lab.results()["status"].to_pylist()) == {"pending"}
        lab.run(tmp_path / "read")
        conserved(lab)
        status = {row["sample_id"]: row["status"] for row in lab.results().to_pylist()}
        in_m2 = {row["sample_id"] for row in day.members.to_pylist() if row["pool_id"] == "M2"}
        assert {sample for sample, said in status.items() if said == "suspect"} == in_m2
        assert Counter(status.values()) == {"negative": 25, "suspect": 5}
        assert lab.orders()["action"].to_pylist() == ["retest"] * 5


def wells_of(day: Day, specimen: str) -> list[str]:
    return [row["well"] for row in day.wells.to_pylist() if row["specimen_id"] == specimen]


def test_an_order_is_issued_once(tmp_path: Path) -> None:
    """An evening that brings nothing for some of the recalled leaves them the order that they had."""
    made = poolkit.simulate_day(200, 0.05, 8, failures=Failures.none())
    poolkit.write_day(made.day, tmp_path / "day")
    with Lab.open(tmp_path / "store") as lab:
        lab.run(tmp_path / "day")
        orders = lab.orders()
        assert orders.num_rows >= 20
        half = orders.slice(0, orders.num_rows // 2)
        evening = poolkit.simulate_evening(made.day, made.truth, half, 9, failures=Failures.none())
        poolkit.write_day(evening, tmp_path / "evening")
        lab.run(tmp_path / "evening")
        still = lab.orders().cast(ORDERS.schema).to_pylist()
        assert still == orders.slice(orders.num_rows // 2).cast(ORDERS.schema).to_pylist()
        assert len(set(lab.table("orders")["order_id"].to_pylist())) == lab.table("orders").num_rows
