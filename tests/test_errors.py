"""The error texts, as a user reads them."""

import pickle

import pytest

from poolkit import errors
from poolkit.errors import PoolkitError, Problem, SchemaError, some

FAMILY = ["SchemaError", "FormatError", "DesignError", "ProtocolError", "ControlError", "TraceError"]


@pytest.mark.parametrize("name", FAMILY)
def test_every_error_is_a_poolkit_error_and_says_whose_fault_it_is(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, PoolkitError)
    assert kind.__doc__.endswith(".")
    assert not issubclass(kind, ValueError | AssertionError)


def test_the_family_is_complete() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, PoolkitError)]
    assert sorted(each.__name__ for each in kinds) == sorted(["PoolkitError", *FAMILY])


def test_the_text_of_the_house() -> None:
    problems = [
        Problem("pool_id", "must not be null", (1,)),
        Problem("target", "missing, expected string"),
        Problem("ct_cycles", "must be float64 (found string)"),
    ]
    assert str(SchemaError("not a 'readings' batch", problems)) == (
        "not a 'readings' batch, 3 problem(s):\n"
        "  - pool_id: must not be null (rows 1)\n"
        "  - target: missing, expected string\n"
        "  - ct_cycles: must be float64 (found string)"
    )


def test_title_alone() -> None:
    error = PoolkitError("the store is in use")
    assert str(error) == "the store is in use"
    assert error.title == "the store is in use"
    assert error.problems == ()


def test_problems_are_kept_as_a_tuple() -> None:
    given = [Problem("a", "b")]
    error = SchemaError("title", given)
    given.clear()
    assert error.problems == (Problem("a", "b"),)


def test_an_error_survives_pickling() -> None:
    error = SchemaError("title", [Problem("a", "b", (3, 4))])
    again = pickle.loads(pickle.dumps(error))  # a worker process hands it over so
    assert type(again) is SchemaError
    assert (again.title, again.problems, str(again)) == (error.title, error.problems, str(error))


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ((), "well: is off the plate"),
        ((0,), "well: is off the plate (rows 0)"),
        (tuple(range(10)), "well: is off the plate (rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"),
        (tuple(range(11)), "well: is off the plate (rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1 more)"),
        (tuple(range(5000)), "well: is off the plate (rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 4990 more)"),
    ],
)
def test_rows_of_a_problem(rows: tuple[int, ...], text: str) -> None:
    assert str(Problem("well", "is off the plate", rows)) == text


def test_problems_compare_by_value() -> None:
    assert Problem("a", "b", (1,)) == Problem("a", "b", (1,))
    assert Problem("a", "b", (1,)) != Problem("a", "b", (2,))
    assert len({Problem("a", "b"), Problem("a", "b")}) == 1
    with pytest.raises(AttributeError):
        Problem("a", "b").what = "c"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "shown", "text"),
    [
        ([], 10, ""),
        (["A01"], 10, "A01"),
        (["A01", "A02"], 2, "A01, A02"),
        (["A01", "A02", "A03"], 2, "A01, A02 and 1 more"),
        (iter(["A01", "A02", "A03"]), 1, "A01 and 2 more"),
    ],
)
def test_some(values: list[str], shown: int, text: str) -> None:
    assert some(values, shown) == text
