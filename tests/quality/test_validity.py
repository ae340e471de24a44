"""Invalid calls and failed runs, by day, instrument and lot."""

from datetime import timedelta

from tests.quality.stores import BEGAN, Made, rows_of


def called(made: Made, run: str, n_invalid: int, n_negative: int) -> None:
    for number in range(n_invalid + n_negative):
        invalid = number < n_invalid
        made.call(run, f"{run}-{number}", "invalid" if invalid else "negative", ["internal_control"] if invalid else [])


def test_invalid_calls_are_held_to_5_percent_by_day_instrument_and_lot() -> None:
    made = Made()
    called(made, made.run("R1", BEGAN, instrument="I1", lots=("E1", "A1")), 5, 95)
    called(made, made.run("R2", BEGAN, instrument="I2", lots=("E1", None)), 6, 94)
    called(made, made.run("R3", BEGAN + timedelta(1), instrument="I3", lots=("E2", "A1")), 20, 80)
    found = made.found()
    invalid = {(row["by"], row["group"]): row for row in rows_of(found, "invalid") if row["by"] != "day"}
    assert {key: (row["k"], row["n"], row["verdict"], row["sure"]) for key, row in invalid.items()} == {
        ("instrument_id", "I1"): (5, 100, "ok", False),
        ("instrument_id", "I2"): (6, 100, "watch", False),
        ("instrument_id", "I3"): (20, 100, "out of control", True),
        ("extraction_lot", "E1"): (11, 200, "watch", False),
        ("extraction_lot", "E2"): (20, 100, "out of control", True),
        ("amplification_lot", "A1"): (25, 200, "out of control", True),
    }
    days = rows_of(found, "invalid", by="day")
    assert [(row["n"], row["k"], row["current"]) for row in days] == [(200, 11, False), (100, 20, True)]
    assert {row["verdict"] for row in rows_of(found, "failed_runs")} == {"ok"}
    assert found.verdict == "out of control"


def test_a_failed_plate_is_one_failed_run_and_no_invalid_call() -> None:
    """Ninety wells of one plate are no ninety independent failures."""
    made = Made()
    for number in range(3):
        run = made.run(f"R{number}", BEGAN)
        for well in range(30):
            if number == 0:
                made.call(run, f"{number}-{well}", "invalid", ["plate_controls"])
            else:
                made.call(run, f"{number}-{well}", "negative")
    found = made.found()
    (invalid,), (failed,) = rows_of(found, "invalid", by="day"), rows_of(found, "failed_runs", by="day")
    assert (invalid["n"], invalid["k"]) == (60, 0)
    assert (failed["n"], failed["k"], failed["verdict"]) == (3, 1, "watch")


def test_only_the_last_window_counts_for_instruments_and_lots() -> None:
    made = Made()
    called(made, made.run("old", BEGAN, instrument="I1", lots=("E1", "A1")), 50, 0)
    called(made, made.run("new", BEGAN + timedelta(7), instrument="I1", lots=("E2", "A1")), 0, 50)
    rows = rows_of(made.found(window_days=7), "invalid", by="instrument_id")
    assert [(row["n"], row["k"]) for row in rows] == [(50, 0)]
    rows = rows_of(made.found(window_days=8), "invalid", by="instrument_id")
    assert [(row["n"], row["k"]) for row in rows] == [(100, 50)]


def test_all_invalid() -> None:
    made = Made()
    for number in range(4):
        run = made.run(f"R{number}", BEGAN + timedelta(number))
        for well in range(20):
            made.sample(f"S{number}-{well}", f"T{number}-{well}", "pending")
            made.call(run, f"T{number}-{well}", "invalid", ["plate_controls"] if number < 2 else ["internal_control"])
    found = made.found()
    (failed,) = rows_of(found, "failed_runs", by="instrument_id")
    assert (failed["n"], failed["k"], failed["verdict"]) == (4, 2, "out of control")
    (invalid,) = rows_of(found, "invalid", by="instrument_id")
    assert (invalid["n"], invalid["k"], invalid["verdict"]) == (40, 40, "out of control")
    # Nothing was validly read, so nothing is known of positivity.
    assert {row["what"] for row in found.rates.to_pylist()} == {"invalid", "failed_runs"}


def test_calls_of_a_run_that_is_not_known_are_left_out() -> None:
    made = Made()
    called(made, made.run("R1", BEGAN), 1, 9)
    called(made, "nowhere", 9, 1)
    (row,) = rows_of(made.found(), "invalid", by="day")
    assert (row["n"], row["k"]) == (10, 1)
