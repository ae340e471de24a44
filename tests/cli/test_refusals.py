"""What cannot be used: exit code 2, the error's text on standard error, no traceback."""

from pathlib import Path

import pytest

import poolkit as library
from poolkit.cli import app
from tests.cli.commands import document, poolkit
from tests.cli.conftest import Lab

STORE_VERBS = [("results", "--out", "x.csv"), ("orders",), ("findings",), ("trace", "S1")]


def refused(*words: object) -> str:
    """Return the message; the same is said to programs."""
    done = poolkit(*words, status=2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    error = document(*words, status=2)["error"]
    assert done.stderr == f"{error['message']}\n"
    assert {each["where"] for each in error["problems"]} == {
        each["where"] for each in error["problems"] if each["what"]
    }
    assert error["kind"].endswith("Error")
    return error["message"]


@pytest.mark.parametrize("words", STORE_VERBS, ids=lambda words: words[0])
def test_a_store_that_is_not_there(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert "not a store" in refused(*words, "--store", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_an_unknown_id(lab: Lab) -> None:
    assert "S-unknown: expected the id of a sample" in refused("trace", "S-unknown", "--store", lab.store)


def test_an_unknown_protocol(lab: Lab, tmp_path: Path) -> None:
    for words in (
        ("protocols", "cn-30in1"),
        ("run", lab.folder / "day", "--store", tmp_path / "new", "--protocol", "cn-30in1"),
        ("plate", lab.folder / "day", "--protocol", "cn-30in1"),
    ):
        assert "no protocol is called 'cn-30in1'" in refused(*words)
    assert "cannot be read" in refused("protocols", tmp_path / "none.toml")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "not a day folder" in refused("run", tmp_path / "none", "--store", tmp_path / "store")
    assert not (tmp_path / "store").exists()
    assert "not a day folder" in refused("plate", tmp_path / "none")


def test_a_folder_without_samples(tmp_path: Path) -> None:
    assert "missing, expected one of samples.parquet, samples.arrow, samples.csv" in refused("plate", tmp_path)
    assert "samples: missing" in refused("run", tmp_path, "--store", tmp_path / "store")


def test_a_table_that_is_broken_names_all_that_is_wrong(tmp_path: Path) -> None:
    library.write_day(library.simulate_day(20, 0.0, 1).day, tmp_path, suffix=".csv")
    file = tmp_path / "samples.csv"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("person", "robot", 1).replace(",1,", ",one,", 1), encoding="utf-8")
    assert "line 2, slot: expected a whole number" in refused("run", tmp_path, "--store", tmp_path / "store")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--at", "noon"), "--at: expected a time as 2022-04-01T08:30:00+08:00, found 'noon'"),
        (("--at", "2022-04-02T08:00"), "--at: expected an offset"),
        (("--zone", "Mars/Olympus"), "--zone: expected an IANA name as Asia/Shanghai, found 'Mars/Olympus'"),
        (("--zone", "../etc"), "--zone: expected an IANA name"),
    ],
)
def test_a_time_that_says_nothing(lab: Lab, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    assert says in refused("run", lab.folder / "day", "--store", tmp_path / "store", *words)
    assert not (tmp_path / "store").exists()


def test_a_file_that_cannot_be_written(lab: Lab, tmp_path: Path) -> None:
    for words in (("results",), ("orders",), ("findings",)):
        assert "found '.xlsx'" in refused(*words, "--store", lab.store, "--out", tmp_path / "x.xlsx")
        assert "cannot be used" in refused(*words, "--store", lab.store, "--out", tmp_path / "none" / "x.csv")


def test_numbers_out_of_range(tmp_path: Path) -> None:
    words = ("simulate", "--samples", 10, "--prevalence", 2, "--seed", 1, "--out", tmp_path / "new")
    assert "prevalence: must be between 0 and 1, found 2.0" in refused(*words)
    assert not (tmp_path / "new").exists()
    assert "n_samples: must be between" in refused("demo", "--samples", 10**9)


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    assert "found a file" in refused("demo", "--samples", 10, "--out", file)
    assert "not a store" in refused("run", tmp_path, "--store", file)


@pytest.mark.parametrize(
    "words",
    [
        ("run",),
        ("no-such-verb",),
        ("trace", "S1"),
        ("orders", "--store", "x", "--action", "wait"),
        ("plate", "x", "--wells", "24"),
        ("simulate", "--samples", "many"),
        ("demo", "--samples", "0"),
    ],
)
def test_wrong_usage(words: tuple[str, ...]) -> None:
    done = poolkit(*words, status=2)
    assert done.stdout == ""
    assert "Usage: " in done.stderr


def test_a_defect_is_not_hidden(lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object, **__: object) -> None:
        raise AssertionError("samples are not conserved")

    monkeypatch.setattr("poolkit.lab.Lab.orders", broken)
    with pytest.raises(AssertionError, match="not conserved"):
        poolkit("orders", "--store", lab.store)
    monkeypatch.setattr("sys.argv", ["poolkit", "orders", "--store", str(lab.store)])
    with pytest.raises(SystemExit) as left:
        app.main()
    assert left.value.code == app.DEFECT == 70
    assert "samples are not conserved" in capsys.readouterr().err
