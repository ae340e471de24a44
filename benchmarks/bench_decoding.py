"""Decoders, timed and judged: the same random batches for all, one run, one table.

    python benchmarks/bench_decoding.py [--batches 1000] [--samples 1000000] [--repeat 5] [--json FILE]

A row a task. ``ms`` is wall time a batch (a block of pools), many batches at once on all processors, compiled: from
the graph of pools and what each said to probabilities and the most probable set; ``arrow ms`` the same through
`poolkit.decode`, from Arrow tables to Arrow tables. ``cpu ms`` is the processor time of ``ms``, which the work of
others lengthens less: on idle processors ``ms`` is about that divided by their number (the day's kernels run on one).
``exact`` is the part of the batches whose most probable set is the truth, to the last sample; the note says which part
of the components was decoded exactly. Batches hold a fixed number of infected, as the peers' do; the calibration rows
draw everybody by the prior instead, as a posterior supposes. Peers' figures are quoted, not measured here:

- google: google-research/group_testing, loopy belief propagation on jax 0.10.2, two cores, same se and sp.
- ILP: PyPI GroupTesting 0.1.0 with CBC.
- COMP, NNOMP-CV: Tapestry's own code (NNOMP-CV sees Ct values, so that it knows more).
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import decoding_compare
import decoding_ct
import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

import poolkit
from poolkit import Assay, pipeline
from poolkit.deconvolution import results
from poolkit.deconvolution.posterior import EFFORT, evidence_of, graph_of, posterior_of
from poolkit.kernels import elimination
from poolkit.kernels import evidence as kernels
from poolkit.kernels import posterior as methods

NOISY = Assay(0.98, 0.995)
PERFECT = Assay()


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    task: str
    decoder: str
    ms: float | None
    cpu_ms: float | None
    arrow_ms: float | None
    exact: float | None
    note: str
    peer: str


@dataclass(frozen=True)
class Batches:
    """Many blocks of one design, who is infected in each, and what each pool said."""

    pool: np.ndarray
    sample: np.ndarray
    n_pools: int
    infected: np.ndarray  # (batches, samples)
    reactive: np.ndarray  # (pools of all batches,)
    prior: float
    assay: Assay


def batches_of(name: str, n_batches: int, n_infected: int, assay: Assay, seed: int) -> Batches:
    """Draw batches with so many infected samples each, at random."""
    plan = poolkit.design(name)
    n = plan.block
    layout = plan.layout(n)
    rng = np.random.default_rng(seed)
    infected = np.argsort(rng.random((n_batches, n)), axis=1) < n_infected
    sizes = np.diff(layout.offsets)
    pool = np.repeat(np.arange(sizes.size), sizes)
    count = np.zeros((n_batches, sizes.size), np.int64)
    for k in range(pool.size):
        count[:, pool[k]] += infected[:, layout.members[k]]
    reactive = rng.random(count.shape) < assay.reactive(int(sizes.max()))[sizes[None, :], count]
    every = np.arange(n_batches)[:, None]
    return Batches(
        (pool + sizes.size * every).ravel().astype(np.int32),
        (layout.members + n * every).ravel().astype(np.int32),
        sizes.size * n_batches,
        infected,
        reactive.ravel(),
        n_infected / n,
        assay,
    )


def timed(work: Callable[[], Any], repeat: int) -> tuple[float, float]:
    """Return the median wall time and the median processor time in milliseconds, once it has run."""
    work()
    took, used = [], []
    for _ in range(repeat):
        began, began_cpu = time.perf_counter(), time.process_time()
        work()
        took.append(1e3 * (time.perf_counter() - began))
        used.append(1e3 * (time.process_time() - began_cpu))
    return median(took), median(used)


def decode_row(task: str, name: str, n_infected: int, assay: Assay, peer: str, args: argparse.Namespace) -> list[Row]:
    """Decode batches of a combinatorial design; and by elimination alone, where the assay is perfect."""
    drawn = batches_of(name, args.batches, n_infected, assay, seed=1)
    n_batches = drawn.infected.shape[0]
    graph = graph_of(drawn.pool, drawn.sample, drawn.n_pools, drawn.infected.size)
    yes, no = drawn.reactive.astype(np.int32), (~drawn.reactive).astype(np.int32)
    prior = np.full(drawn.infected.size, drawn.prior)

    def believe() -> Any:
        return posterior_of(graph, evidence_of(graph, yes, no, assay), prior, EFFORT)

    beliefs = believe().beliefs
    chosen = beliefs.likely.reshape(drawn.infected.shape)
    exact = float((chosen == drawn.infected).all(axis=1).mean())
    probability = beliefs.probability
    proved = float((beliefs.method <= methods.SEARCHED).mean()) if beliefs.method.size else 1.0
    brier = float(((probability - drawn.infected.ravel()) ** 2).mean())
    members = pa.table(
        {
            "pool_id": pa.array(drawn.pool).cast(pa.string()),
            "sample_id": pa.array([f"S{k}" for k in range(drawn.infected.size)]).take(pa.array(drawn.sample)),
        }
    )
    calls = pa.table(
        {
            "specimen_id": pa.array(np.arange(drawn.n_pools)).cast(pa.string()),
            "call": np.where(drawn.reactive, "positive", "negative"),
        }
    )
    arrow, _ = timed(lambda: poolkit.decode(members, calls, prior=drawn.prior, assay=assay), 1 + args.repeat // 2)
    took, used = timed(believe, args.repeat)
    standing = elimination.Eliminated(np.empty(prior.size, np.int8), np.empty(drawn.n_pools, np.int8))
    reads = np.where(drawn.reactive, elimination.READS_POSITIVE, elimination.READS_NEGATIVE).astype(np.int8)
    comp, comp_used = timed(lambda: elimination.eliminate(graph, reads, 0, standing), args.repeat)
    held = (standing.standing != elimination.CLEARED).reshape(drawn.infected.shape)
    comp_exact = float((held == drawn.infected).all(axis=1).mean())
    comp_brier = float((held ^ drawn.infected).mean())
    return [
        Row(
            task,
            "decode",
            took / n_batches,
            used / n_batches,
            arrow / n_batches,
            exact,
            f"Brier {brier:.2e}, {proved:.1%} exact",
            peer,
        ),
        Row(
            task,
            "elimination",
            comp / n_batches,
            comp_used / n_batches,
            None,
            comp_exact,
            f"Brier {comp_brier:.2e} (candidates called)",
            "",
        ),
    ]


def pbest(args: argparse.Namespace) -> list[Row]:
    """Reed-Solomon 48 x 384, four infected, with errors."""
    peer = "google 115 ms, .86; ILP 97-118 ms (.95 noiseless)"
    return decode_row("P-BEST 48x384, 4, se .98 sp .995", "reed-solomon-48x384", 4, NOISY, peer, args)


def kirkman_small(args: argparse.Namespace) -> list[Row]:
    """Kirkman 45 x 105, five infected, noiseless."""
    peer = "COMP .32; NNOMP-CV 45 ms, .85 (with Ct); ILP 40 ms, .90"
    return decode_row("Kirkman 45x105, 5, noiseless", "kirkman-45x105", 5, PERFECT, peer, args)


def kirkman_large(args: argparse.Namespace) -> list[Row]:
    """Kirkman 93 x 961, eight infected, noiseless."""
    peer = "COMP 0; NNOMP-CV 332 ms, .40 (with Ct); ILP 380 ms, .80 of 5"
    return decode_row("Kirkman 93x961, 8, noiseless", "kirkman-93x961", 8, PERFECT, peer, args)


def ten_in_one(args: argparse.Namespace) -> list[Row]:
    """10-in-1: posterior and orders of a day, kernels alone and from tables to tables."""
    day = poolkit.simulate_day(args.samples, 0.001, seed=1).day
    seen: dict[str, Any] = {}
    settle, posterior, resolve = kernels.settle, kernels.posterior, results.resolve

    def keep(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def kept(*given: Any, **named: Any) -> Any:
            seen[name] = (given, named)
            return function(*given, **named)

        return kept

    kernels.settle, kernels.posterior = keep("settle", settle), keep("posterior", posterior)
    pipeline.resolve = keep("resolve", resolve)
    try:
        poolkit.process(day)
    finally:
        kernels.settle, kernels.posterior, pipeline.resolve = settle, posterior, resolve
    kernel, used = timed(lambda: (settle(*seen["settle"][0]), posterior(*seen["posterior"][0])), args.repeat)
    given, named = seen["resolve"]
    whole, _ = timed(lambda: resolve(*given, **named), args.repeat)
    note = f"{args.samples / 1e3 / kernel:.0f} M samples/s in the kernels"
    return [Row(f"10-in-1, {args.samples:,} samples", "posterior and orders", kernel, used, whole, None, note, "none")]


def calibration(args: argparse.Namespace) -> list[Row]:
    """Observed frequency in each tenth of the posteriors, and Brier scores beside the Dorfman rule's."""
    size, assay = 10, Assay(0.95, 0.99)
    n = args.samples // size * size
    rng = np.random.default_rng(3)
    risk = rng.choice([0.002, 0.01, 0.05], n)
    infected = rng.random(n) < risk
    chance = assay.reactive(size)
    pool = np.repeat(np.arange(n // size, dtype=np.int32), size)
    reacts = rng.random(n // size) < chance[size, infected.reshape(-1, size).sum(axis=1)]
    retested = np.flatnonzero(reacts[pool])
    # One in three retests is still to come.
    retested = retested[rng.random(retested.size) < 2 / 3].astype(np.int32)
    alone = rng.random(retested.size) < chance[1, infected[retested].astype(int)]
    graph = graph_of(
        np.concatenate((pool, n // size + np.arange(retested.size, dtype=np.int32))),
        np.concatenate((np.arange(n, dtype=np.int32), retested)),
        n // size + retested.size,
        n,
    )
    says = np.concatenate((reacts, alone))
    read = evidence_of(graph, says.astype(np.int32), (~says).astype(np.int32), assay)
    probability = posterior_of(graph, read, risk, EFFORT).beliefs.probability
    took, used = timed(lambda: posterior_of(graph, read, risk, EFFORT), args.repeat)
    outside, parts = 0, []
    for part in np.array_split(np.argsort(probability, kind="stable"), 10):
        expected, seen = probability[part].sum(), infected[part].sum()
        spread = 2.576 * np.sqrt((probability[part] * (1.0 - probability[part])).sum())
        outside += abs(seen - expected) > spread
        parts.append(f"{seen}/{expected:.1f}±{spread:.1f}")
    rule = reacts[pool].copy()
    rule[retested] &= alone
    brier, of_rule = ((probability - infected) ** 2).mean(), (rule ^ infected).mean()
    note = f"{outside} of 10 parts outside 99 %: {' '.join(parts)}; Brier {brier:.2e}, Dorfman rule {of_rule:.2e}"
    return [Row(f"calibration, {n:,} samples", "decode", took, used, None, None, note, "")]


def calibration_approximate(args: argparse.Namespace) -> list[Row]:
    """Compare what was said with what was so, for the two methods that nothing bounds, on P-BEST with errors."""
    plan = poolkit.design("reed-solomon-48x384")
    n_batches, n, prior = max(args.samples // plan.block, 1), plan.block, 4 / 384
    layout = plan.layout(n)
    rng = np.random.default_rng(12)
    infected = rng.random((n_batches, n)) < prior
    sizes = np.diff(layout.offsets)
    pool = np.repeat(np.arange(sizes.size), sizes)
    count = np.zeros((n_batches, sizes.size), np.int64)
    for k in range(pool.size):
        count[:, pool[k]] += infected[:, layout.members[k]]
    says = (rng.random(count.shape) < NOISY.reactive(int(sizes.max()))[sizes[None, :], count]).ravel()
    every = np.arange(n_batches)[:, None]
    graph = graph_of(
        (pool + sizes.size * every).ravel().astype(np.int32),
        (layout.members + n * every).ravel().astype(np.int32),
        says.size,
        infected.size,
    )
    read = evidence_of(graph, says.astype(np.int32), (~says).astype(np.int32), NOISY)
    risk = np.full(infected.size, prior)
    found = posterior_of(graph, read, risk, EFFORT)
    took, used = (each / n_batches for each in timed(lambda: posterior_of(graph, read, risk, EFFORT), 1))
    probability, truth = found.beliefs.probability, infected.ravel()
    of_sample = np.where(found.part >= 0, found.beliefs.method[found.part], methods.CERTAIN)
    edges = (0.0, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 0.9, 0.99, 0.999, 1.1)
    rows = []
    for name, method in (("likely sets", methods.APPROXIMATED), ("belief propagation", methods.PROPAGATED)):
        parts, outside = [], 0
        for low, high in pairwise(edges):
            inside = (of_sample == method) & (probability >= low) & (probability < high)
            expected, seen = probability[inside].sum(), truth[inside].sum()
            spread = 2.576 * np.sqrt((probability[inside] * (1.0 - probability[inside])).sum())
            outside += abs(seen - expected) > spread + 0.5
            parts.append(f"from {low:g}: {seen}/{expected:.1f}±{spread:.1f}")
        blocks = float((found.beliefs.method == method).mean())
        note = f"{blocks:.1%} of blocks; {outside} of {len(parts)} parts outside 99 %: {', '.join(parts)}"
        rows.append(Row("calibration, P-BEST by the prior", name, took, used, None, None, note, ""))
    return rows


def by_ct(args: argparse.Namespace) -> list[Row]:
    """Measure the decoder that sees the Ct of pools, on the designs of `decoding_ct`, from Arrow to Arrow."""
    return [
        Row(each["task"], "rank_candidates", each["milliseconds"], each["cpu_milliseconds"], each["milliseconds"],
            each["exact"], f"to reach: {each['target'] or '-'}", each["peer"])
        for each in decoding_ct.rows(n_batches=args.batches, repeat=args.repeat)
    ]  # fmt: skip


def adaptive(_: argparse.Namespace) -> list[Row]:
    """State the tests a sample that the adaptive search expects at 1 %, pools of at most ten, perfect test."""
    bound, dorfman = poolkit.pooling_bound(0.01, max_pool=10), 0.1 + 1.0 - 0.99**10
    rows = []
    for rounds in (None, 3, 4):
        tests = poolkit.adaptive_tests(0.01, max_pool=10, rounds=rounds)
        said = "any rounds" if rounds is None else f"{rounds} rounds"
        note = f"{tests:.4f} tests a sample; bound {bound:.4f}"
        rows.append(Row(f"1 %, {said}", "adaptive_tests", None, None, None, None, note, f"Dorfman {dorfman:.4f}"))
    return rows


def compared(args: argparse.Namespace) -> list[Row]:
    """Time the comparison of all designs."""
    return [
        Row(each["task"], "compare_designs", 1e3 * each["seconds"], 1e3 * each["cpu"], None, None,
            "" if each["reach"] is None else f"to reach: {1e3 * each['reach']:g} ms",
            "" if each["peer"] is None else f"PoolPy {each['peer']:g} s")
        for each in decoding_compare.time_rows(args.repeat)
    ]  # fmt: skip


ROWS = (
    *(pbest, kirkman_small, kirkman_large, ten_in_one, calibration, calibration_approximate),
    *(by_ct, adaptive, compared),
)


def main() -> None:
    """Run every row and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    title = f"poolkit {poolkit.__version__}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}"
    shown = Table("task", "decoder", "ms", "cpu ms", "arrow ms", "exact", "note", "peer", title=title)
    rows = [row for measure in ROWS for row in measure(args)]
    for row in rows:
        figures = ["" if value is None else f"{value:.3g}" for value in (row.ms, row.cpu_ms, row.arrow_ms, row.exact)]
        shown.add_row(row.task, row.decoder, *figures, row.note, row.peer)
    Console(width=180).print(shown)
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
