"""`Description`: what a design asks for and what it can do."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit import arrays
from poolkit.assays import dilution_cycles
from poolkit.kernels import designs, registration
from poolkit.pooling.designs.layout import Layout

# Masks looked at before the search for d is given up: about a second.
_STEPS = 200_000_000
# Sets of pools counted for the rated load, times the pools: about as long.
_SETS = 500_000_000
# Pairs of samples in a pool: of a larger block only some samples are looked at. About as long.
_PAIRS = 300_000_000
_MOST_POOLS = 20


@dataclass(frozen=True, slots=True)
class Description:
    """The facts of a design.

    Attributes
    ----------
    name : str
        The design.
    n_samples, block : int
        Samples that are described, and those of a full block.
    n_pools : tuple of int
        Pools of each stage.
    n_alone : int
        Samples in no pool, which are tested alone from the first.
    tests_per_sample : float or None
        Tests of the first stage for each sample: pools of stage 1 and samples in no pool; null without samples.
    smallest_pool, largest_pool : tuple of int
        Samples in the smallest and in the largest pool of each stage; 0 where a stage has none.
    fewest_pools, most_pools : int
        Pools that a sample is in, all stages, among those that are in any.
    largest_overlap : int
        Most pools that two samples share, all stages; of very large blocks the most that was seen.
    disjunct : int
        So many infected of a block, wherever they are, are told from all others by the pools alone: no healthy sample
        has an infected one in each of its pools. Proved.
    disjunct_limit : int
        So many infected and one more are not always told. Equal to `disjunct`, unless the search was given up.
    searched : int
        Samples of a block that overlap and cover were searched for: all but in very large blocks.
    rated_load : int or None
        Most infected of a block for which, on average over where they are, at least half of the samples that the pools
        leave open are infected and at least half of the healthy ones are cleared; null where there are too many sets of
        pools to count.
    dilution_cycles : tuple of float
        By how many cycles the largest pool of each stage delays one infected sample, at full efficiency.

    Notes
    -----
    *d-disjunct* and *overlap* are of all stages together, as if all were read: a pool that is not tested in the end has
    only cleared samples. w pools a sample of which two share at most l give ``disjunct >= (w - 1) // l`` [1]_; the
    exact value is searched, and where the search is given up the proved one and the limit are told apart.

    The *rated load* is poolkit's definition, since published ratings rest each on simulations of its own decoder. The
    expected number of healthy samples left open by k infected is counted exactly, by inclusion and exclusion over each
    sample's pools. It gives 5 of 384 for the Reed-Solomon design of P-BEST, rated "up to five" by its authors [2]_.
    Two-stage designs have 0: every sample of a reactive pool is tested alone.

    References
    ----------
    .. [1] W. H. Kautz, R. C. Singleton, "Nonrandom binary superimposed codes", IEEE Transactions on Information
       Theory 10 (1964), 363-377; [2] N. Shental et al., "Efficient high-throughput SARS-CoV-2 testing to detect
       asymptomatic carriers", Science Advances 6 (2020), eabc5961.

    Examples
    --------
    >>> import poolkit
    >>> print(poolkit.design("array-8x12").describe())
    array-8x12, 96 samples
      pools                  20
      tests a sample         0.2083 in the first stage
      samples in a pool      8 to 12
      pools of a sample      2
      shared by two samples  at most 1 pool
      decoded for certain    1 infected of 96
      rated load             2 infected of 96
      dilution               3.6 cycles
    """

    name: str
    n_samples: int
    block: int
    n_pools: tuple[int, ...]
    n_alone: int
    tests_per_sample: float | None
    smallest_pool: tuple[int, ...]
    largest_pool: tuple[int, ...]
    fewest_pools: int
    most_pools: int
    largest_overlap: int
    disjunct: int
    disjunct_limit: int
    searched: int
    rated_load: int | None
    dilution_cycles: tuple[float, ...]

    def facts(self) -> list[tuple[str, str]]:
        """Return each fact as a person reads it: what it is, and how much."""
        block_size = min(self.block, self.n_samples)
        block = f"infected of {block_size:,}"
        pools = f"{sum(self.n_pools):,}"
        if len(self.n_pools) > 1:
            pools += f": {_by_stage([f'{each:,}' for each in self.n_pools])}"
        if self.n_alone:
            pools += f"; {self.n_alone:,} tested alone"
        tests = "none" if self.tests_per_sample is None else f"{self.tests_per_sample:.4f} in the first stage"
        ends = zip(self.smallest_pool, self.largest_pool, strict=True)
        shared = f"at most {self.largest_overlap} pool{'' if self.largest_overlap == 1 else 's'}"
        if self.searched < block_size:
            shared = f"{self.largest_overlap} pools seen, {self.searched:,} samples of {block_size:,} looked at"
        certain = f"{self.disjunct} {block}"
        if self.disjunct < self.disjunct_limit:
            certain = f"{self.disjunct} proved, at most {self.disjunct_limit}, {block}"
        return [
            ("pools", pools),
            ("tests a sample", tests),
            ("samples in a pool", _by_stage([_span(*each) for each in ends])),
            ("pools of a sample", _span(self.fewest_pools, self.most_pools)),
            ("shared by two samples", shared),
            ("decoded for certain", certain),
            ("rated load", "not counted" if self.rated_load is None else f"{self.rated_load} {block}"),
            ("dilution", f"{_by_stage([f'{each:.1f}' for each in self.dilution_cycles])} cycles"),
        ]

    def __str__(self) -> str:
        """Give the facts one a line."""
        facts = self.facts()
        width = max(len(name) for name, _ in facts)
        lines = (f"  {name:<{width}}  {value}" for name, value in facts)
        return "\n".join((f"{self.name}, {self.n_samples:,} samples", *lines))


def _span(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _by_stage(texts: list[str]) -> str:
    return ", then ".join(texts) or "none"


class _Counts(NamedTuple):
    """What is counted of one block."""

    n_alone: int
    fewest_pools: int
    most_pools: int
    overlap: int
    disjunct: int
    limit: int
    searched: int


def description(name: str, block: int, full: Layout, n_full: int, rest: Layout) -> Description:
    """Describe so many full blocks and the rest behind them; what no full block shows is not counted twice.

    Examples
    --------
    >>> import numpy as np
    >>> from poolkit.pooling.designs.layout import of_pools
    >>> pool = of_pools(3, [[0, 1, 2]])
    >>> description("two-stage-3", 3, pool, 4, of_pools(0)).n_pools
    (4,)
    """
    parts = [(each, times) for each, times in ((full, n_full), (rest, 1)) if times and each.n_samples]
    n_samples = sum(each.n_samples * times for each, times in parts)
    n_stages = max((int(each.stage.max(initial=0)) for each, _ in parts), default=0)
    sizes: list[list[NDArray[np.int64]]] = [
        [np.diff(each.offsets)[each.stage == stage] for each, _ in parts] for stage in range(1, n_stages + 1)
    ]
    n_pools = tuple(sum(found.size * times for found, (_, times) in zip(stage, parts, strict=True)) for stage in sizes)
    graphs = [_samples_to_pools(each) for each, _ in parts]
    counts = [_counts(each, graph) for (each, _), graph in zip(parts, graphs, strict=True)]
    n_alone = sum(each.n_alone * times for each, (_, times) in zip(counts, parts, strict=True))
    pooled = [each for each in counts if each.most_pools]
    largest = tuple(max((int(found.max(initial=0)) for found in stage), default=0) for stage in sizes)
    smallest = tuple(min((int(found.min()) for found in stage if found.size), default=0) for stage in sizes)
    return Description(
        name=name,
        n_samples=n_samples,
        block=block,
        n_pools=n_pools,
        n_alone=n_alone,
        tests_per_sample=(n_pools[0] if n_pools else 0) / n_samples + n_alone / n_samples if n_samples else None,
        smallest_pool=smallest,
        largest_pool=largest,
        fewest_pools=min((each.fewest_pools for each in pooled), default=0),
        most_pools=max((each.most_pools for each in pooled), default=0),
        largest_overlap=max((each.overlap for each in pooled), default=0),
        disjunct=min((each.disjunct for each in counts), default=0),
        disjunct_limit=min((each.limit for each in counts), default=0),
        searched=counts[0].searched if counts else 0,
        rated_load=_rated_load(parts[0][0], graphs[0]) if parts else 0,
        dilution_cycles=tuple(dilution_cycles(np.maximum(largest, 1)).tolist()),
    )


class _Graph(NamedTuple):
    """Samples to pools: sample s is in ``pools[offsets[s]:offsets[s + 1]]``."""

    offsets: NDArray[np.int64]
    pools: NDArray[np.int32]


def _samples_to_pools(layout: Layout) -> _Graph:
    pool = np.repeat(np.arange(layout.stage.size, dtype=np.int32), np.diff(layout.offsets))
    offsets = np.zeros(layout.n_samples + 1, np.int64)
    pools = np.empty(pool.size, np.int32)
    registration.bucket(arrays.frozen(layout.members), arrays.frozen(pool), offsets, pools)
    return _Graph(offsets, pools)


def _views(
    layout: Layout, graph: _Graph
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
    of = arrays.frozen
    return of(layout.offsets), of(layout.members), of(graph.offsets), of(graph.pools)


def _counts(layout: Layout, graph: _Graph) -> _Counts:
    n_pools = np.diff(graph.offsets)
    pooled = n_pools[n_pools > 0]
    found = np.empty(3, np.int64)
    stride = 1 + _n_pairs(layout) // _PAIRS
    designs.disjunctness(*_views(layout, graph), stride, _STEPS, found)
    proved, limit, overlap = found.tolist()
    return _Counts(
        n_alone=layout.n_samples - pooled.size,
        fewest_pools=int(pooled.min(initial=layout.stage.size)),
        most_pools=int(pooled.max(initial=0)),
        overlap=overlap,
        disjunct=proved if stride == 1 else 0,
        limit=limit,
        searched=-(-layout.n_samples // stride),
    )


def _n_pairs(layout: Layout) -> int:
    return int((np.diff(layout.offsets) ** 2).sum())


def _rated_load(layout: Layout, graph: _Graph) -> int | None:
    n = layout.n_samples
    n_pools = np.diff(graph.offsets)
    if n_pools.max() > _MOST_POOLS or (n_pools * 2.0**n_pools).sum() > _SETS or _n_pairs(layout) > _PAIRS:
        return None
    signed = np.zeros(n, np.int64)
    designs.unions(*_views(layout, graph), signed)
    union = np.flatnonzero(signed)
    weight = signed[union].astype(np.float64)
    # P(no infected among u others), k of the n - 1 infected; it falls by a factor with each more.
    spared = np.ones(union.size)
    for k in range(1, n):
        spared *= np.maximum(n - union - k, 0) / (n - k)
        # A tie is no loss, whatever the rounding.
        if float(weight @ spared) * (n - k) / n > min(k, (n - k) / 2) * (1 + 1e-9):
            return k - 1
    return n
