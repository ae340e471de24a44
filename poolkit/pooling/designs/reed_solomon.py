"""Reed-Solomon designs and the shifted transversal design: each layer of pools holds every sample once."""

from functools import lru_cache
from typing import Self

import numpy as np

from poolkit.errors import Problem
from poolkit.pooling.designs.coded import Coded, Codes, nearest_to, samples_within, within
from poolkit.pooling.designs.fields import Ring, is_prime
from poolkit.pooling.designs.model import LARGEST, impossible, numbers_in


def degree(n: int, size: int) -> int:
    """Return the most pools that two samples may share: digits of the last of n samples in base `size`, less one.

    Examples
    --------
    >>> degree(384, 8), degree(961, 31), degree(962, 31)
    (2, 1, 2)
    """
    found, reached = 0, size
    while reached < n:
        found, reached = found + 1, reached * size
    return found


@lru_cache(maxsize=16)
def layered(n: int, size: int, layers: int) -> Codes:
    """Return the pools of n samples: the values of polynomials, a layer for each point.

    Parameters
    ----------
    n
        Samples; the digits of a sample's number in base `size`, lowest first, are the coefficients.
    size
        Pools of a layer.
    layers
        Points, at most one more than `Ring` has for the size: that one stands for infinity, the highest coefficient.

    Returns
    -------
    numpy.ndarray of int64
        (n, layers) pools, ``layer * size + value``.

    Examples
    --------
    >>> layered(5, 3, 2).tolist()
    [[0, 3], [1, 4], [2, 5], [0, 4], [1, 5]]
    """
    ring, top = Ring(size), degree(n, size)
    sample = np.arange(n)
    digits = [sample // size**k % size for k in range(top + 1)]
    columns = []
    for point in ring.points[:layers].tolist():
        value = digits[top]
        for digit in digits[top - 1 :: -1] if top else []:
            value = ring.plus(ring.times(value, point), digit)
        columns.append(value)
    if layers > ring.points.size:
        columns.append(digits[top])
    found = np.stack(columns, axis=1) + np.arange(layers) * size
    found.flags.writeable = False
    return found


def most_layers(size: int) -> int:
    """Return how many layers there can be with so many pools each.

    Examples
    --------
    >>> most_layers(8), most_layers(15)
    (9, 4)
    """
    return int(Ring(size).points.size) + 1


class _Layered(Coded):
    """Layers of as many pools each, any two samples together in at most `shared` of them."""

    def __init__(self, name: str, samples: int, size: int, layers: int) -> None:
        self.name, self.block, self.size, self.layers = name, samples, size, layers
        self.pools = size * layers
        self.shared = degree(samples, size)
        self.certain = (layers - 1) // self.shared

    def codes(self) -> Codes:
        """Return the pools of each sample."""
        return layered(self.block, self.size, self.layers)


def _fits(pools: int, samples: int) -> tuple[int, int] | None:
    """Return the layer size and the layers that guarantee most with so many pools; of these, the smallest pools."""
    if pools >= samples:
        return None
    best: tuple[int, int, int] | None = None
    for size in range(2, pools // 2 + 1):
        layers = pools // size
        if pools % size or not (size < samples <= size**layers and layers <= most_layers(size)):
            continue
        certain = (layers - 1) // degree(samples, size)
        if best is None or (certain, size) > best[:2]:
            best = (certain, size, layers)
    return None if best is None else best[1:]


class ReedSolomon(_Layered):
    """Layers of pools from a Reed-Solomon code: each layer holds every sample once, two samples share few pools.

    Parameters
    ----------
    pools
        Pools in all: layers times pools of a layer.
    samples
        Samples of a block.

    Notes
    -----
    A sample's number, written in base q, is a polynomial over the field of q elements, and its value at the point of a
    layer says which of the layer's q pools it joins. Two polynomials of degree g agree on at most g points, so two
    samples share at most g pools, and with k layers up to ``(k - 1) // g`` positives are decoded for certain. Of the
    ways to write `pools` as k times q the one that guarantees most is taken, and of these the one with the smallest
    pools. Where q is no power of a prime, a product of fields stands for the field; it has fewer points, one for each
    element of the smallest of them. One more layer, of the highest coefficient, is the point at infinity. But for that
    layer, the pools of the first n samples differ in size by at most one, for every n.

    ``reed-solomon-48x384`` is P-BEST: 6 layers of 8 pools of 48 samples, two samples share at most 2 pools.
    ``reed-solomon-45x105`` and ``reed-solomon-93x961`` have the parameters of Tapestry's designs (3 pools a sample, two
    samples share at most one): they are Latin squares of 15 and 31, whose pools come in three groups, and no Kirkman
    systems.

    References
    ----------
    .. [1] W. H. Kautz, R. C. Singleton, "Nonrandom binary superimposed codes", IEEE Transactions on Information
       Theory 10 (1964), 363-377; [2] N. Shental et al., "Efficient high-throughput SARS-CoV-2 testing to detect
       asymptomatic carriers", Science Advances 6 (2020), eabc5961.
    """

    family = "reed-solomon"
    form = "reed-solomon-POOLSxSAMPLES"
    about = "Layers of pools, each holding every sample once, from a Reed-Solomon code: two samples share few pools."

    def __init__(self, pools: int, samples: int) -> None:
        name = f"reed-solomon-{pools}x{samples}"
        problems = samples_within(samples)
        if not problems:
            fits = _fits(pools, samples)
            if fits is not None:
                super().__init__(name, samples, *fits)
                return
            problems.append(Problem("pools", f"{pools} pools make no layers that tell {samples} samples apart"))
        samples = min(max(samples, 10), LARGEST)
        near = sorted(range(4, min(samples, 1000)), key=lambda each: (abs(each - pools), each))
        possible = [f"reed-solomon-{each}x{samples}" for each in near if _fits(each, samples)][:3]
        raise impossible(name, problems, possible)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``48x384``."""
        numbers = numbers_in(r"(\d+)x(\d+)", text)
        return None if numbers is None else cls(*numbers)


class ShiftedTransversal(_Layered):
    """The shifted transversal design STD(n; q; k): k layers of q pools, q a prime.

    Parameters
    ----------
    samples
        Samples of a block, n.
    size
        Pools of a layer, q, a prime below n.
    layers
        Layers, k, at most q + 1, and more than the digits of n - 1 in base q less one.

    Notes
    -----
    Layer j < q puts sample i in pool ``sum(j**c * (i // q**c))`` modulo q, c from 0 to g, where g is the least with
    ``q**(g + 1) >= n``; layer q puts it in pool ``i // q**g``. Two samples share at most g pools, so up to
    ``(k - 1) // g`` positives are decoded for certain. It is `ReedSolomon` over a prime field, with n, q and k free.

    References
    ----------
    .. [1] N. Thierry-Mieg, "A new pooling strategy for high-throughput screening: the Shifted Transversal Design",
       BMC Bioinformatics 7 (2006), 28.
    """

    family = "std"
    form = "std-SAMPLES-POOLS_OF_A_LAYER-LAYERS"
    about = "The shifted transversal design STD(n; q; k): k layers of q pools, q a prime."

    def __init__(self, samples: int, size: int, layers: int) -> None:
        name = f"std-{samples}-{size}-{layers}"
        problems = samples_within(samples, 7)
        n = min(max(samples, 7), LARGEST)
        low, high = self._layers(n, size) if is_prime(size) else (0, 0)
        if low < high:
            problems += within("layers", layers, low, high - 1)
        else:
            fits = f"must be a prime with which {n} samples take fewer pools and are told apart"
            problems.append(Problem("pools of a layer", f"{fits}, found {size}"))
        if problems:
            middle = min(max(size, 2), n // 2)
            near = (each for each in range(2, n) if abs(each - middle) <= n // 2 and is_prime(each))
            ranges = ((each, *self._layers(n, each)) for each in near)
            least = {each: (low, high) for each, low, high in ranges if low < high}
            possible = nearest_to(size, least)
            clipped = [min(max(layers, least[each][0]), least[each][1] - 1) for each in possible]
            raise impossible(name, problems, [f"std-{n}-{q}-{k}" for q, k in zip(possible, clipped, strict=True)])
        super().__init__(name, samples, size, layers)

    @staticmethod
    def _layers(n: int, size: int) -> tuple[int, int]:
        """Return the fewest layers that tell n samples apart, and the fewest that are too many."""
        return degree(n, size) + 1, min(size + 2, -(-n // size))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``96-11-3``."""
        numbers = numbers_in(r"(\d+)-(\d+)-(\d+)", text)
        return None if numbers is None else cls(*numbers)
