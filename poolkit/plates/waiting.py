"""`waiting_specimens`: what still needs a well."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, plain


def waiting_specimens(samples: pa.Table, wells: pa.Table, pools: pa.Table, members: pa.Table) -> pa.Array:
    """Name the specimens that stand in no well yet.

    Parameters
    ----------
    samples, wells, pools, members : pyarrow.Table
        The tables of a day.

    Returns
    -------
    pyarrow.StringArray
        Laboratory pools in order of their table, then tubes in order of first appearance.

    Notes
    -----
    O(rows). A tube waits when it is in no well, neither by its own id nor, when it holds one sample, by the sample's,
    and nothing of it was taken into a laboratory pool.

    Examples
    --------
    >>> import poolkit
    >>> from poolkit.plates import waiting_specimens
    >>> day = poolkit.simulate_day(100, 0.0, seed=1, tube_size=5).day
    >>> some = day.wells.slice(0, 5)
    >>> len(waiting_specimens(day.samples, day.wells, day.pools, day.members))
    0
    >>> len(waiting_specimens(day.samples, some, day.pools, day.members)) > 0
    True
    """
    plated = plain(wells["specimen_id"]).drop_null()
    tubes = TextIndex.of(plain(samples["tube_id"]))
    tube, tube_ids = tubes.codes, tubes.values
    n_held = np.bincount(tube, minlength=len(tube_ids))
    sample_ids = plain(samples["sample_id"])
    done = _among(tube_ids, plated)
    done[tube[_among(sample_ids, plated) & (n_held[tube] == 1)]] = True
    mixed = pc.equal(pools["formed"].cast(pa.string()), "laboratory")
    pool_ids = plain(pools.filter(mixed)["pool_id"])
    taken = members.filter(pa.array(_among(plain(members["pool_id"]), pool_ids)))["sample_id"]
    done[tube[_among(sample_ids, plain(taken))]] = True
    return pa.concat_arrays([pool_ids.filter(pa.array(~_among(pool_ids, plated))), tube_ids.filter(pa.array(~done))])


def _among(texts: pa.Array, known: pa.Array) -> NDArray[np.bool_]:
    """Return which texts are known."""
    found: NDArray[np.bool_] = TextIndex.of(known).find(texts) >= 0
    return found
