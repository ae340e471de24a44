"""How likely calls of pools that overlap are by each sample's risk: arrays, and whatever has few pools open."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.regression import risk

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class Sweeps(NamedTuple):
    """Samples in the order of work, part by part; pools are open from their first sample to their last."""

    samples: Places  # (parts + 1,) first sample of each part
    bits: Places  # (parts,) pools open at once
    mask: Places  # (samples,) bits of the pools of each
    closes: Places  # (samples + 1,) first pool that is closed after each sample
    closed: Places  # (pools,) bit of each pool as it is closed
    some: Floats  # (pools,) likelihood of its calls when it holds an infected sample
    none: Floats  # (pools,) and when not
    calls: Floats  # (samples, 2) likelihood of a sample's own calls, infected and not


@kernel
def scores(sweeps: Sweeps, eta: Floats, link: int, total: Floats, slope: Floats) -> None:
    """Write the log-likelihood of each part, and its slope in the linear predictor of each sample.

    eta (samples,) is read; total (parts,) and slope (samples,) are written. All sets of infected samples are weighed,
    by which open pools hold one; each table is scaled to 1, so that nothing underflows.
    """
    for part in range(sweeps.bits.size):
        first, n = sweeps.samples[part], sweeps.samples[part + 1] - sweeps.samples[part]
        size = 1 << sweeps.bits[part]
        # ahead[i]: before sample i, all closed pools weighed in. back: after it, its own pools still open.
        ahead, back, later = np.zeros((n + 1, size)), np.ones(size), np.empty(size)
        ahead[0, 0] = 1.0
        total[part] = 0.0
        for i in range(n):
            p, q, _, _ = risk(eta[first + i], link)
            ill, well = p * sweeps.calls[first + i, 0], q * sweeps.calls[first + i, 1]
            mask = sweeps.mask[first + i]
            for state in range(size):
                before = ahead[i, state]
                if before > 0.0:
                    ahead[i + 1, state] += before * well
                    ahead[i + 1, state | mask] += before * ill
            for at in range(sweeps.closes[first + i], sweeps.closes[first + i + 1]):
                one = np.int64(1) << sweeps.closed[at]
                for state in range(size):
                    if state & one == 0:
                        ahead[i + 1, state] *= sweeps.none[at]
                        ahead[i + 1, state] += ahead[i + 1, state | one] * sweeps.some[at]
                        ahead[i + 1, state | one] = 0.0
            scale = ahead[i + 1].sum()
            total[part] += np.log(scale)
            ahead[i + 1] /= scale
        for i in range(n - 1, -1, -1):
            for at in range(sweeps.closes[first + i + 1] - 1, sweeps.closes[first + i] - 1, -1):
                one = np.int64(1) << sweeps.closed[at]
                for state in range(size):
                    if state & one == 0:
                        back[state | one] = back[state] * sweeps.some[at]
                        back[state] *= sweeps.none[at]
            p, q, once, _ = risk(eta[first + i], link)
            yes, no = sweeps.calls[first + i, 0], sweeps.calls[first + i, 1]
            mask = sweeps.mask[first + i]
            ill, well = 0.0, 0.0
            for state in range(size):
                before = ahead[i, state]
                ill += before * back[state | mask]
                well += before * back[state]
            slope[first + i] = once * (yes * ill - no * well) / (p * yes * ill + q * no * well)
            for state in range(size):
                later[state] = q * no * back[state] + p * yes * back[state | mask]
            scale = later.max()
            for state in range(size):
                back[state] = later[state] / scale
