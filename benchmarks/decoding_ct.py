"""Sets of infected samples from the Ct of their pools, on the instances that published decoders were measured on.

Run it from anywhere, or take its rows with `rows`:

    python benchmarks/decoding_ct.py [--batches 2000] [--repeat 5] [--noise]

The model is Tapestry's: loads uniform on (1/32768, 1], a pool holds their sum, its Ct is off by a normal error of 0.1
cycles at an efficiency of 0.95, and detection is perfect. Timed is `rank_candidates`, Arrow to Arrow on many batches
at once, per batch; where the machine is busy, cpu ms says what it costs. The peer's figures are those of its own
program on the same model (COMP and then NNOMP with cross-validation, 20 batches each). ``--noise`` measures what a Ct
is worth as its error grows to that of real pools, with the model's loads, which are near each other, and with loads as
far apart as those of patients (Verwilt et al. 2020).
"""

import argparse
import time
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from poolkit import Dilution, design, rank_candidates
from poolkit.assays.dilution import CQ_QUANTILES
from poolkit.assays.viral_load import PROBABILITIES
from poolkit.deconvolution.candidates import TYPICAL_CT

EFFICIENCY = 0.95
WEAKEST = 1.0 / 32768.0
# A Ct of 0 is a load of 1 in the model; a laboratory's Ct are never negative.
CT_AT_ONE = 20.0
# Loads uniform on (0, 1]: the logarithm has mean -1 and sd 1.
MODEL_CT = (CT_AT_ONE + 1.0 / np.log1p(EFFICIENCY), 1.0 / np.log1p(EFFICIENCY))


class Task(NamedTuple):
    """A design, how many are infected, what the peer reached and what is to be reached."""

    name: str
    pools: np.ndarray  # of each sample, (samples, pools a sample)
    n_infected: int
    peer: str
    exact: float | None
    milliseconds: float | None


def pools_of(name: str) -> np.ndarray:
    """Return the pools of each sample of a full block of a design, (samples, pools a sample)."""
    named = design(name)
    layout = named.layout(named.block)
    pool = np.repeat(np.arange(layout.offsets.size - 1), np.diff(layout.offsets))
    return pool[np.argsort(layout.members, kind="stable")].reshape(named.block, -1)


def tasks() -> list[Task]:
    """Return the published instances."""
    small, large, coded = (pools_of(name) for name in ("kirkman-45x105", "kirkman-93x961", "reed-solomon-48x384"))
    return [
        Task("45x105", small, 5, ".85 exact, 45 ms", 0.95, 0.2),
        Task("45x105", small, 8, ".40 exact, 133 ms", None, None),
        Task("93x961", large, 5, ".85 exact, 109 ms", None, None),
        Task("93x961", large, 8, ".40 exact, 332 ms", 0.75, 2.0),
        Task("93x961", large, 10, ".30 exact, 117 ms", None, None),
        Task("48x384", coded, 4, ".95 exact, 60 ms", 0.95, None),
        Task("48x384", coded, 6, ".65 exact, 229 ms", 0.65, None),
    ]


def members_of(pools: np.ndarray, n_batches: int) -> pa.Table:
    """Return table `members` of many batches of one design."""
    n_samples, per_sample = pools.shape
    n_pools = int(pools.max()) + 1
    pool = (pools[None] + n_pools * np.arange(n_batches)[:, None, None]).ravel()
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


def measured(
    pools: np.ndarray, n_infected: int, n_batches: int, *, sd: float | None, patients: bool = False, seed: int
) -> Any:
    """Draw batches: who is infected (batches, samples), and what each pool read as a table of calls.

    Without an sd there are calls without a Ct. Loads are the model's, or as far apart as those of patients.
    """
    chance = np.random.default_rng(seed)
    n_samples, n_pools = pools.shape[0], int(pools.max()) + 1
    infected = np.zeros((n_batches, n_samples), bool)
    amount = np.zeros((n_batches, n_pools))
    for batch in range(n_batches):
        who = chance.choice(n_samples, n_infected, replace=False)
        infected[batch, who] = True
        load = chance.uniform(WEAKEST, 1.0, n_infected)
        if patients:
            ct = np.interp(chance.random(n_infected), PROBABILITIES, CQ_QUANTILES)
            load = (1.0 + EFFICIENCY) ** (CT_AT_ONE - ct)
        np.add.at(amount[batch], pools[who].ravel(), np.repeat(load, pools.shape[1]))
    off = chance.normal(0.0, sd or 0.0, amount.shape)
    ct = CT_AT_ONE + off - np.log(np.where(amount > 0.0, amount, 1.0)) / np.log1p(EFFICIENCY)
    names = pa.array([f"P{k}" for k in range(amount.size)])
    unread = np.full(amount.size, True) if sd is None else (amount == 0.0).ravel()
    call = pa.array(np.where(amount.ravel() > 0.0, "positive", "negative"))
    ct_cycles = pa.array(np.clip(ct, 0.0, 60.0).ravel(), mask=unread)
    return infected, pa.table({"specimen_id": names, "ct_cycles": ct_cycles, "call": call})


def row(
    task: Task,
    *,
    sd: float | None = 0.1,
    patients: bool = False,
    n_batches: int = 2000,
    repeat: int = 5,
    seed: int = 1,
) -> dict[str, Any]:
    """Decode batches of a task.

    Given are exact, sensitivity and precision of the most probable set, the share of the infected among the first so
    many of the ranking as there are infected in all batches, and milliseconds a batch.
    """
    n_samples = task.pools.shape[0]
    members = members_of(task.pools, n_batches)
    infected, calls = measured(task.pools, task.n_infected, n_batches, sd=sd, patients=patients, seed=seed)
    dilution = Dilution(shift_cycles=0.0, sd_cycles=sd or 1.0, efficiency=EFFICIENCY)
    typical = TYPICAL_CT if patients else MODEL_CT
    times, work = [], []
    for _ in range(repeat + 1):
        began, worked = time.perf_counter(), time.process_time()
        found = rank_candidates(
            members, calls, dilution=dilution, prior=task.n_infected / n_samples, typical_ct=typical, ct_limit=60.0
        )
        times.append(time.perf_counter() - began)
        work.append(time.process_time() - worked)
    order = np.array([int(name[1:]) for name in found.candidates["sample_id"].to_pylist()])
    chosen = np.zeros(infected.size, bool)
    chosen[order[found.candidates["most_probable"].to_numpy()]] = True
    chosen = chosen.reshape(infected.shape)
    right = np.count_nonzero(chosen & infected)
    said = "calls alone" if sd is None else f"sd {sd:g}"
    reach = "" if task.exact is None else f"{task.exact:.2f}"
    return {
        "task": f"{task.name}, {task.n_infected} infected, {said}{', patients' if patients else ''}",
        "peer": task.peer,
        "exact": float((chosen == infected).all(axis=1).mean()),
        "sensitivity": right / infected.sum(),
        "precision": right / max(chosen.sum(), 1),
        "first": infected.ravel()[order[: infected.sum()]].sum() / infected.sum(),
        "milliseconds": 1000.0 * median(times[1:]) / n_batches,
        "cpu_milliseconds": 1000.0 * median(work[1:]) / n_batches,
        "target": reach + ("" if task.milliseconds is None else f", {task.milliseconds:g} ms"),
    }


def rows(*, n_batches: int = 2000, repeat: int = 5) -> list[dict[str, Any]]:
    """Measure every published instance."""
    return [row(task, n_batches=n_batches, repeat=repeat) for task in tasks()]


def noise_rows(*, n_batches: int = 500) -> list[dict[str, Any]]:
    """Measure what a Ct is worth as its error grows to that of real pools, 2 to 3 cycles."""
    some = [task for task in tasks() if (task.name, task.n_infected) in {("45x105", 5), ("93x961", 8)}]
    return [
        row(
            task._replace(peer="", exact=None, milliseconds=None),
            sd=sd,
            patients=patients,
            n_batches=n_batches,
            repeat=1,
        )
        for task in some
        for patients in (False, True)
        for sd in (None, 0.1, 0.5, 1.0, 1.6, 2.3, 3.0)
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--noise", action="store_true")
    asked = parser.parse_args()
    made = noise_rows(n_batches=asked.batches) if asked.noise else rows(n_batches=asked.batches, repeat=asked.repeat)
    print(f"{'task':46}{'exact':>7}{'sens':>8}{'prec':>8}{'first':>8}{'ms':>8}{'cpu ms':>8}  {'target':14}peer")
    for each in made:
        print(
            f"{each['task']:46}{each['exact']:7.3f}{each['sensitivity']:8.4f}{each['precision']:8.4f}{each['first']:8.4f}"
            f"{each['milliseconds']:8.3f}{each['cpu_milliseconds']:8.3f}  {each['target']:14}{each['peer']}"
        )


if __name__ == "__main__":
    main()
