"""`poolkit decode`: pools to answers, for a folder that says its pools and for one that does not."""

from pathlib import Path

import pyarrow as pa
import pytest

import poolkit as library
from poolkit.formats import write_table
from poolkit.schemas import ORDERS, Day
from tests.cli.commands import document, poolkit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """A day of 96 tubes laid out 8 x 12 on a plate, two of them infected, all loads high; and who is infected."""
    rules = library.load_protocol("cn-10in1-2020").revised(
        "1+12", source="a validation of pools of 12", max_pool_size=12, validated_pool_size=12
    )
    quiet = library.Failures.none()
    made = library.simulate_day(96, 0.0, 4, pooling="single", protocol=rules, n_sites=1, failures=quiet)
    infected = [row in (3, 50) for row in range(96)]
    truth = made.truth.set_column(2, "infected", pa.array(infected))
    truth = truth.set_column(3, "log10_load", pa.array([8.0 if each else None for each in infected], pa.float64()))
    pooled = library.pool_samples(made.day.samples, "array-8x12", protocol=rules)
    wells = library.layout_plates(pooled.pools["pool_id"], seed=1, protocol=rules)
    day = Day(samples=made.day.samples, pools=pooled.pools, members=pooled.members, wells=wells)
    before = Day(samples=day.samples, pools=day.pools, members=day.members, wells=wells, runs=made.day.runs.slice(0, 0))
    read = library.simulate_evening(before, truth, ORDERS.empty(), 1, protocol=rules, failures=quiet)
    root = tmp_path_factory.mktemp("designed") / "day"
    library.write_day(
        Day(
            samples=day.samples,
            pools=day.pools,
            members=day.members,
            wells=wells,
            readings=read.readings,
            runs=read.runs,
        ),
        root,
    )
    ids = day.samples["sample_id"].to_pylist()
    return root, {name for name, each in zip(ids, infected, strict=True) if each}


def test_two_infected_in_an_array_are_among_four_that_cannot_be_told_apart(folder, tmp_path: Path) -> None:
    root, infected = folder
    said = document("decode", root, "--out", tmp_path / "answers.csv")
    assert said["answers"] == {"negative": 92, "retest": 4}
    assert infected < {row["sample_id"] for row in said["samples"]}
    assert [row["probability"] for row in said["samples"]] == pytest.approx([0.5] * 4, abs=0.02)
    assert len({row["tie_group"] for row in said["samples"]}) == 1
    assert said["overloaded"] == 0
    shown = poolkit("decode", root).stdout
    assert "96 samples" in shown
    assert "retest" in shown
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 97


def test_a_design_by_its_name_says_what_a_folder_without_pools_does_not(folder, tmp_path: Path) -> None:
    """The wells name the pools P1, P2, ... in the order of the design."""
    root, _ = folder
    day = library.read_day(root)
    names = {name: f"P{number}" for number, name in enumerate(day.pools["pool_id"].to_pylist(), 1)}
    wells = [row | {"specimen_id": names.get(row["specimen_id"])} for row in day.wells.to_pylist()]
    bare = tmp_path / "bare"
    unpooled = Day(
        samples=day.samples,
        wells=pa.Table.from_pylist(wells, schema=day.wells.schema),
        readings=day.readings,
        runs=day.runs,
    )
    library.write_day(unpooled, bare)
    refused = poolkit("decode", bare, status=2).stderr
    assert "has no pools; name a --design" in refused
    named = document("decode", bare, "--design", "array-8x12")
    assert named["samples"] == document("decode", root)["samples"]
    members = library.design("array-8x12").members(96)
    ids = dict(zip([f"S{k}" for k in range(1, 97)], day.samples["sample_id"].to_pylist(), strict=True))
    mine = [{"pool_id": row["pool_id"], "sample_id": ids[row["sample_id"]]} for row in members.to_pylist()]
    write_table(pa.Table.from_pylist(mine), tmp_path / "mine.csv")
    by_table = document("decode", bare, "--design", tmp_path / "mine.csv")
    assert by_table["answers"] == named["answers"]
    assert {row["sample_id"] for row in by_table["samples"]} == {row["sample_id"] for row in named["samples"]}


def test_what_was_not_read_is_tested_again(folder, tmp_path: Path) -> None:
    root, _ = folder
    day = library.read_day(root)
    unread = Day(samples=day.samples, pools=day.pools, members=day.members, wells=day.wells, runs=day.runs)
    library.write_day(unread, tmp_path / "unread")
    said = document("decode", tmp_path / "unread")
    assert said["answers"] == {"retest": 96}
    assert all(row["probability"] is None for row in said["samples"])


def test_pools_of_a_design_that_is_not_at_hand_are_decoded_without_a_rating(folder, tmp_path: Path) -> None:
    root, _ = folder
    day = library.read_day(root)
    pools = day.pools.set_column(4, "design", pa.array(["mine.csv"] * day.pools.num_rows))
    day = Day(
        samples=day.samples, wells=day.wells, readings=day.readings, runs=day.runs, pools=pools, members=day.members
    )
    library.write_day(day, tmp_path / "other")
    assert document("decode", tmp_path / "other") == document("decode", root)
