"""Identity numbers stop at the door: in no byte of the store, in no message, in no error and in no error behind one."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

import poolkit
from poolkit import KeyRing, Lab, PoolkitError, SchemaError, TraceError
from poolkit.lab.door import is_identity, pseudonymised
from poolkit.schemas import SAMPLES, Day
from poolkit.trace.keys import canonical_id
from tests.cli.commands import poolkit as command

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def identity(number: int) -> str:
    """A number of the right form that nobody bears: there is no region 999999, and nobody was born in 1800."""
    digits = f"9999991800{1 + number // 28 % 12:02}{1 + number % 28:02}{number % 1000:03}"
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, digits, strict=True))
    return digits + "10X98765432"[total % 11]


class Clear:
    """A day whose subjects are identity numbers, and the numbers."""

    def __init__(self) -> None:
        self.made = poolkit.simulate_day(120, 0.05, seed=4)
        subjects = list(dict.fromkeys(self.made.day.samples["subject_id"].to_pylist()))
        self.of = {subject: identity(number) for number, subject in enumerate(subjects)}
        self.numbers = sorted(set(self.of.values()))
        samples = self.made.day.samples
        column = pa.array([self.of[each] for each in samples["subject_id"].to_pylist()])
        place = samples.schema.get_field_index("subject_id")
        self.day: Day = replace(self.made.day, samples=samples.set_column(place, "subject_id", column))

    def stand_in(self, text: str) -> list[str]:
        return [number for number in self.numbers if number in text]


@pytest.fixture(scope="module")
def clear() -> Clear:
    return Clear()


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing.new(tmp_path / "lab.key")


def test_the_numbers_of_these_tests_have_the_right_form(clear: Clear) -> None:
    assert len(clear.numbers) > 50
    assert all(is_identity(number) for number in clear.numbers)
    other = {"0": "1", "X": "2"}.get(clear.numbers[0][-1], "0")
    assert not is_identity(clear.numbers[0][:-1] + other)
    assert not is_identity("999999180013010014")


def bytes_below(folder: Path) -> Iterator[bytes]:
    return (path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_no_number_is_in_the_store(
    clear: Clear, ring: KeyRing, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    poolkit.write_day(clear.day, tmp_path / "day")
    with Lab.open(tmp_path / "store", keys=ring) as lab:
        lab.run(tmp_path / "day")
        person = lab.results().to_pylist()[0]
        assert person["subject_id"].startswith(f"{ring.current.key_id}.")
        # Whoever has the key asks by the number, and nobody else can.
        number = clear.of[clear.made.day.samples["subject_id"][0].as_py()]
        asked = lab.trace(number)
        assert person["sample_id"] in asked["sample_id"].to_pylist()
        assert not clear.stand_in(str(asked.to_pylist()))
        assert not clear.stand_in(lab.trace_picture(number))
        with pytest.raises(TraceError) as caught:
            lab.trace(identity(999))
        assert identity(999) not in str(caught.value)
    with Lab.open(tmp_path / "store") as lab, pytest.raises(TraceError):
        lab.trace(number)
    data = b"".join(bytes_below(tmp_path / "store"))
    assert person["subject_id"].encode() in data
    assert not [number for number in clear.numbers if number.encode() in data]
    assert not clear.stand_in("".join(capfd.readouterr()))


def spoil(change: Callable[[str], bytes]) -> Callable[[Path], None]:
    def spoilt(folder: Path) -> None:
        path = folder / "samples.csv"
        path.write_bytes(change(path.read_text(encoding="utf-8")))

    return spoilt


def columns_moved(text: str) -> bytes:
    """Let every value stand one column further to the right."""
    header, *lines = text.splitlines()
    return "\n".join([header, *(f"new,{line.rpartition(',')[0]}" for line in lines), ""]).encode()


BROKEN = {
    "cut": spoil(lambda text: text[: len(text) * 2 // 3].encode()),
    "UTF-16": spoil(lambda text: text.encode("utf-16")),
    "GBK": spoil(lambda text: text.replace("person", "人员", 1).encode("gbk")),
    "a line twice, once with another kind": spoil(
        lambda text: (text + text.splitlines()[1].replace("person", "nobody") + "\n").encode()
    ),
    "a field too many": spoil(lambda text: (text + text.splitlines()[1] + ",more\n").encode()),
    "no header": spoil(lambda text: text.partition("\n")[2].encode()),
    "no header, a line twice": spoil(lambda text: (text.splitlines()[1] + "\n" + text.partition("\n")[2]).encode()),
    "columns moved": spoil(columns_moved),
    "times without a zone": spoil(lambda text: text.replace("Z,", ",").replace("+00:00,", ",").encode()),
    "slots that are none": spoil(lambda text: text.replace(",1,", ",x,").encode()),
    "an identity number as a kind": spoil(lambda text: text.replace("person", identity(0), 1).encode()),
    "an identity number as a column": spoil(lambda text: text.replace("subject_id", identity(0), 1).encode()),
    "an identity number as a slot": spoil(lambda text: text.replace(",1,", f",{identity(0)},", 1).encode()),
}


def everything_said(reason: BaseException | None) -> str:
    said = ""
    while reason is not None:
        said += f"{reason!r} {reason} "
        reason = reason.__cause__ or reason.__context__
    return said


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("keyed", [True, False])
def test_no_number_is_in_an_error(
    clear: Clear, ring: KeyRing, tmp_path: Path, capfd: pytest.CaptureFixture[str], how: str, keyed: bool
) -> None:
    folder = tmp_path / "day"
    poolkit.write_day(clear.day, folder, suffix=".csv")
    BROKEN[how](folder)
    with Lab.open(tmp_path / "store", keys=ring if keyed else None) as lab:
        try:
            lab.run(folder)
        except PoolkitError as reason:
            said = everything_said(reason)
        else:
            said = str(lab.findings().to_pylist())
            assert keyed
    assert not clear.stand_in(said), said
    assert not clear.stand_in("".join(capfd.readouterr()))
    assert not [number for number in clear.numbers if number.encode() in b"".join(bytes_below(tmp_path / "store"))]


def test_without_keys_numbers_are_refused_and_not_shown(clear: Clear, tmp_path: Path) -> None:
    poolkit.write_day(clear.day, tmp_path / "day")
    with Lab.open(tmp_path / "store") as lab:
        with pytest.raises(SchemaError, match="give the laboratory's keys with --key") as caught:
            lab.run(tmp_path / "day")
        assert not clear.stand_in(everything_said(caught.value))
        assert lab.commits() == []
    (problem,) = caught.value.problems
    assert problem.rows == tuple(range(120))


def test_numbers_that_a_spreadsheet_shortened(clear: Clear, ring: KeyRing, tmp_path: Path) -> None:
    samples = clear.day.samples
    place = samples.schema.get_field_index("subject_id")
    column = pa.array(["9.99999E+17", *samples["subject_id"].to_pylist()[1:]])
    for suffix in (".csv", ".parquet"):
        folder = tmp_path / f"day{suffix}"
        poolkit.write_day(
            replace(clear.day, samples=samples.set_column(place, "subject_id", column)), folder, suffix=suffix
        )
        with Lab.open(tmp_path / f"store {suffix}", keys=ring) as lab, pytest.raises(PoolkitError) as caught:
            lab.run(folder)
        assert "a spreadsheet shortened" in str(caught.value)
        assert "9.99999E+17" not in everything_said(caught.value)


def subjects(*texts: str | None) -> pa.Table:
    return pa.table({"subject_id": pa.array(texts, pa.string())})


def test_one_person_is_one_pseudonym(ring: KeyRing) -> None:
    number = identity(3)
    wide = "".join(chr(ord(digit) - ord("0") + 0xFF10) for digit in number if digit.isdigit())
    made = pseudonymised(subjects(number, f" {number.lower()} ", None, identity(4)), ring)["subject_id"].to_pylist()
    assert made[0] == made[1] != made[3]
    assert made[2] is None
    assert canonical_id(wide) == "".join(digit for digit in number if digit.isdigit())
    # What is a pseudonym already stays.
    assert pseudonymised(subjects(made[0]), ring)["subject_id"].to_pylist() == made[:1]


def test_a_person_keeps_the_pseudonym_of_an_older_key(clear: Clear, ring: KeyRing, tmp_path: Path) -> None:
    poolkit.write_day(clear.day, tmp_path / "day")
    with Lab.open(tmp_path / "store", keys=ring) as lab:
        lab.run(tmp_path / "day")
        evening = poolkit.simulate_evening(clear.made.day, clear.made.truth, lab.orders(), seed=4)
    again = [clear.of.get(each, identity(500)) for each in evening.samples["subject_id"].to_pylist()]
    place = evening.samples.schema.get_field_index("subject_id")
    samples = evening.samples.set_column(place, "subject_id", pa.array(again))
    assert samples.num_rows
    poolkit.write_day(replace(evening, samples=samples), tmp_path / "evening")
    rotated = ring.rotate()
    with Lab.open(tmp_path / "store", keys=rotated) as lab:
        lab.run(tmp_path / "evening")
        kinds = set(lab.findings()["kind"].to_pylist())
        people = set(lab.results()["subject_id"].to_pylist())
        # The day is under the older key, and asking for a number finds it there too.
        assert lab.trace(again[0]).num_rows
    assert "recollect_mismatch" not in kinds
    assert all(person.startswith(f"{ring.current.key_id}.") for person in people)


def test_a_large_day_goes_through_the_same_door(clear: Clear, ring: KeyRing, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("poolkit.lab.large.LARGE", 50)
        folder = tmp_path / "day"
        poolkit.write_day(clear.day, folder)
        pa.parquet.write_table(clear.day.samples, folder / "samples.parquet", row_group_size=40)
        with Lab.open(tmp_path / "large", keys=ring) as lab:
            lab.run(folder)
            large = {row["sample_id"]: row["subject_id"] for row in lab.results().to_pylist()}
        with Lab.open(tmp_path / "refused") as lab, pytest.raises(SchemaError, match="give the laboratory's keys"):
            lab.run(folder)
    with Lab.open(tmp_path / "whole", keys=ring) as lab:
        lab.run(folder)
        assert large == {row["sample_id"]: row["subject_id"] for row in lab.results().to_pylist()}
    assert not [number for number in clear.numbers if number.encode() in b"".join(bytes_below(tmp_path / "large"))]


@pytest.mark.parametrize("column", [*SAMPLES.names, "another"])
@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.int64(), pa.float64(), pa.dictionary(pa.int32(), pa.string())]
)
def test_no_number_in_parquet_is_in_an_error(clear: Clear, tmp_path: Path, column: str, kind: pa.DataType) -> None:
    samples = clear.made.day.samples
    numbers = pa.array([identity(100)] * samples.num_rows)
    if not pa.types.is_dictionary(kind) and not pa.types.is_large_string(kind):
        numbers = pa.array([int(identity(0))] * samples.num_rows).cast(kind, safe=False)
    folder = tmp_path / "day"
    poolkit.write_day(clear.made.day, folder)
    names = [*samples.column_names, "another"]
    moved = samples.append_column("another", numbers).set_column(names.index(column), column, numbers.cast(kind))
    pa.parquet.write_table(moved, folder / "samples.parquet")
    with Lab.open(tmp_path / "store") as lab:
        if column == "another":
            lab.run(folder)
            said = ""
        else:
            with pytest.raises(PoolkitError) as caught:
                lab.run(folder)
            said = everything_said(caught.value)
    known = [identity(0), identity(100)]
    assert not [number for number in known if number in said], said
    assert not [number for number in known if number.encode() in b"".join(bytes_below(tmp_path / "store"))]


WIDE = {ord(sign): ord(sign) + 0xFEE0 for sign in "0123456789X"}
WRITTEN = {
    "wide": lambda number: number.translate(WIDE),
    "partly wide": lambda number: number[:6].translate(WIDE) + number[6:],
    "wide, a plain check digit": lambda number: number[:17].translate(WIDE) + number[17:],
    "spaces around": lambda number: f"  {number}      ",
    "wide, spaces around": lambda number: f" {number.translate(WIDE)} ",
    "a space that does not break": lambda number: f"\u00a0{number}",
    "a wide space": lambda number: f"\u3000{number}",
    "a mark without width": lambda number: f"{number}\u200b",
    "a byte order mark": lambda number: f"\ufeff{number}",
    "marks of direction": lambda number: f"\u202d{number}\u202c",
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_number_however_written_is_refused_without_keys_and_one_person_with(ring: KeyRing, how: str) -> None:
    written = WRITTEN[how](identity(7))
    assert written != identity(7)
    with pytest.raises(SchemaError, match="identity numbers in clear"):
        pseudonymised(subjects("P1", written), None)
    made = pseudonymised(subjects(identity(7), written), ring)["subject_id"].to_pylist()
    assert made[0] == made[1]


def test_a_pseudonym_of_another_key_is_refused(ring: KeyRing, tmp_path: Path) -> None:
    other = KeyRing.new(tmp_path / "other.key")
    foreign = pseudonymised(subjects(identity(3)), other)["subject_id"].to_pylist()[0]
    with pytest.raises(SchemaError, match=f"not at hand: {other.current.key_id}") as caught:
        pseudonymised(subjects(identity(3), foreign, foreign), ring)
    assert caught.value.problems[0].rows == (1, 2)
    # Without keys it is a pseudonym as any other.
    assert pseudonymised(subjects(foreign), None)["subject_id"].to_pylist() == [foreign]


def test_who_asks_by_number_is_not_told_it(clear: Clear, ring: KeyRing, tmp_path: Path) -> None:
    poolkit.write_day(clear.day, tmp_path / "day")
    store = tmp_path / "store"
    with Lab.open(store, keys=ring) as lab:
        lab.run(tmp_path / "day")
        person = lab.results()["subject_id"][0].as_py()
    number = clear.of[clear.made.day.samples["subject_id"][0].as_py()]
    asked = command("trace", number, "--store", store, "--key", ring.path)
    assert person in asked.stdout.replace("\n", "")
    words = [("trace", number), ("journey", number), ("prove", number)]
    words.append(("amend", number, "--status", "negative", "--reason", "seen", "--actor", "Li"))
    refused = [command(*each, "--store", store, status=2) for each in words]
    assert all("expected" in done.stderr for done in refused)
    assert not clear.stand_in("".join(done.stdout + done.stderr for done in [asked, *refused]))


def test_keys_do_not_lie_beside_data_that_stands_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    ring = KeyRing.new(tmp_path / "data" / "lab.key")
    with pytest.raises(TraceError, match="expected a place outside the store"):
        Lab.open(tmp_path / "store", data=str(tmp_path / "data"), keys=ring)


def test_keys_do_not_lie_in_the_store(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    KeyRing.new(tmp_path / "store" / "lab.key")
    with pytest.raises(TraceError, match="expected a place outside the store"):
        Lab.open(tmp_path / "store", keys=tmp_path / "store" / "lab.key")
