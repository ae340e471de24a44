"""`poolkit compare` says what `compare_designs` finds."""

import pytest

import poolkit as pk
from tests.cli.commands import document, poolkit

NAMES = ("array-4x6", "hierarchical-12-4-1")


def asked(*words):
    return ["compare", 24, *words, *(word for name in NAMES for word in ("--design", name))]


@pytest.mark.parametrize("words", [("--max-positives", 1), ("--prevalence", 0.05)])
def test_the_document_is_the_table(words):
    rows = document(*asked(*words))
    table = pk.compare_designs(24, designs=NAMES, **{words[0][2:].replace("-", "_"): words[1]})
    assert [list(row) for row in rows] == [list(table.columns)] * 2
    assert [row["design"] for row in rows] == table["design"].tolist()
    assert [row["expected_tests"] for row in rows] == table["expected_tests"].tolist()
    assert [row["standard_error"] for row in rows] == [None, None]


def test_the_screen_says_what_was_promised_and_what_was_simulated():
    said = poolkit(*asked("--max-positives", 1)).stdout
    assert said.startswith("24 samples, at most 1 infected\n")
    assert "array-4x6" in said
    assert said.endswith("holds as long as no more than 1 are infected\n")
    said = poolkit(*asked("--prevalence", 0.05, "--specificity", 0.98)).stdout
    assert said.endswith("± standard error: simulated; all others are exact\n")
    assert "infected" not in said


def test_limits_are_passed_on():
    rows = document(*asked("--max-positives", 1, "--max-pool", 6, "--max-rounds", 1))
    assert [row["design"] for row in rows] == ["array-4x6"]


def test_nothing_to_compare():
    refused = document("compare", 24, status=2)
    assert "prevalence: give either max_positives or a prevalence" in refused["error"]["message"]
