"""Registrations that do not add up: every sample still has a result, and the finding names who it is about."""

from pathlib import Path

import pytest

from poolkit import FormatError, SchemaError
from tests.validation.bench import AS_IT_IS, EVERYBODY, IN_T1, IN_T2, IN_T3, Handed, Keeper, swab


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def test_the_day_itself_is_sound(keeper: Keeper, tmp_path: Path) -> None:
    taken = keeper.take(Handed().write(tmp_path / "day"))
    assert taken.status == AS_IT_IS
    assert taken.findings == {}
    assert taken.orders == dict.fromkeys(IN_T2, ("recollect", "positive_pool"))


def test_the_same_row_twice(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.samples.append(dict(day.sample("S01")))
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == AS_IT_IS
    assert taken.findings == {("duplicate_sample", "S01", "U01"): "warning"}


def test_one_barcode_for_two_subjects(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.samples.append(swab(1, "T1", 9) | {"subject_id": "U99", "slot": "11"})
    day.samples.append(swab(11, "T2", 1) | {"subject_id": "U98", "slot": "4"})
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == AS_IT_IS | {"S01": "invalid", "S11": "suspect"}
    assert taken.orders == dict.fromkeys(IN_T2, ("recollect", "positive_pool")) | dict.fromkeys(
        ("S01", "S11"), ("recollect", "identity")
    )
    assert taken.results["S01"]["evidence"] is None
    assert taken.results["S01"]["subject_id"] == "U01"
    assert taken.findings == {
        ("duplicate_sample", "S01", "U01", "U99"): "error",
        ("duplicate_sample", "S11", "U11", "U98"): "error",
    }


def test_one_barcode_in_two_tubes(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.samples.append(swab(1, "T2", 4))
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == AS_IT_IS | {"S01": "suspect"}
    assert taken.findings == {("sample_in_two_tubes", "S01", "T1", "T2"): "error"}


def test_eleven_swabs_in_a_tube_of_ten(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.samples.append(swab(15, "T1", 11))
    taken = keeper.take(day.write(tmp_path / "day"), 15)
    assert taken.status == AS_IT_IS | dict.fromkeys([*IN_T1, "S15"], "invalid")
    assert {taken.orders[sample] for sample in [*IN_T1, "S15"]} == {("recollect", "unusable_pool")}
    assert taken.findings == {("tube_over_size", "T1"): "error"}
    assert "T1 holds 11 samples; the protocol validated 10" in taken.messages


def test_a_tube_that_is_positive_stays_so_when_it_is_too_full(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.samples += [swab(number, "T2", number) for number in range(15, 24)]
    taken = keeper.take(day.write(tmp_path / "day"), 23)
    assert {status for sample, status in taken.status.items() if sample not in (*IN_T1, *IN_T3)} == {"suspect"}
    assert taken.findings == {("tube_over_size", "T2"): "error"}


def test_a_slot_twice(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.sample("S02")["slot"] = "1"
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == AS_IT_IS
    assert taken.findings == {("slot_twice", "T1", "S01", "S02"): "error"}


def test_two_kinds_in_one_tube(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.sample("S02")["kind"] = "packaging"
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == AS_IT_IS | dict.fromkeys(IN_T1, "invalid")
    assert taken.findings == {("mixed_kinds", "T1"): "error"}
    assert "T1 holds packaging and person; expected one kind" in taken.messages


def test_tubes_mixed_again(keeper: Keeper, tmp_path: Path) -> None:
    """A laboratory pool of one swab of a shared tube and a single: its negative clears nobody."""
    day = Handed()
    day.mix("M1", "S01", "S14")
    day.wells[2]["specimen_id"] = "M1"
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == AS_IT_IS | {"S01": "invalid", "S14": "invalid"}
    assert taken.orders["S14"] == ("retest", "unusable_pool")
    assert taken.findings == {("repooled", "M1", "S01"): "error"}


def test_a_pool_with_the_barcode_of_a_tube(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.mix("T3", "S14", "S13")
    words = keeper.refuse(day.write(tmp_path / "day"), SchemaError)
    assert "not a 'pools' batch" in words
    assert "pool_id: is also a registered tube: T3" in words


def test_a_member_that_nobody_registered(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.mix("M1", "S14", "S77")
    day.members.append({"pool_id": "M9", "sample_id": "S13", "slot": "1", "volume_ul": ""})
    day.wells[2]["specimen_id"] = "M1"
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.findings == {("unknown_member", "M1", "S77"): "error", ("unknown_member", "M9", "S13"): "error"}
    assert taken.status["S14"] == "negative"


def test_an_unknown_kind(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.sample("S04")["kind"] = "drink"
    folder = day.write(tmp_path / "day")
    words = keeper.refuse(folder, SchemaError)
    assert words.startswith(f"{folder / 'samples.csv'}: not a 'samples' batch, 1 problem(s):")
    assert "kind: must be one of person, food, packaging, environment, found 'drink' (rows 3)" in words


def test_every_broken_rule_of_a_table_at_once(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.sample("S04")["kind"] = "drink"
    day.sample("S05")["slot"] = "0"
    day.sample("S06")["subject_id"] = ""
    words = keeper.refuse(day.write(tmp_path / "day"), SchemaError)
    assert "3 problem(s)" in words
    assert "slot: must be at least 1, found 0 (rows 4)" in words
    assert "subject_id: must not be null (rows 5)" in words


@pytest.mark.parametrize("slot", ["40000", "first", "1.5"])
def test_a_slot_that_is_no_number(keeper: Keeper, tmp_path: Path, slot: str) -> None:
    day = Handed()
    day.sample("S05")["slot"] = slot
    folder = day.write(tmp_path / "day")
    words = keeper.refuse(folder, FormatError)
    assert words.startswith(f"{folder / 'samples.csv'}: cannot be read")
    assert f"line 6, slot: expected a whole number below 32768, found '{slot}'" in words


@pytest.mark.parametrize(("table", "name"), [("samples", "sample_id"), ("samples", "tube_id"), ("wells", "plate_id")])
def test_an_empty_id_in_csv_is_a_missing_one(keeper: Keeper, tmp_path: Path, table: str, name: str) -> None:
    day = Handed()
    getattr(day, table)[2][name] = ""
    folder = day.write(tmp_path / "day")
    words = keeper.refuse(folder, SchemaError)
    assert words.startswith(f"{folder / table}.csv: not a '{table}' batch")
    assert f"{name}: must not be null (rows 2)" in words


def test_a_missing_column(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    for row in day.samples:
        del row["subject_id"]
    words = keeper.refuse(day.write(tmp_path / "day"), FormatError)
    assert "line 1: missing column subject_id, found sample_id, site_id, collected_at" in words


@pytest.mark.parametrize("spelt", ["recolect_of", "recollect-of", "Recollect_of", "group_ids"])
def test_a_misspelt_optional_column(keeper: Keeper, tmp_path: Path, spelt: str) -> None:
    meant = "group_id" if spelt == "group_ids" else "recollect_of"
    day = Handed()
    for row in day.samples:
        row[spelt] = row.pop(meant)
    words = keeper.refuse(day.write(tmp_path / "day"), FormatError)
    assert f"line 1: unknown column {spelt}, expected {meant}" in words


def test_a_column_of_the_laboratory_s_own_is_let_be(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    for row in day.samples:
        row["remark"] = "first of the morning"
    assert keeper.take(day.write(tmp_path / "day")).status == AS_IT_IS


@pytest.mark.parametrize("columns", ["twice", "one"])
def test_a_column_twice(keeper: Keeper, tmp_path: Path, columns: str) -> None:
    folder = Handed().write(tmp_path / "day")
    path = folder / "samples.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    more = [",tube_id", *[",T1" for _ in EVERYBODY]] if columns == "twice" else [",remark", *["," for _ in EVERYBODY]]
    path.write_text("".join(f"{line}{end}\n" for line, end in zip(lines, more, strict=True)), encoding="utf-8")
    if columns == "twice":
        assert "line 1: column tube_id stands twice" in keeper.refuse(folder, FormatError)
    else:
        assert keeper.take(folder).status == AS_IT_IS
