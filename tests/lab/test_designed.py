"""A laboratory that pools by a design: first pools, orders, next pools, results, the trace whole."""

from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest

import poolkit
from poolkit.protocols import Protocol
from poolkit.schemas import ORDERS, RUNS, SAMPLES, Day
from poolkit.simulation import Simulated

DESIGNS = {
    "two-stage-10": 2,
    "hierarchical-9-3-1": 3,
    "array-8x12": 2,
    "array-5x6-master": 3,
    "hypercube-3-3-master": 3,
    "partitions-2x10": 2,
    "hyper-384-48-3": 2,
}


@pytest.fixture(scope="module")
def rules() -> Protocol:
    return poolkit.load_protocol("cn-10in1-2020").revised(
        "1+32", source="a validation of pools of 32", max_pool_size=32, validated_pool_size=32
    )


class Bench:
    """A laboratory whose instruments read what the truth says, plate after plate."""

    def __init__(self, made: Simulated, protocol: Protocol, folder, failures: poolkit.Failures) -> None:
        self.made, self.protocol, self.folder, self.failures = made, protocol, folder, failures
        self.done = Day(samples=made.day.samples, runs=RUNS.empty())
        self.n_runs = 0

    def read(self, lab: poolkit.Lab, new: Day, *, samples: pa.Table) -> None:
        """Hand in what is new with the readings of its plates."""
        done = self.done
        wells, pools, members = (
            pa.concat_tables([getattr(done, name), getattr(new, name).cast(getattr(done, name).schema)])
            for name in ("wells", "pools", "members")
        )
        before = Day(samples=done.samples, wells=wells, pools=pools, members=members, runs=done.runs)
        read = poolkit.simulate_evening(
            before, self.made.truth, ORDERS.empty(), self.n_runs, protocol=self.protocol, failures=self.failures
        )
        runs = pa.concat_tables([done.runs, read.runs.cast(RUNS.schema)])
        self.done = Day(samples=done.samples, wells=wells, pools=pools, members=members, runs=runs)
        self.n_runs += 1
        day = Day(
            samples=samples,
            pools=new.pools,
            members=new.members,
            wells=new.wells,
            readings=read.readings,
            runs=read.runs,
        )
        path = self.folder / f"day{self.n_runs}"
        poolkit.write_day(day, path)
        lab.run(path, protocol=self.protocol)


def first_day(made: Simulated, name: str, protocol: Protocol) -> Day:
    pooled = poolkit.pool_samples(made.day.samples, name, protocol=protocol)
    held = set(pooled.members["sample_id"].to_pylist())
    alone = [row["tube_id"] for row in made.day.samples.to_pylist() if row["sample_id"] not in held]
    specimens = [*pooled.pools["pool_id"].to_pylist(), *alone]
    wells = poolkit.layout_plates(specimens, seed=1, protocol=protocol)
    return Day(samples=made.day.samples, pools=pooled.pools, members=pooled.members, wells=wells)


def until_done(bench: Bench, lab: poolkit.Lab, name: str, *, adaptive: bool = False) -> list[int]:
    """Read plate after plate until nothing is ordered; return how many pools and how many tubes each time."""
    bench.read(lab, first_day(bench.made, name, bench.protocol), samples=bench.made.day.samples)
    rounds = [bench.done.pools.num_rows]
    while len((found := lab.next_pools(adaptive=adaptive)).specimens):
        assert lab.next_pools(adaptive=adaptive).specimens == found.specimens
        held = Counter(found.members["pool_id"].to_pylist())
        assert held == dict(zip(*(found.pools[each].to_pylist() for each in ("pool_id", "n_members")), strict=True))
        number = bench.n_runs
        wells = poolkit.layout_plates(found.specimens, seed=2, protocol=bench.protocol, prefix=f"N{number}-")
        bench.read(
            lab,
            Day(samples=SAMPLES.empty(), pools=found.pools, members=found.members, wells=wells),
            samples=(SAMPLES.empty()),
        )
        rounds.append(len(found.specimens))
        assert len(rounds) < 12
    return rounds


@pytest.mark.parametrize(("name", "n_rounds"), [*DESIGNS.items(), ("two-stage-10 adaptive", None)])
def test_every_person_has_the_true_result_in_the_rounds_of_the_design(name, n_rounds, rules, tmp_path, small):
    """Nothing fails and every load is high, so that all that is left to go wrong are the design and its rules."""
    n = 150 if small else 800
    made = poolkit.simulate_day(n, 0.02, 5, pooling="single", protocol=rules, failures=poolkit.Failures.none())
    strong = pa.array([None if load is None else 8.0 for load in made.truth["log10_load"].to_pylist()], pa.float64())
    made = Simulated(made.day, made.truth.set_column(3, "log10_load", strong))
    bench = Bench(made, rules, tmp_path, poolkit.Failures.none())
    with poolkit.Lab.open(tmp_path / "store") as lab:
        rounds = until_done(bench, lab, name.split()[0], adaptive=n_rounds is None)
        results = {row["sample_id"]: row for row in lab.results().to_pylist()}
        infected = dict(zip(*(made.truth[each].to_pylist() for each in ("sample_id", "infected")), strict=True))
        assert {each: row["status"] for each, row in results.items()} == {
            each: "positive" if is_infected else "negative" for each, is_infected in infected.items()
        }
        assert len(rounds) == n_rounds or (n_rounds is None and len(rounds) > 2)
        assert lab.orders().num_rows == 0
        # Nested search takes more rounds than an order has hours.
        assert set(lab.findings()["kind"].to_pylist()) <= ({"order_past_due"} if n_rounds is None else set())
        # Who is positive was read alone; the trace goes from the pools that reacted to that well.
        found = next(each for each, is_infected in infected.items() if is_infected)
        steps = lab.trace(found).to_pylist()
        assert {"collected", "pooled", "plated", "read", "called", "result"} <= {row["step"] for row in steps}
        specimen, run, well = results[found]["evidence"].split("/")
        tube = next(row["tube_id"] for row in made.day.samples.to_pylist() if row["sample_id"] == found)
        assert specimen == tube
        assert any(row["step"] == "called" and (row["run_id"], row["well"]) == (run, well) for row in steps)
        verified = lab.verify()
        assert not verified.problems


def test_what_fails_is_run_again_and_nobody_is_lost(rules, tmp_path):
    """Plates that fail, lost controls and dropped readings: everybody ends settled or waits for an unread well."""
    made = poolkit.simulate_day(400, 0.03, 8, pooling="single", protocol=rules, failures=poolkit.Failures.none())
    failures = replace(poolkit.Failures.none(), failed_internal_control=0.05, failed_plate=0.5)
    bench = Bench(made, rules, tmp_path, failures)
    with poolkit.Lab.open(tmp_path / "store") as lab:
        until_done(bench, lab, "array-8x12")
        results = lab.results().to_pylist()
        assert len(results) == 400
        asked = {row["sample_id"]: row["action"] for row in lab.orders().to_pylist()}
        assert set(asked.values()) <= {"recollect"}
        unsettled = {row["sample_id"] for row in results if row["status"] not in ("negative", "positive")}
        assert unsettled == set(asked)
        assert "plate_controls" in lab.findings()["kind"].to_pylist()


def test_a_pool_that_was_mixed_and_not_read_is_waited_for(rules, tmp_path):
    made = poolkit.simulate_day(300, 0.05, 5, pooling="single", protocol=rules, failures=poolkit.Failures.none())
    bench = Bench(made, rules, tmp_path, poolkit.Failures.none())
    with poolkit.Lab.open(tmp_path / "store") as lab:
        assert len(lab.next_pools().specimens) == 0
        bench.read(lab, first_day(made, "hierarchical-9-3-1", rules), samples=made.day.samples)
        found = lab.next_pools()
        assert found.pools.num_rows > 0
        assert len(found.waiting) == 0
        poolkit.write_day(Day(samples=SAMPLES.empty(), pools=found.pools, members=found.members), tmp_path / "mixed")
        lab.run(tmp_path / "mixed", protocol=rules)
        later = lab.next_pools()
        assert len(later.specimens) == 0
        assert set(later.waiting.to_pylist()) == set(found.members["sample_id"].to_pylist())
