"""What happens to two-stage testing and to an array when the world is not as it was assumed.

Run as ``python -m benchmarks.robustness``: for each thing that goes wrong, the sensitivity, the tests per sample, and
whether the probabilities still mean what they say: of 1000 samples reported negative, how many infected the posterior
expects and how many there are.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import poolkit
from poolkit import Assay
from poolkit.schemas import MEMBERS

PREVALENCE = 0.02
ASSUMED = Assay(((1, 0.98), (5, 0.96), (10, 0.94)), 0.998)
# Sensitivity that falls faster with pool size than a laboratory believed.
DILUTED = Assay(((1, 0.98), (5, 0.86), (10, 0.78)), 0.998)


@dataclass(frozen=True)
class World:
    """What is true, where it differs from what is assumed.

    Attributes
    ----------
    name : str
        What is wrong.
    prior : float
        The prevalence that is assumed, as a multiple of the true one.
    household : int
        Samples that share a fate: half of the others are infected when one is.
    together : bool
        Whether households stand together in pools, or apart.
    swapped, missing : float
        Share of pool aliquots that are another sample's, or are not there.
    assay : Assay
        How the test really is.
    """

    name: str
    prior: float = 1.0
    household: int = 1
    together: bool = True
    swapped: float = 0.0
    missing: float = 0.0
    assay: Assay = ASSUMED


WORLDS = (
    World("as assumed"),
    World("prior 4x too low", prior=0.25),
    World("prior 4x too high", prior=4.0),
    World("households together", household=5),
    World("households apart", household=5, together=False),
    World("2 % of aliquots swapped", swapped=0.02),
    World("2 % of aliquots missing", missing=0.02),
    World("false negatives by dilution", assay=DILUTED),
)


class Row(NamedTuple):
    """One line of the table: rates, then infected per 1000 reported negative, and false per 1000 reported positive."""

    world: str
    design: str
    tests: float
    sensitivity: float
    missed_expected: float
    missed: float
    false_expected: float
    false: float


def infected(random: np.random.Generator, n: int, world: World) -> NDArray[np.bool_]:
    """Return who is infected: households of which half of the others follow the first, the prevalence the same."""
    size = world.household
    first = random.random(n // size) < PREVALENCE * size / (1.0 + (size - 1) / 2.0)
    hit = random.random((n // size, size)) < 0.5
    hit[np.arange(n // size), random.integers(0, size, n // size)] = True
    truth = (first[:, None] & hit).ravel()
    return truth if world.together else random.permutation(truth)


def pools_of(design: str, n: int) -> NDArray[np.int64]:
    """Return the samples of each pool, one row a pool: tens in order of arrival, or rows and columns of 5 x 5."""
    if design == "two-stage-10":
        return np.arange(n).reshape(-1, 10)
    squares = np.arange(n).reshape(-1, 5, 5)
    return np.concatenate((squares, squares.transpose(0, 2, 1)), axis=1).reshape(-1, 5)


def run(world: World, design: str, *, n: int, seed: int) -> Row:
    """Test n samples: pools, then everybody alone who stands in no negative pool."""
    random = np.random.default_rng(seed)
    truth = infected(random, n, world)
    pools = pools_of(design, n)
    inside = pools.copy()
    moved = random.random(pools.shape) < world.swapped
    inside[moved] = random.integers(0, n, int(moved.sum()))
    there = random.random(pools.shape) >= world.missing
    react = world.assay.reactive(pools.shape[1])
    reactive = random.random(len(pools)) < react[pools.shape[1], (truth[inside] & there).sum(axis=1)]
    cleared = np.zeros(n, np.bool_)
    cleared[pools[~reactive]] = True
    again = np.flatnonzero(~cleared)
    said = random.random(again.size) < react[1, truth[again].astype(np.int64)]
    probability = _posterior(pools, reactive, again, said, PREVALENCE * world.prior)
    positive = np.zeros(n, np.bool_)
    positive[again[said]] = True
    return Row(
        world.name,
        design,
        (len(pools) + again.size) / n,
        float(positive[truth].mean()),
        1000.0 * float(probability[~positive].mean()),
        1000.0 * float(truth[~positive].mean()),
        1000.0 * float(1.0 - probability[positive].mean()),
        1000.0 * float((~truth[positive]).mean()),
    )


def _posterior(
    pools: NDArray[np.int64],
    reactive: NDArray[np.bool_],
    again: NDArray[np.int64],
    said: NDArray[np.bool_],
    prior: float,
) -> NDArray[np.float64]:
    n_members = pools.shape[1]
    pool_ids = np.array([f"P{k}" for k in range(len(pools))])
    members = pa.table(
        {
            "pool_id": np.repeat(pool_ids, n_members),
            "sample_id": [f"S{k}" for k in pools.ravel()],
            "slot": pa.array(np.tile(np.arange(1, n_members + 1), len(pools)), pa.int16()),
            "volume_ul": pa.nulls(pools.size, pa.float64()),
        },
        schema=MEMBERS.schema,
    )
    calls = pa.table(
        {
            "specimen_id": [*pool_ids, *(f"S{k}" for k in again)],
            "call": np.where(np.concatenate((reactive, said)), "positive", "negative"),
        }
    )
    standing = poolkit.next_pools(members, calls, prior=prior, assay=ASSUMED, prefix="N").standing
    order = np.array([int(name[1:]) for name in standing["sample_id"].to_pylist()])
    probability = np.empty(order.size)
    probability[order] = standing["probability"].to_numpy()
    return probability


def table(*, n: int = 20_000, seed: int = 1) -> list[Row]:
    """Return every world with both designs."""
    return [run(world, design, n=n, seed=seed) for world in WORLDS for design in ("two-stage-10", "array-5x5")]


def main() -> None:
    """Print the table."""
    print(f"{'':28} {'':13} tests/sample  sensitivity  missed of 1000 negative  false of 1000 positive")
    print(f"{'':28} {'':13} {'':25}    expected   found         expected   found")
    for row in table():
        print(
            f"{row.world:28} {row.design:13} {row.tests:12.4f} {row.sensitivity:12.3f} "
            f"{row.missed_expected:11.3f} {row.missed:7.3f}      {row.false_expected:11.1f} {row.false:7.1f}"
        )


if __name__ == "__main__":
    main()
