"""Random numbers by what they are for: the same seed, stream and index give the same number in every scenario."""

import numpy as np

from poolkit.kernels import kernel

FIXED, EXPONENTIAL, LOGNORMAL = 0, 1, 2
# What a stream is for; each site, and each stage of each laboratory, has its own of each kind.
GAPS, SWABS, INFECTED, REACTS, SERVICE, FAILS, BREAKS, REPAIRS, INVALID = range(9)


@kernel
def mixed(bits: np.uint64) -> np.uint64:
    """Return the bits of a number stirred, as the last step of SplitMix64 does."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@kernel
def stream(seed: int, kind: int, number: int) -> np.uint64:
    """Return the key of a stream of chance: seed, kind and number are not negative."""
    bits = mixed(np.uint64(seed) ^ np.uint64(0x9E3779B97F4A7C15))
    bits = mixed(bits ^ np.uint64(kind + 1))
    return mixed(bits ^ np.uint64(number + 1))


@kernel
def chance(key: np.uint64, index: int) -> float:
    """Return number `index` of a stream, uniform between 0 and 1, neither included."""
    bits = mixed(key ^ (np.uint64(index + 1) * np.uint64(0x9E3779B97F4A7C15)))
    return (float(np.int64(bits >> np.uint64(11))) + 0.5) * 2.0**-53


@kernel
def noise(spread: int, sigma: float, key: np.uint64, index: int) -> float:
    """Return factor `index` of a stream with mean 1: fixed, exponential, or lognormal with this sigma of its logarithm.

    A lognormal factor takes two numbers of the stream (Box and Muller 1958).
    """
    if spread == FIXED:
        return 1.0
    if spread == EXPONENTIAL:
        return float(-np.log(chance(key, index)))
    normal = np.sqrt(-2.0 * np.log(chance(key, 2 * index))) * np.cos(2.0 * np.pi * chance(key, 2 * index + 1))
    return float(np.exp(sigma * normal - 0.5 * sigma * sigma))
