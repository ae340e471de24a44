"""Designs made here leave as many samples open as the matrices that Tapestry and P-BEST ship."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import poolkit

GOLDEN = Path(__file__).parents[2] / "golden" / "elimination" / "figures.toml"
PEER = tomllib.loads(GOLDEN.read_text(encoding="utf-8"))


def left_open(name, positives, n_batches):
    """Return how many negatives are in no negative pool, batch by batch, positives drawn at random."""
    found = poolkit.design(name)
    codes = found.codes()
    inside = np.zeros((found.block, found.pools), np.float32)
    inside[np.arange(found.block)[:, None], codes] = 1
    rng = np.random.default_rng(2020)
    counts = []
    for _ in range(n_batches // 500):
        drawn = np.argsort(rng.random((500, found.block)), axis=1)[:, :positives]
        reactive = (inside[drawn].sum(axis=1) > 0).astype(np.float32)
        counts.append((reactive @ inside.T == codes.shape[1]).sum(axis=1) - positives)
    return np.concatenate(counts)


@pytest.mark.parametrize("figure", PEER["figures"], ids=lambda each: f"{each['design']}-{each['positives']}")
def test_as_many_samples_stay_open_as_with_the_peer_s_matrix(figure, small):
    k, n_batches = figure["positives"], 500 if small else 5000
    counts = left_open(figure["design"], k, n_batches)
    assert counts.min() >= 0
    exact = (counts == 0).mean()
    share = 1 / PEER["repeats"] + 1 / n_batches
    # Half a unit of the last digit, and three standard errors of both.
    assert abs(exact - figure["exact"]) <= 0.005 + 3 * np.sqrt(exact * (1 - exact) * share)
    if "precision" in figure:
        peer = k / figure["precision"] - k
        rounding = 0.005 * k / figure["precision"] ** 2
        assert abs(counts.mean() - peer) <= rounding + 3 * counts.std() * np.sqrt(share)
