"""Clock times of exports become the right moment, or are refused."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit.formats.instruments import read_instrument
from poolkit.formats.instruments.times import span, to_utc
from tests.formats.instruments.written import CSV_HEADER, design_csv, error, put


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# The last column is worked out by hand from the zone's offset.
@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("2020-04-18 09:00:39 PM PDT", "2020-04-19 04:00:39"),
        ("2020-11-24 04:20:35 PM SAST", "2020-11-24 14:20:35"),
        ("2001-12-31 09:09:19 PM EST", "2002-01-01 02:09:19"),
        ("2010-10-01 01:44:54 AM EDT", "2010-10-01 05:44:54"),
        ("2020-04-03 21:11:24 PM PDT", "2020-04-04 04:11:24"),
        ("2020-07-01 12:30:00 PM CDT", "2020-07-01 17:30:00"),
        ("2020-07-01 12:30:00 AM CEST", "2020-06-30 22:30:00"),
        ("2020-07-01 00:30:00 AM UTC", "2020-07-01 00:30:00"),
        ("2020-07-01 00:30:00 GMT", "2020-07-01 00:30:00"),
        ("2020-07-01T00:30:00Z", "2020-07-01 00:30:00"),
        ("2020/07/01 08:30 JST", "2020-06-30 23:30:00"),
        ("2020-07-01 08:30:00 PM GMT+08:00", "2020-07-01 12:30:00"),
        ("2020-07-01 08:30:00 -0330", "2020-07-01 12:00:00"),
        ("2020-07-01 08:30:00 UTC+8", "2020-07-01 00:30:00"),
        ("2020-07-01 08:30:00 ACST", "2020-06-30 23:00:00"),
    ],
)
def test_a_time_with_its_zone(shown: str, expected: str) -> None:
    assert to_utc(shown, None) == moment(expected)


@pytest.mark.parametrize(
    ("shown", "zone", "expected"),
    [
        ("2020-07-01 08:30:00", "Asia/Shanghai", "2020-07-01 00:30:00"),
        ("2020-07-01 08:30:00 下午", "Asia/Shanghai", "2020-07-01 12:30:00"),
        ("2020-07-01 08:30:00 PM CST", "Asia/Shanghai", "2020-07-01 12:30:00"),
        ("2020-01-01 08:30:00 PM CST", "America/Chicago", "2020-01-02 02:30:00"),
        ("2020-07-01 08:30:00 IST", "Asia/Kolkata", "2020-07-01 03:00:00"),
        ("2020-07-01 08:30:00 BST", "Asia/Dhaka", "2020-07-01 02:30:00"),
        # A plain zone in the file counts before the caller's, unless the caller's goes by the same letters.
        ("2020-07-01 08:30:00 PDT", "Asia/Shanghai", "2020-07-01 15:30:00"),
        ("2020-01-01 08:30:00 PST", "Asia/Manila", "2020-01-01 00:30:00"),
        # The hour that autumn repeats: the letters tell which.
        ("2020-11-01 01:30:00 AM CDT", "America/Chicago", "2020-11-01 06:30:00"),
        ("2020-11-01 01:30:00 AM CST", "America/Chicago", "2020-11-01 07:30:00"),
    ],
)
def test_a_time_with_the_callers_zone(shown: str, zone: str, expected: str) -> None:
    assert to_utc(shown, ZoneInfo(zone)) == moment(expected)


def test_a_date_cell_of_a_workbook() -> None:
    cell = datetime.fromisoformat("2020-07-01 08:30:00")
    assert to_utc(cell, ZoneInfo("Asia/Shanghai")) == moment("2020-07-01 00:30:00")
    assert to_utc(cell.replace(tzinfo=UTC), None) == moment("2020-07-01 08:30:00")
    with pytest.raises(ValueError, match=r"^has no time zone: give zone="):
        to_utc(cell, None)


@pytest.mark.parametrize(
    ("shown", "zone", "words"),
    [
        ("2020-07-01 08:30:00", None, r"has no time zone: give zone=.*\(found '2020-07-01 08:30:00'\)"),
        ("2020-07-01 08:30:00 PM CST", None, "the zone 'CST' is not one offset: give zone="),
        ("2020-07-01 08:30:00 XYZ", None, "the zone 'XYZ' is not one offset: give zone="),
        (
            "2020-01-01 08:30:00 CST",
            "Europe/Paris",
            "the file says CST, which Europe/Paris is not at 2020-01-01 08:30:00",
        ),
        ("2020-10-25 02:30:00", "Europe/Paris", "comes twice in Europe/Paris"),
        ("2020-03-29 02:30:00", "Europe/Paris", "comes never in Europe/Paris"),
        ("2020-07-01 13:30:00 AM UTC", None, "an hour above 12 cannot be AM"),
        ("2020-07-01 00:30:00 PM UTC", None, "hour 0 cannot be PM"),
        ("2020-13-01 00:30:00 UTC", None, "month must be in"),
        ("09-27-2010 10:00:00 AM EDT", None, "expected a time such as"),
        ("", None, "expected a time such as"),
    ],
)
def test_a_time_that_cannot_be_known(shown: str, zone: str | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        to_utc(shown, ZoneInfo(zone) if zone else None)


CLOCKS = st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2040-01-01"))


@given(at=CLOCKS, zone=st.sampled_from(["Asia/Shanghai", "UTC"]))
def test_twelve_and_twenty_four_hour_clocks_agree(at: datetime, zone: str) -> None:
    at = at.replace(microsecond=0)
    known = ZoneInfo(zone)
    expected = at.replace(tzinfo=known).astimezone(UTC)
    assert to_utc(at.strftime("%Y-%m-%d %H:%M:%S"), known) == expected
    assert to_utc(at.strftime("%Y-%m-%d %I:%M:%S %p"), known) == expected
    assert to_utc(at.strftime("%Y-%m-%d %H:%M:%S %p"), known) == expected


def test_durations() -> None:
    seconds = [span(text).total_seconds() for text in ("112 minutes 22 seconds", "1 hour 2 min", "3 hrs", "45 sec")]
    assert seconds == [6742, 3720, 10800, 45]
    assert span("long") is None


START, END, TOOK = "Plate Run Start Date/Time", "Plate Run End Date/Time", "Run Duration"


@pytest.mark.parametrize(
    ("gone", "started_at", "ended_at"),
    [
        ((), "2020-04-19 02:08:17", "2020-04-19 04:00:39"),
        ((START,), "2020-04-19 02:08:17", "2020-04-19 04:00:39"),
        ((END,), "2020-04-19 02:08:17", "2020-04-19 04:00:39"),
        ((START, TOOK), "2020-04-19 04:00:39", "2020-04-19 04:00:39"),
    ],
)
def test_what_is_left_out_is_worked_out(tmp_path: Path, gone: tuple[str, ...], started_at: str, ended_at: str) -> None:
    header = {key: value for key, value in CSV_HEADER.items() if key not in gone}
    run = read_instrument(put(tmp_path, design_csv(header=header)))
    assert run.runs["started_at"].to_pylist() == [moment(started_at)]
    assert run.runs["ended_at"].to_pylist() == [moment(ended_at)]


def test_zone_is_asked_for_and_used(tmp_path: Path) -> None:
    header = CSV_HEADER | {START: "2020-04-18 07:08:17 PM", END: "2020-04-18 09:00:39 PM"}
    path = put(tmp_path, design_csv(header=header))
    assert "header, plate run end date/time: has no time zone: give zone=, e.g. zone='Asia/Shanghai'" in error(path)
    assert read_instrument(path, zone="Asia/Shanghai").runs["ended_at"].to_pylist() == [moment("2020-04-18 13:00:39")]
    assert "zone: expected an IANA time zone such as 'Asia/Shanghai', found 'Peking'" in error(path, zone="Peking")


def test_times_that_contradict(tmp_path: Path) -> None:
    header = CSV_HEADER | {START: CSV_HEADER[END], END: CSV_HEADER[START]}
    message = error(put(tmp_path, design_csv(header=header)))
    assert "the run ends at 2020-04-19 02:08:17 UTC, before its start at 2020-04-19 04:00:39 UTC" in message
    assert "run duration: expected such as '112 minutes 22 seconds', found 'long'" in error(
        put(tmp_path, design_csv(header=CSV_HEADER | {TOOK: "long"}))
    )


@pytest.mark.parametrize("word", ["Not Started", "NA", ""])
def test_a_run_that_was_never_started_has_no_end(tmp_path: Path, word: str) -> None:
    header = CSV_HEADER | {START: word, END: word}
    assert "does not say when the run ended" in error(put(tmp_path, design_csv(header=header)))
