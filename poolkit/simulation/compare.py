"""`compare_with_truth`: what was found of what is so."""

from typing import Any

import numpy as np

from poolkit.arrays import TextIndex, encode, plain
from poolkit.errors import Problem, SchemaError
from poolkit.schemas import RESULTS, STATUSES, conform
from poolkit.simulation.people import TRUTH


def compare_with_truth(truth: Any, results: Any) -> dict[str, dict[str, int]]:
    """Count the samples of a simulated day by what is so and what the laboratory said.

    Parameters
    ----------
    truth
        A `TRUTH` batch.
    results
        A results batch with every sample of the truth; further samples are not counted.

    Returns
    -------
    dict
        For ``infected`` and ``not_infected`` the number of samples of each status.

    Raises
    ------
    SchemaError
        When a batch is not what its table says, or a sample of the truth has no result.

    Examples
    --------
    >>> import poolkit
    >>> from poolkit.simulation import compare_with_truth
    >>> made = poolkit.simulate_day(1000, 0.01, seed=7, pooling="single", failures=poolkit.Failures.none())
    >>> found = compare_with_truth(made.truth, poolkit.process(made.day).results)
    >>> sum(found["infected"].values()), found["not_infected"]["positive"]
    (8, 0)
    """
    so, said = conform(truth, TRUTH), conform(results, RESULTS)
    row = TextIndex.of(plain(said["sample_id"])).find(plain(so["sample_id"]))
    without = np.flatnonzero(row < 0)
    if without.size:
        problem = Problem("sample_id", "has no result", tuple(without.tolist()))
        raise SchemaError("not the results of this truth", [problem])
    code, names = encode(said["status"])
    status = np.array([STATUSES.index(name) for name in names.to_pylist()], np.int64)[code[row]]
    infected = so["infected"].to_numpy()
    return {
        word: dict(zip(STATUSES, np.bincount(status[who], minlength=len(STATUSES)).tolist(), strict=True))
        for word, who in (("infected", infected), ("not_infected", ~infected))
    }
