"""What is thought of a sample before anything was read."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, numbers, plain
from poolkit.errors import Problem, SchemaError
from poolkit.protocols import Protocol
from poolkit.schemas import RESULTS, column, conform, table

PRIORS = table(
    "priors",
    "What is thought of a sample before anything was read.",
    RESULTS["sample_id"],
    column("probability", pa.float64(), "Probability that the sample is infected.", minimum=0.0, maximum=1.0),
    key=("sample_id",),
)


def prior_of(samples: pa.Table, protocol: Protocol, prior: float | pa.Table | None) -> NDArray[np.float64]:
    """Return each sample's prior probability.

    Parameters
    ----------
    samples : pyarrow.Table
        One row a sample.
    protocol
        Gives the prior of every sample that `prior` does not name.
    prior : float or pyarrow.Table, optional
        One for all, or columns ``sample_id`` and ``probability``.

    Returns
    -------
    numpy.ndarray of float64
        (samples,).

    Raises
    ------
    SchemaError
        When a prior is no probability, or names a sample twice.

    Examples
    --------
    >>> from poolkit.protocols import load_protocol
    >>> prior_of(pa.table({"sample_id": ["S1", "S2"]}), load_protocol("cn-10in1-2020"), 0.01).tolist()
    [0.01, 0.01]
    """
    if isinstance(prior, int | float):
        if not 0.0 <= prior <= 1.0:
            raise SchemaError("not a prior", [Problem("prior", f"must be between 0 and 1, found {prior}")])
        return np.full(samples.num_rows, float(prior))
    priors = np.full(samples.num_rows, protocol.prior_prevalence)
    if prior is not None:
        given = conform(prior, PRIORS)
        rows = TextIndex.of(plain(samples["sample_id"])).find(plain(given["sample_id"]))
        priors[rows[rows >= 0]] = numbers(given["probability"])[rows >= 0]
    return priors
