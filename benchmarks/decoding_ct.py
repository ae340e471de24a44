"""Sets of infected samples from the Ct of their pools, on the instances that published decoders were measured on.

Run it from anywhere, or take its rows with `rows`:

    python benchmarks/decoding_ct.py [--batches 2000] [--repeat 5] [--noise]

The model is Tapestry's: loads uniform on (1/32768, 1], a pool holds their sum, its Ct is off by a normal error of 0.1
cycles at an efficiency of 0.95, and detection is perfect. Timed is `rank_candidates`, Arrow to Arrow on many batches
at once, per batch; where the machine is busy, cpu ms says what it costs. The peer's figures are those of its own
program on the same model (COMP and then NNOMP with cross-validation, 20 batches each). ``--noise`` measures what a Ct
is worth as its error grows to that of real pools.
"""

import argparse
import time
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from poolkit import Dilution, rank_candidates

EFFICIENCY = 0.95
WEAKEST = 1.0 / 32768.0
# Loads uniform on (0, 1]: the logarithm has mean -1 and sd 1.
TYPICAL_CT = (1.0 / np.log1p(EFFICIENCY), 1.0 / np.log1p(EFFICIENCY))
# A Ct of 0 is a load of 1 in the model; a laboratory's Ct are never negative.
CT_AT_ONE = 20.0


class Task(NamedTuple):
    """A design, how many are infected, what the peer reached and what is to be reached."""

    name: str
    pools_of: np.ndarray  # (samples, pools a sample)
    n_infected: int
    peer: str
    exact: float | None
    milliseconds: float | None


def transversal(m: int, n_samples: int) -> np.ndarray:
    """Pools of a transversal design: sample (a, x) is in x, x + a and x + 2 a (mod m) of three groups of m pools."""
    a, x = np.divmod(np.arange(n_samples), m)
    return np.stack([x, m + (x + a) % m, 2 * m + (x + 2 * a) % m], axis=1)


def reed_solomon(n_samples: int = 384, n_layers: int = 6) -> np.ndarray:
    """Pools of a Reed-Solomon design over the field of 8: polynomials of degree 2 at six points."""

    def times(one: int, other: int) -> int:
        product = 0
        for bit in range(3):
            product ^= one << bit if other >> bit & 1 else 0
        for bit in (4, 3):
            product ^= 0b1011 << (bit - 3) if product >> bit & 1 else 0
        return product

    def value(sample: int, point: int) -> int:
        return sample % 8 ^ times(sample // 8 % 8, point) ^ times(sample // 64, times(point, point))

    return np.array([[8 * point + value(k, point) for point in range(n_layers)] for k in range(n_samples)])


def tasks() -> list[Task]:
    """Return the published instances."""
    small, large, coded = transversal(15, 105), transversal(31, 961), reed_solomon()
    return [
        Task("45x105", small, 5, ".85 exact, 45 ms", 0.95, 0.2),
        Task("45x105", small, 8, ".40 exact, 133 ms", None, None),
        Task("93x961", large, 5, ".85 exact, 109 ms", None, None),
        Task("93x961", large, 8, ".40 exact, 332 ms", 0.75, 2.0),
        Task("93x961", large, 10, ".30 exact, 117 ms", None, None),
        Task("48x384", coded, 4, ".95 exact, 60 ms", 0.95, None),
        Task("48x384", coded, 6, ".65 exact, 229 ms", 0.65, None),
    ]


def members_of(pools_of: np.ndarray, n_batches: int) -> pa.Table:
    """Return table `members` of many batches of one design."""
    n_samples, per_sample = pools_of.shape
    n_pools = int(pools_of.max()) + 1
    pool = (pools_of[None] + n_pools * np.arange(n_batches)[:, None, None]).ravel()
    sample = np.repeat(np.arange(n_batches * n_samples), per_sample)
    order = np.argsort(pool, kind="stable")
    pool, sample = pool[order], sample[order]
    slot = np.arange(pool.size) - np.searchsorted(pool, pool) + 1
    pool_ids = pa.array([f"P{k}" for k in range(n_batches * n_pools)])
    sample_ids = pa.array([f"S{k}" for k in range(n_batches * n_samples)])
    columns = {
        "pool_id": pa.DictionaryArray.from_arrays(pa.array(pool, pa.int32()), pool_ids),
        "sample_id": pa.DictionaryArray.from_arrays(pa.array(sample, pa.int32()), sample_ids),
        "slot": pa.array(slot.astype(np.int16)),
    }
    return pa.table(columns)


def measured(pools_of: np.ndarray, n_infected: int, n_batches: int, *, sd: float, seed: int) -> Any:
    """Draw batches: who is infected (batches, samples) and what each pool read, as table of calls."""
    chance = np.random.default_rng(seed)
    n_samples, n_pools = pools_of.shape[0], int(pools_of.max()) + 1
    infected = np.zeros((n_batches, n_samples), bool)
    amount = np.zeros((n_batches, n_pools))
    for batch in range(n_batches):
        who = chance.choice(n_samples, n_infected, replace=False)
        infected[batch, who] = True
        load = chance.uniform(WEAKEST, 1.0, n_infected)
        np.add.at(amount[batch], pools_of[who].ravel(), np.repeat(load, pools_of.shape[1]))
    off = chance.normal(0.0, sd, amount.shape)
    ct = CT_AT_ONE + off - np.log(np.where(amount > 0.0, amount, 1.0)) / np.log1p(EFFICIENCY)
    names = pa.array([f"P{k}" for k in range(amount.size)])
    return infected, pa.table(
        {"specimen_id": names, "ct_cycles": pa.array(np.maximum(ct, 0.0).ravel(), mask=(amount == 0.0).ravel())}
    )


def row(task: Task, *, sd: float = 0.1, n_batches: int = 2000, repeat: int = 5, seed: int = 1) -> dict[str, Any]:
    """Decode batches of a task; exact, sensitivity and precision of the most probable set, milliseconds a batch."""
    n_samples = task.pools_of.shape[0]
    members = members_of(task.pools_of, n_batches)
    infected, calls = measured(task.pools_of, task.n_infected, n_batches, sd=sd, seed=seed)
    dilution = Dilution(shift_cycles=0.0, sd_cycles=sd, efficiency=EFFICIENCY)
    typical = (CT_AT_ONE + TYPICAL_CT[0], TYPICAL_CT[1])
    times, work = [], []
    for _ in range(repeat + 1):
        began, worked = time.perf_counter(), time.process_time()
        found = rank_candidates(
            members, calls, dilution=dilution, prior=task.n_infected / n_samples, typical_ct=typical, ct_limit=60.0
        )
        times.append(time.perf_counter() - began)
        work.append(time.process_time() - worked)
    chosen = np.zeros(infected.size, bool)
    best = found.candidates.filter(found.candidates["most_probable"])["sample_id"].to_pylist()
    chosen[[int(name[1:]) for name in best]] = True
    chosen = chosen.reshape(infected.shape)
    right = np.count_nonzero(chosen & infected)
    return {
        "task": f"{task.name}, {task.n_infected} infected, sd {sd:g}",
        "peer": task.peer,
        "exact": float((chosen == infected).all(axis=1).mean()),
        "sensitivity": right / infected.sum(),
        "precision": right / max(chosen.sum(), 1),
        "milliseconds": 1000.0 * median(times[1:]) / n_batches,
        "cpu_milliseconds": 1000.0 * median(work[1:]) / n_batches,
        "target": ""
        if task.exact is None
        else f"{task.exact:.2f}" + ("" if task.milliseconds is None else f", {task.milliseconds:g} ms"),
    }


def rows(*, n_batches: int = 2000, repeat: int = 5) -> list[dict[str, Any]]:
    """Measure every published instance."""
    return [row(task, n_batches=n_batches, repeat=repeat) for task in tasks()]


def noise_rows(*, n_batches: int = 500) -> list[dict[str, Any]]:
    """Measure what a Ct is worth as its error grows to that of real pools, 2 to 3 cycles."""
    some = [task for task in tasks() if (task.name, task.n_infected) in {("45x105", 5), ("93x961", 8)}]
    return [row(task, sd=sd, n_batches=n_batches, repeat=1) for task in some for sd in (0.1, 0.25, 0.5, 1.0, 2.0, 3.0)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--noise", action="store_true")
    asked = parser.parse_args()
    made = noise_rows(n_batches=asked.batches) if asked.noise else rows(n_batches=asked.batches, repeat=asked.repeat)
    print(f"{'task':34}{'exact':>7}{'sens':>8}{'prec':>8}{'ms':>8}{'cpu ms':>8}  {'target':14}peer")
    for each in made:
        print(
            f"{each['task']:34}{each['exact']:7.3f}{each['sensitivity']:8.4f}{each['precision']:8.4f}"
            f"{each['milliseconds']:8.3f}{each['cpu_milliseconds']:8.3f}  {each['target']:14}{each['peer']}"
        )


if __name__ == "__main__":
    main()
