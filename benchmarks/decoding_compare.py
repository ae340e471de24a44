"""Designs side by side, timed and beside PoolPy's: rows for `bench_decoding`, or a table of its own.

    python benchmarks/decoding_compare.py [--repeat 7] [--json FILE]

PoolPy (Talamanca and Trouillon 2025, Python) took 1.6 s for 96 samples with at most 1 positive, 57 s with at most 2,
and over 100 s for 384 with at most 2, on a 2-core machine; its mean tests stand in ``POOLPY``. Times here are of whole
calls of `compare_designs`, all families, after the kernels are compiled; ``cpu`` is the processor time of the same
calls over all threads, which a busy machine lengthens less.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import poolkit

# Family here: mean tests there of 96 samples with at most 1 and with at most 2 positives.
POOLPY = {
    "binary": (7.00, 103.0),
    "hierarchical": (12.53, 20.34),
    "hypercube": (14.0, 15.72),
    "std": (15.0, 25.0),
    "array": (20.0, 20.75),
    "chinese-remainder": (17.0, 41.0),
    "chinese-remainder-backtracked": (15.0, 34.0),
    "chinese-remainder-special": (None, 25.0),
}
# (samples, most positives): seconds there (a bound where it was stopped), and seconds to reach.
TASKS = {(96, 1): (1.6, None), (96, 2): (57.0, 0.2), (384, 2): (100.0, None), (384, 3): (None, 2.0)}


def time_rows(repeat: int = 7) -> list[dict[str, Any]]:
    """Return the time of each task: median and least seconds, processor seconds, and what is to be reached."""
    rows = []
    for (n, most), (peer, reach) in TASKS.items():
        poolkit.compare_designs(n, max_positives=most)
        seconds, cpu = [], []
        for _ in range(repeat):
            began, used = time.perf_counter(), time.process_time()
            poolkit.compare_designs(n, max_positives=most)
            seconds.append(time.perf_counter() - began)
            cpu.append(time.process_time() - used)
        rows.append(
            {
                "task": f"compare_designs {n} / {most}",
                "seconds": median(seconds),
                "least": min(seconds),
                "cpu": median(cpu),
                "peer": peer,
                "reach": reach,
                "times_faster": peer / median(seconds) if peer else None,
            }
        )
    return rows


def mean_rows() -> list[dict[str, Any]]:
    """Return the mean tests of 96 samples by family, here and there."""
    found = [poolkit.compare_designs(96, max_positives=most).set_index("family") for most in (1, 2)]
    rows = []
    for family, means in POOLPY.items():
        for most, table, peer in zip((1, 2), found, means, strict=True):
            if peer is not None:
                here = table.loc[family]
                rows.append(
                    {
                        "family": family,
                        "max_positives": most,
                        "design": here["design"],
                        "tests": float(here["expected_tests"]),
                        "peer": peer,
                        "no_worse": round(float(here["expected_tests"]), 2) <= peer,
                    }
                )
    return rows


def main(words: Sequence[str] | None = None) -> int:
    """Print both tables; 1 when a row of the tests is worse than PoolPy's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(words)
    times, tests = time_rows(given.repeat), mean_rows()
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"poolkit {poolkit.__version__}, {os.cpu_count()} cores, load {load}")
    print(f"{'task':<24}{'median s':>9}{'least':>8}{'cpu':>8}{'peer s':>8}{'reach':>7}")
    for row in times:
        peer, reach = (f"{row[name]:g}" if row[name] else "-" for name in ("peer", "reach"))
        print(f"{row['task']:<24}{row['seconds']:>9.3f}{row['least']:>8.3f}{row['cpu']:>8.3f}{peer:>8}{reach:>7}")
    print(f"\n{'96 samples':<32}{'at most':>8}{'tests':>8}{'PoolPy':>8}  design")
    for row in tests:
        mark = "" if row["no_worse"] else "  WORSE"
        name = f"{row['family']:<32}{row['max_positives']:>8}"
        print(f"{name}{row['tests']:>8.2f}{row['peer']:>8.2f}  {row['design']}{mark}")
    if given.json is not None:
        given.json.write_text(json.dumps({"times": times, "tests": tests}, indent=2), encoding="utf-8")
    return 0 if all(row["no_worse"] for row in tests) else 1


if __name__ == "__main__":
    sys.exit(main())
