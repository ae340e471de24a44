"""Control charts: Westgard's rules on their own examples, and everything against the slow twin."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit.arrays import frozen
from poolkit.kernels import controls as kernels
from poolkit.quality import MonitorRules, monitor
from poolkit.quality.picture import picture
from tests.quality.stores import BEGAN, Made, rows_of
from tests.reference import quality as twin

NAMES = MonitorRules().names


def broken(z: list[float | None], same_side: int = 10) -> list[set[str]]:
    """What the kernel says of one chart; None is a reading without a Ct."""
    values = np.array([0.0 if each is None else each for each in z])
    state = np.array([kernels.NO_CT if each is None else kernels.JUDGED for each in z], np.uint8)
    bits = np.zeros(len(z), np.uint8)
    kernels.follow(frozen(np.array([0, len(z)])), frozen(values), frozen(state), same_side, bits)
    names = MonitorRules(same_side=same_side).names
    return [{name for place, name in enumerate(names) if each >> place & 1} for each in bits.tolist()]


def deviations(values: list[float], mean: float, sd: float) -> list[float]:
    return [(value - mean) / sd for value in values]


def test_the_rules_one_by_one() -> None:
    """Westgard, Barry, Hunt, Groth 1981, Clin Chem 27:493, table of rules, on a control of mean 200 and sd 4."""
    examples = {
        "1-2s": [200, 209],
        "1-3s": [200, 187],
        "2-2s": [209, 210],
        "4-1s": [195, 195.5, 194, 195],
        "10x": [201, 202, 201, 203, 201, 201.5, 202, 203, 201, 202],
    }
    expected = {
        "1-2s": {"1-2s"},
        "1-3s": {"1-2s", "1-3s"},
        "2-2s": {"1-2s", "2-2s"},
        "4-1s": {"4-1s"},
        "10x": {"10x"},
    }
    for name, values in examples.items():
        found = broken(deviations(values, 200, 4))
        assert found[-1] == expected[name], name
        assert not any(name in each for each in found[:-1]), name


def test_limits_themselves_are_not_exceeded() -> None:
    assert broken(deviations([208, 192, 212, 188], 200, 4)) == [set(), set(), {"1-2s"}, {"1-2s"}]
    assert broken(deviations([204] * 9 + [200] + [204] * 9, 200, 4)) == [set()] * 19


def test_both_points_must_lie_on_one_side() -> None:
    assert broken(deviations([209, 191], 200, 4)) == [{"1-2s"}, {"1-2s"}]
    assert all("4-1s" not in each for each in broken(deviations([205, 205, 195, 205, 205, 205], 200, 4)))


@pytest.mark.parametrize("same_side", [8, 10, 12])
def test_eight_ten_or_twelve_on_one_side(same_side: int) -> None:
    found = broken([0.5] * 13, same_side)
    assert [place for place, each in enumerate(found, 1) if each] == list(range(same_side, 14))
    assert found[-1] == {f"{same_side}x"}


def test_a_reading_without_a_ct_is_a_failure_and_ends_what_was_consecutive() -> None:
    assert broken([2.5, None, 2.5, 2.5]) == [{"1-2s"}, {"no_ct"}, {"1-2s"}, {"1-2s", "2-2s"}]


@given(
    st.lists(st.one_of(st.none(), st.floats(-4, 4), st.sampled_from((0.0, 0.3, 1.5, 2.5, 3.5, -2.5))), max_size=60),
    st.sampled_from((8, 10, 12)),
)
def test_rules_are_those_of_the_twin(z: list[float | None], same_side: int) -> None:
    assert broken(z, same_side) == twin.broken_rules(["no_ct" if each is None else each for each in z], same_side)


def charted(values: list[float | None], **more: Any) -> Made:
    """A store with one run an hour, each with one control of one target."""
    made = Made()
    for number, ct in enumerate(values):
        run = made.run(f"R{number:04}", BEGAN + timedelta(hours=number), **more)
        made.control(run, "A01", {"N": ct})
    return made


BASELINE = [30.0, 31.0, 32.0] * 6 + [31.0, 31.0]


def test_mean_and_standard_deviation_are_those_of_the_first_twenty() -> None:
    found = charted([*BASELINE, 31.0, 40.0]).found()
    (chart,) = [row for row in found.charts.to_pylist() if row["by"] == "instrument_id"]
    assert (chart["n_baseline"], chart["baseline"], chart["mean_cycles"]) == (20, "own", 31.0)
    assert chart["sd_cycles"] == pytest.approx((12 / 19) ** 0.5)
    points = [row for row in found.points.to_pylist() if row["chart"] == chart["chart"]]
    assert [row["baseline"] for row in points] == [True] * 20 + [False] * 2
    assert [row["rules"] for row in points] == [[]] * 21 + [["1-2s", "1-3s"]]
    assert points[-1]["z"] == pytest.approx(9 / (12 / 19) ** 0.5)
    assert [row["rejected"] for row in points][-2:] == [False, True]


def test_a_missing_ct_in_the_baseline_is_a_failure_and_not_part_of_it() -> None:
    found = charted([None, *BASELINE, 31.0]).found()
    points = [row for row in found.points.to_pylist() if row["chart"] == 0]
    assert (points[0]["rules"], points[0]["z"], points[0]["rejected"]) == (["no_ct"], None, True)
    assert [row["baseline"] for row in points] == [False] + [True] * 20 + [False]
    assert found.charts["mean_cycles"][0].as_py() == 31.0


def test_too_few_readings_make_no_chart_but_a_failure_is_seen() -> None:
    few = charted([31.0] * 5 + [32.0]).found()
    assert {row["verdict"] for row in rows_of(few, "controls")} == {"too few"}
    assert set(few.points["z"].to_pylist()) == {None}
    failed = charted([31.0, None, None, None, None]).found()
    assert {(row["k"], row["n"], row["verdict"]) for row in rows_of(failed, "controls")} == {(4, 5, "out of control")}


def test_readings_without_scatter_are_no_scale() -> None:
    found = charted([31.1] * 25).found()
    assert found.charts["baseline"].to_pylist() == [None] * 3
    assert {row["verdict"] for row in rows_of(found, "controls")} == {"too few"}


def test_a_bad_lot_shows_from_its_first_plate_and_a_bad_instrument_on_its_own_chart() -> None:
    made = Made()
    for number in range(60):
        lot = "good" if number < 40 else "bad"
        run = made.run(f"R{number:02}", BEGAN + timedelta(hours=number), lots=(None, lot), instrument=f"I{number % 2}")
        made.control(run, "A01", {"N": BASELINE[number % 20] + (3.0 if lot == "bad" else 0.0)})
    found = made.found()
    bad = next(row for row in found.charts.to_pylist() if row["group"] == "bad")
    assert (bad["baseline"], bad["mean_cycles"]) == ("before", 31.0)
    points = [row for row in found.points.to_pylist() if row["chart"] == bad["chart"]]
    assert len(points) == 20
    assert all("1-2s" in row["rules"] for row in points)
    verdicts = {(row["by"], row["group"]): row["verdict"] for row in rows_of(found, "controls")}
    assert verdicts["amplification_lot", "bad"] == "out of control"
    assert verdicts["amplification_lot", "good"] == "ok"
    assert verdicts["instrument_id", "I0"] == "out of control"
    assert ("extraction_lot", None) not in verdicts
    assert found.verdict == "out of control"


def test_r4s_is_judged_within_a_run_across_controls() -> None:
    """One control above +2 s and the other below -2 s in one run."""
    made = charted(BASELINE)
    for number in range(20):
        made.control(f"R{number:04}", "B01", {"N": BASELINE[number] + 4}, "weak_positive_control")
    for name, strong, weak in (("X1", 33.0, 33.0), ("X2", 33.0, 37.0)):
        run = made.run(name, BEGAN + timedelta(days=1, hours=int(name[1])))
        made.control(run, "A01", {"N": strong})
        made.control(run, "B01", {"N": weak}, "weak_positive_control")
    points = [row for row in made.found().points.to_pylist() if row["chart"] < 2 and row["run_id"] in ("X1", "X2")]
    assert {(row["run_id"], row["well"]): "R-4s" in row["rules"] for row in points} == {
        ("X1", "A01"): True,
        ("X1", "B01"): True,
        ("X2", "A01"): False,
        ("X2", "B01"): False,
    }


def test_a_baseline_that_is_given_stays() -> None:
    first = charted([*BASELINE, 31.0]).found()
    later = charted([34.0] * 3).tables()
    found = monitor(**later, targets=("N",), baselines=first.charts)
    assert set(found.charts["baseline"].to_pylist()) == {"given"}
    assert found.charts["mean_cycles"].to_pylist() == [31.0] * 3
    assert found.points["rejected"].to_pylist()[:3] == [True] * 3


def test_only_pathogen_targets_of_positive_controls_are_charted_and_a_repeated_reading_once() -> None:
    made = Made()
    run = made.run("R1", BEGAN)
    made.control(run, "A01", {"N": 30.0, "RNaseP": 25.0})
    made.control(run, "A01", {"N": 35.0})
    made.control(run, "A02", {"N": None}, "negative_control")
    made.control("unknown run", "A03", {"N": 30.0})
    found = made.found(targets=("N",))
    assert found.points["ct_cycles"].to_pylist() == [30.0] * 3
    assert {(row["control"], row["target"]) for row in found.charts.to_pylist()} == {("positive_control", "N")}


def test_charts_in_control_are_not_called_out_of_control_by_chance() -> None:
    """The figures at `rejection_limit`: of many charts with a baseline of 20 the rules seldom reject a fifth."""
    rng = np.random.default_rng(1)
    bits = MonitorRules().reject_bits
    shares = []
    for _ in range(60):
        ct = rng.normal(size=220)
        z = (ct[20:] - ct[:20].mean()) / ct[:20].std(ddof=1)
        found = np.zeros(200, np.uint8)
        kernels.follow(frozen(np.array([0, 200])), frozen(z), frozen(np.zeros(200, np.uint8)), 10, found)
        shares.append(float(((found & bits) != 0).mean()))
    assert np.mean(shares) < 0.05
    assert sum(share > MonitorRules().rejection_limit for share in shares) <= 2


def test_which_rules_reject_is_a_choice() -> None:
    made = charted([*BASELINE, 34.0])
    assert made.found().points["rejected"].to_pylist()[20]
    assert not made.found(rejecting=("2-2s",)).points["rejected"].to_pylist()[20]


@given(st.data())
def test_charts_are_those_of_the_twin(data: st.DataObject) -> None:
    made = Made()
    n_baseline = data.draw(st.integers(2, 5))
    ct = st.one_of(st.none(), st.sampled_from([29.03, 30.11, 30.57, 31.02, 33.41, 36.93]))
    rows = []
    for number in range(data.draw(st.integers(1, 25))):
        at = BEGAN + timedelta(hours=data.draw(st.integers(0, 20)))
        groups = {
            "instrument_id": data.draw(st.sampled_from(("I1", "I2"))),
            "extraction_lot": data.draw(st.sampled_from(("E1", "E2", None))),
            "amplification_lot": data.draw(st.sampled_from(("A1", None))),
        }
        run = made.run(f"R{number:02}", at, instrument=groups["instrument_id"], lots=list(groups.values())[1:])
        for well, content in (("A01", "positive_control"), ("B01", "weak_positive_control")):
            read = {target: data.draw(ct) for target in ("N", "O")}
            made.control(run, well, read, content)
            rows += [
                {"at": at, "run": run, "well": well, "control": content, "target": target, "ct": each, **groups}
                for target, each in read.items()
            ]
    rows.sort(key=lambda row: (row["at"], row["run"], row["well"]))
    found = made.found(baseline_points=n_baseline)
    points = found.points.to_pylist()
    for by in ("instrument_id", "extraction_lot", "amplification_lot"):
        expected = twin.control_charts([row | {"group": row[by]} for row in rows], by, n_baseline, 10)
        charts = [row for row in found.charts.to_pylist() if row["by"] == by]
        assert {(row["group"], row["control"], row["target"]) for row in charts} == set(expected)
        for chart in charts:
            one = expected[chart["group"], chart["control"], chart["target"]]
            assert chart["baseline"] == one["whose"]
            assert chart["mean_cycles"] == pytest.approx(one["mean"])
            assert chart["sd_cycles"] == pytest.approx(one["sd"])
            mine = [row for row in points if row["chart"] == chart["chart"]]
            assert [row["run_id"] for row in mine] == [row["run"] for row in one["points"]]
            assert [set(row["rules"]) for row in mine] == one["rules"]
            assert [row["rejected"] for row in mine] == [bool(rules - {"1-2s"}) for rules in one["rules"]]
    assert picture(found) == picture(made.found(baseline_points=n_baseline))
