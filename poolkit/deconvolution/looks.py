"""Tables to numbers: who is in which pool, and how often each pool and each sample alone was reactive and negative."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, codes_in, encode, frozen, numbers, plain
from poolkit.deconvolution.priors import PRIORS
from poolkit.errors import Problem, SchemaError
from poolkit.kernels import registration
from poolkit.schemas import CALLS, MEMBERS, POOLS, column, conform, table

# What a decoder needs of the tables `members` and `calls`.
POOLED = table("members", MEMBERS.doc, MEMBERS["pool_id"], MEMBERS["sample_id"], key=("pool_id", "sample_id"))
READ = table(
    "calls",
    "What pools and samples tested alone say; several rows of one specimen are replicates.",
    column("specimen_id", pa.string(), "A pool, or a sample tested alone."),
    CALLS["call"],
)
_POOLS = table("pools", POOLS.doc, POOLS["pool_id"], column("stage", pa.int8(), POOLS["stage"].doc, minimum=1))


class Looked(NamedTuple):
    """What was pooled and read.

    Attributes
    ----------
    names, pool_names : pyarrow.StringArray
        (samples,) and (pools,) ids.
    prior : numpy.ndarray of float64
        (samples,).
    offsets, members : numpy.ndarray
        (pools + 1,) and (memberships,) samples, pool by pool.
    stage : numpy.ndarray of int8
        (pools,).
    reactive, negative : numpy.ndarray of int64
        (pools + samples,) looks at each pool, then at each sample alone.
    """

    names: pa.Array
    pool_names: pa.Array
    prior: NDArray[np.float64]
    offsets: NDArray[np.int64]
    members: NDArray[np.int32]
    stage: NDArray[np.int8]
    reactive: NDArray[np.int64]
    negative: NDArray[np.int64]


def look(members: Any, calls: Any, prior: float | Any, pools: Any) -> Looked:
    """Give samples and pools their numbers, and count the looks at each."""
    placed, called = conform(members, POOLED), conform(calls, READ)
    sample, sample_names = encode(placed["sample_id"])
    pool, pool_names = encode(placed["pool_id"])
    specimen, specimens = encode(called["specimen_id"])
    in_pool = TextIndex.of(pool_names).find(specimens)
    given = None if isinstance(prior, int | float) else conform(prior, PRIORS)
    known = [] if given is None else [plain(given["sample_id"])]
    alone = specimens.filter(pa.array(in_pool < 0))
    index = TextIndex.of(pa.concat_arrays([*known, plain(sample_names), plain(alone)]))
    names = index.values
    _check_prior(prior, given, names)
    p = np.full(len(names), prior if given is None else 0.0, np.float64)
    if given is not None:
        p[: given.num_rows] = numbers(given["probability"])
    offsets, inside = np.zeros(len(pool_names) + 1, np.int64), np.empty(pool.size, np.int32)
    registration.bucket(frozen(pool), frozen(index.find(sample_names)[sample]), offsets, inside)
    place = np.where(in_pool >= 0, in_pool, len(pool_names) + index.find(specimens))[specimen]
    code, words = encode(called["call"])
    said = np.array(words.to_pylist(), object)[code]
    count = len(pool_names) + len(names)
    reactive = np.bincount(place[(said == "positive") | (said == "suspect")], minlength=count)
    negative = np.bincount(place[said == "negative"], minlength=count)
    # A pool of one sample is that sample alone.
    singles = np.flatnonzero(np.diff(offsets) == 1)
    for count_of in (reactive, negative):
        np.add.at(count_of, len(pool_names) + inside[offsets[singles]], count_of[singles])
        count_of[singles] = 0
    return Looked(names, plain(pool_names), p, offsets, inside, _stages(pools, pool_names), reactive, negative)


def named_by_sample(calls: pa.Table, samples: pa.Table) -> pa.Table:
    """Return specimen and call of each row, a tube of one sample named as that sample: so the decoders know it.

    Examples
    --------
    >>> samples = pa.table({"sample_id": ["S1", "S2", "S3"], "tube_id": ["T1", "T2", "T2"]})
    >>> calls = pa.table({"specimen_id": ["T1", "T2", "P1"], "call": ["negative"] * 3})
    >>> named_by_sample(calls, samples)["specimen_id"].to_pylist()
    ['S1', 'T2', 'P1']
    """
    tubes = TextIndex.of(plain(samples["tube_id"]))
    n_held = np.bincount(tubes.codes, minlength=len(tubes.values))
    specimens = plain(calls["specimen_id"])
    tube = tubes.find(specimens)
    alone = (tube >= 0) & (np.append(n_held, 0)[tube] == 1)
    sample = plain(samples["sample_id"]).take(pa.array(np.append(tubes.firsts, 0)[tube], mask=~alone))
    return pa.table({"specimen_id": pc.coalesce(sample, specimens), "call": calls["call"]})


def _check_prior(prior: float | Any, given: pa.Table | None, names: pa.Array) -> None:
    if given is None and not 0.0 <= prior <= 1.0:
        raise SchemaError("not a prior", [Problem("prior", f"must be between 0 and 1, found {prior}")])
    if given is not None and len(names) > given.num_rows:
        first = names[given.num_rows].as_py()
        message = f"must name every sample, {len(names) - given.num_rows} are missing, the first {first}"
        raise SchemaError("not a prior", [Problem("sample_id", message)])


def _stages(pools: Any, pool_names: pa.Array) -> NDArray[np.int8]:
    stage = np.ones(len(pool_names), np.int8)
    if pools is not None:
        given = conform(pools, _POOLS)
        row = codes_in(given["pool_id"], pool_names)
        stage[row[row >= 0]] = numbers(given["stage"])[row >= 0]
    return stage
