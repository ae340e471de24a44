"""`poolkit required`: the table, the picture and the document say what `required` and `verify_required` find."""

import pytest

from poolkit.planning import required, verify_required
from tests.cli.commands import document, poolkit

SMALL = ("required", "--people", 1_000, "--within", "12h")


def test_the_document_is_the_answer():
    told = document("required", "--people", 1_000_000, "--within", "1d", "--pool-size", 10, "--prevalence", 0.001)
    answer = required(1_000_000, within="24h", pool_size=10, prevalence=0.001)
    assert told == document("required")
    assert {row["resource"]: row["least"] for row in told["resources"]} == answer.least
    assert (told["bottleneck"], told["next_bottleneck"]) == (answer.bottleneck, answer.next_bottleneck)
    assert (told["tubes"], told["retests"]) == (answer.demand.tubes, answer.demand.retests)
    assert (told["hours"], told["people_served"], told["verified"], told["picture"]) == (24.0, None, None, None)
    assert told["unverified"] == answer.assumptions.loc[~answer.assumptions["verified"], "name"].tolist()


def test_the_screen_says_what_binds_and_what_is_unverified():
    said = poolkit("required").stdout
    assert said.startswith("1,000,000 people in 24 h, 10 a tube, prevalence 0.001\n")
    rows = {line.rsplit("  ", 3)[0].split("  ")[0]: line.split() for line in said.splitlines()}
    assert rows["cyclers"] == ["cyclers", "amplification", "106", "84", "binds", "next"]
    assert rows["readers"][-1] == "binds"
    assert "missing" not in said
    assert "of 22 values are not verified: sampling_hours, " in said
    assert "--verify simulates it" in said


def test_what_there_is_and_what_is_supposed():
    words = ("--have", "cyclers=64", "--have", "extractors=1_000", "--have", "table staff=9,000", "--set", "use=0.7")
    told = document("required", *words)
    answer = required(have={"cyclers": 64, "extractors": 1000, "table staff": 9000}, values={"use": 0.7})
    assert told["people_served"] == answer.people_served
    rows = {row["resource"]: row for row in told["resources"]}
    assert rows["cyclers"]["missing"] == answer.least["cyclers"] - 64
    assert (rows["extractors"]["have"], rows["sites"]["have"]) == (1000.0, None)
    said = poolkit("required", *words).stdout
    assert "missing" in said
    assert f"what there is serves {answer.people_served:,.0f} people in 24 h: cyclers bind first" in said


@pytest.mark.parametrize(
    ("within", "words", "whom"), [("24h", (), "everybody"), ("12h", ("--first-pass",), "first pass")]
)
def test_verified_by_the_simulator(within, words, whom):
    told = document("required", "--people", 1_000, "--within", within, "--verify", *words, "--seed", 1)
    found = verify_required(required(1_000, within=within), seed=1, whom=whom)
    assert {row["resource"]: row["needed"] for row in told["verified"]["resources"]} == found.needed
    assert told["verified"]["last_hour"] == found.last_hour <= told["hours"]
    assert told["verified"]["n_runs"] == found.n_runs
    assert "retest_minutes" in told["unverified"]


def test_the_screen_says_what_was_simulated():
    said = poolkit(*SMALL, "--verify", "--first-pass", "--seed", 1).stdout
    found = verify_required(required(1_000, within="12h"), seed=1, whom="first pass")
    assert f"simulated: the last result of the first pass comes at {found.last_hour:.1f} h, with the least at " in said
    assert "simulated" in said.splitlines()[1]
    assert "--verify" not in said


@pytest.mark.parametrize(("suffix", "first"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_the_picture(tmp_path, suffix, first):
    path = tmp_path / f"required{suffix}"
    assert poolkit("required", "--picture", path).stdout.endswith(f"drawn in {path}\n")
    assert path.read_bytes().startswith(first)


def test_what_cannot_be_answered(tmp_path):
    wrong = ["--have", "cyclers=many", "--have", "cars", "--have", "readers=1.5", "--set", "use=1", "--set", "use=2"]
    error = document("required", *wrong, "--first-pass", status=2)["error"]
    assert [each["where"] for each in error["problems"]] == ["cyclers", "cars", "use", "readers", "first-pass"]
    assert "cars: must be like cyclers=64" in error["message"]
    assert "readers: must be a whole number, found 1.5" in error["message"]
    error = document("required", "--within", "soon", "--people", 0, "--set", "cats=1", status=2)["error"]
    assert {each["where"] for each in error["problems"]} == {"people", "within", "values"}
    assert "unknown 'cars'" in document("required", "--have", "cars=3", status=2)["error"]["message"]
    short = document("required", "--people", 2_000, "--within", "2h", "--verify", status=2)["error"]
    assert "2 h are too short" in short["message"]
    error = document("required", "--picture", tmp_path / "x.bmp", status=2)["error"]
    assert "suffix: expected one of .png, .svg, .pdf, found '.bmp'" in error["message"]
