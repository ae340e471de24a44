"""Whether pooling is still sound: the FDA's rules, and the counts against the slow twin."""

import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit.errors import FormatError, ProtocolError
from poolkit.quality import CHARTS, POINTS, RATES, MonitorRules, reestablished
from poolkit.schemas import CALLS_MADE, STATUSES
from tests.quality.stores import BEGAN, Made, rows_of
from tests.reference import quality as twin


@pytest.mark.parametrize(("n_positive", "verdict"), [(33, "reassess"), (34, "ok"), (60, "ok")])
def test_reassess_below_85_percent_of_individual_tests(n_positive: int, verdict: str) -> None:
    """FDA, template of 6 October 2021, appendix B.1: 2 % of individual tests, so the limit is 1.7 %."""
    made = Made()
    made.daily(2)
    made.alone(0, 2000, 40)
    made.pooled(1, 2000, n_positive)
    found = made.found()
    (drop,) = rows_of(found, "drop")
    assert (drop["by"], drop["n"], drop["k"], drop["verdict"]) == ("individual", 2000, n_positive, verdict)
    assert drop["limit"] == pytest.approx(0.017)
    (reference,) = rows_of(found, "reference")
    assert (reference["n"], reference["k"], reference["verdict"]) == (2000, 40, "ok")
    # 33 of 2,000 is below 1.7 %, but may well be chance.
    assert not drop["sure"]
    assert found.verdict == verdict


def test_a_drop_that_is_no_chance_is_sure() -> None:
    made = Made()
    made.daily(2)
    made.alone(0, 2000, 40)
    made.pooled(1, 2000, 15)
    (drop,) = rows_of(made.found(), "drop")
    assert (drop["verdict"], drop["sure"]) == ("reassess", True)
    assert drop["high"] < drop["limit"]


@pytest.mark.parametrize(("n_positive", "verdict"), [(17, "reassess"), (18, "ok")])
def test_reassess_below_90_percent_of_the_first_window(n_positive: int, verdict: str) -> None:
    """FDA, appendix B.2: without individual tests the first 7 days of pools, here 20 of 1,000, are the reference."""
    made = Made()
    made.daily(15)
    made.pooled(0, 500, 12, name="a")
    made.pooled(6, 500, 8, name="b")
    made.pooled(14, 1000, n_positive, name="c")
    found = made.found(window_days=7)
    (reference,) = rows_of(found, "reference")
    assert (reference["by"], reference["n"], reference["k"]) == ("initial", 1000, 20)
    assert (reference["first_day"], reference["last_day"]) == (date(2022, 4, 1), date(2022, 4, 7))
    (drop,) = rows_of(found, "drop", current=True)
    assert (drop["verdict"], drop["first_day"]) == (verdict, date(2022, 4, 9))
    assert drop["limit"] == pytest.approx(0.018)
    assert min(row["last_day"] for row in rows_of(found, "drop")) > reference["last_day"]


@pytest.mark.parametrize(("n_positive", "verdict"), [(250, "ok"), (251, "stop pooling")])
def test_stop_above_25_percent(n_positive: int, verdict: str) -> None:
    """FDA, appendix B: greater than 25 %, pooling is not efficient and should be discontinued."""
    made = Made()
    made.daily(1)
    made.pooled(0, 1000, n_positive)
    (row,) = rows_of(made.found(), "in_pools")
    assert (row["verdict"], row["limit"], row["sure"]) == (verdict, 0.25, False)


def test_fewer_than_ten_positives_are_no_reference() -> None:
    """FDA, appendix B: with fewer than 10 the period is extended; where that does not help they decide nothing."""
    made = Made()
    made.daily(25)
    made.alone(0, 100, 4)
    made.alone(20, 100, 9)
    made.pooled(21, 1000, 20)
    (reference,) = rows_of(made.found(window_days=7), "reference")
    assert (reference["by"], reference["k"], reference["first_day"]) == ("individual", 13, date(2022, 4, 1))
    (alone,) = rows_of(made.found(window_days=7, least_positives=9), "reference")
    assert (alone["k"], alone["first_day"]) == (9, date(2022, 4, 15))
    (initial,) = rows_of(made.found(window_days=7, least_positives=14), "reference")
    assert (initial["by"], initial["k"], initial["verdict"]) == ("initial", 20, "ok")
    few = Made()
    few.daily(30)
    few.pooled(0, 1000, 9, name="a")
    few.pooled(29, 1000, 0, name="b")
    found = few.found()
    assert [row["verdict"] for row in rows_of(found, "reference") + rows_of(found, "drop", current=True)] == [
        "too few",
        "too few",
    ]


def test_nothing_found_where_much_was_expected_is_not_too_few() -> None:
    made = Made()
    made.daily(2)
    made.alone(0, 1000, 30)
    made.pooled(1, 1000, 0)
    (drop,) = rows_of(made.found(), "drop")
    assert (drop["verdict"], drop["sure"]) == ("reassess", True)


def test_a_reference_that_is_given() -> None:
    made = Made()
    made.daily(1)
    made.pooled(0, 1000, 20)
    found = made.found(individual=(50, 1000))
    (reference,), (drop,) = rows_of(found, "reference"), rows_of(found, "drop")
    assert (reference["by"], reference["first_day"], drop["verdict"]) == ("given", None, "reassess")
    assert drop["limit"] == pytest.approx(0.0425)


def test_reactive_pools_that_wait_do_not_look_like_a_drop() -> None:
    """Ten pools of today whose members are suspect hold at least ten positives."""
    made = Made()
    made.daily(2)
    made.alone(0, 1000, 20)
    made.pooled(1, 900, 9)
    for pool in range(10):
        for number in range(10):
            made.sample(f"W{pool}-{number}", f"W{pool}", "suspect")
        made.call("D1", f"W{pool}", "positive")
    (drop,) = rows_of(made.found(), "drop")
    assert (drop["n"], drop["k"], drop["n_open"], drop["verdict"]) == (1000, 9, 10, "ok")


def test_retests_are_no_individual_tests() -> None:
    """Who is tested alone because of a pool is likelier to be positive than those whom P_individual speaks of."""
    made = Made()
    made.daily(2)
    made.pooled(0, 10, 1)
    for number in range(10):
        made.call("D1", f"S0-{number}", "positive" if number == 0 else "negative")
    made.sample("again", "again tube", "negative", recollect_of="S0-1")
    made.call("D1", "again tube", "negative")
    found = made.found()
    assert rows_of(found, "alone") == []
    (retests,) = rows_of(found, "retests")
    assert (retests["n"], retests["k"], retests["n_open"]) == (11, 1, 0)
    (pools,) = rows_of(found, "pools", current=True)
    assert (pools["n"], pools["k"]) == (1, 1)


def test_discordant_pools() -> None:
    made = Made()
    made.daily(1)
    for pool, statuses in enumerate((("negative", "negative"), ("negative", "positive"), ("negative", "suspect"))):
        for number, status in enumerate(statuses):
            made.sample(f"S{pool}-{number}", f"T{pool}", status)
        made.call("D0", f"T{pool}", "suspect" if pool == 0 else "positive")
    (row,) = rows_of(made.found(), "discordant")
    assert (row["n"], row["k"], row["n_open"], row["verdict"]) == (2, 1, 1, None)
    (held,) = rows_of(made.found(discordant_limit=0.2), "discordant")
    assert (held["verdict"], held["limit"]) == ("reassess", 0.2)


def test_a_day_begins_at_midnight_of_the_zone() -> None:
    made = Made()
    made.run("late", BEGAN.replace(hour=17))
    made.sample("S1", "T1")
    made.call("late", "T1", "negative")
    assert rows_of(made.found(), "alone")[0]["last_day"] == date(2022, 4, 1)
    assert rows_of(made.found(zone="Asia/Shanghai"), "alone")[0]["last_day"] == date(2022, 4, 2)
    with pytest.raises(FormatError, match="expected an IANA name as Asia/Shanghai, found 'Mars'"):
        made.found(zone="Mars")


def test_an_empty_store_has_nothing_to_judge() -> None:
    found = Made().found()
    assert (found.verdict, found.rates, found.charts, found.points) == (
        None,
        RATES.empty(),
        CHARTS.empty(),
        POINTS.empty(),
    )


def test_a_store_that_only_runs_and_calls_nothing() -> None:
    made = Made()
    made.daily(3)
    assert made.found().rates.num_rows == 0


def test_rules_out_of_range_are_named_all_at_once() -> None:
    with pytest.raises(ProtocolError) as refused:
        MonitorRules(
            window_days=0, stop_above=1.5, same_side=9, rejecting=("1-3s", "7t"), individual=(3, 2), baseline_points=1
        )
    assert {problem.where for problem in refused.value.problems} == {
        *("window_days", "stop_above", "same_side", "rejecting", "individual", "baseline_points")
    }


def test_positivity_after_a_reassessment() -> None:
    """FDA, appendix B, part C: (10/N)(10/11) and (20/N)(20/21)."""
    assert reestablished(10, 1000) == pytest.approx(10 / 1000 * 10 / 11)
    assert reestablished(20, 1000) == pytest.approx(20 / 1000 * 20 / 21)
    with pytest.raises(ProtocolError, match="must be from 1 to 5, found 6"):
        reestablished(6, 5)


@given(st.data())
def test_intervals_are_exact(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 60))
    k = data.draw(st.integers(0, n))
    made = Made()
    made.daily(1)
    made.alone(0, n, k)
    confidence = data.draw(st.sampled_from((0.8, 0.95, 0.99)))
    (row,) = rows_of(made.found(confidence=confidence), "alone")
    assert (row["low"], row["high"]) == pytest.approx(twin.exact_interval(k, n, confidence), abs=1e-9)
    assert row["estimate"] == k / n


def random_store(data: st.DataObject) -> tuple[Made, dict[str, list[str]]]:
    """A store in which anything may be called anything on any day, and which remembers its mixtures."""
    made = Made()
    n_days = data.draw(st.integers(1, 12))
    made.daily(n_days)
    runs = [row["run_id"] for row in made.rows["runs"]]
    n_samples = data.draw(st.integers(0, 20))
    names = [f"S{number}" for number in range(n_samples)]
    for name in names:
        made.sample(
            name,
            f"T{data.draw(st.integers(0, 6))}",
            data.draw(st.sampled_from((*STATUSES, None))),
            data.draw(st.sampled_from((None, None, None, "S0"))),
        )
    mixtures: dict[str, list[str]] = {}
    for number in range(data.draw(st.integers(0, 2)) if names else 0):
        ids = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
        mixtures[f"M{number}"] = ids
        made.rows["pools"].append({"pool_id": f"M{number}", "formed": "laboratory", "n_members": len(ids), "stage": 1})
        made.rows["members"] += [{"pool_id": f"M{number}", "sample_id": each, "slot": 1} for each in ids]
    specimens = [*names, *mixtures, *(f"T{number}" for number in range(7)), "nobody's"]
    for _ in range(data.draw(st.integers(0, 25))):
        made.call(
            data.draw(st.sampled_from(runs)),
            data.draw(st.sampled_from(specimens)),
            data.draw(st.sampled_from(CALLS_MADE)),
        )
    return made, mixtures


@given(st.data())
def test_rolling_counts_and_verdicts_are_those_of_the_twin(data: st.DataObject) -> None:
    made, mixtures = random_store(data)
    width = data.draw(st.integers(1, 6))
    least = data.draw(st.integers(1, 3))
    found = made.found(window_days=width, least_positives=least)
    runs = {row["run_id"]: row["ended_at"] for row in made.rows["runs"]}
    status = {row["sample_id"]: row["status"] for row in made.rows["results"]}
    counted, events, every = twin.rolling(made.rows["samples"], mixtures, made.rows["calls"], runs, status, width)
    for what, expected in counted.items():
        rows = {row["last_day"]: (row["n"], row["k"], row["n_open"]) for row in rows_of(found, what)}
        assert rows == expected, what
        assert all(row["last_day"] - row["first_day"] < timedelta(width) for row in rows_of(found, what))
        assert all(math.isclose(row["estimate"], row["k"] / row["n"]) for row in rows_of(found, what))
    reference, verdicts = twin.drop_verdicts(events, every, width, least=least)
    rows = rows_of(found, "reference")
    assert ([(row["by"], row["n"], row["k"]) for row in rows] or [None]) == [reference]
    assert {row["last_day"]: row["verdict"] for row in rows_of(found, "drop")} == verdicts
    assert all(row["current"] == (row["last_day"] == every[-1]) for row in rows_of(found, "in_pools"))
