"""Finite fields and their products: the arithmetic behind Reed-Solomon and Kirkman designs."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def prime_powers(number: int) -> list[tuple[int, int]]:
    """Return the primes of a number of at least 1 with their exponents, smallest prime first.

    Examples
    --------
    >>> prime_powers(360)
    [(2, 3), (3, 2), (5, 1)]
    """
    found, prime = [], 2
    while number > 1:
        if prime * prime > number:
            prime = number
        exponent = 0
        while number % prime == 0:
            number //= prime
            exponent += 1
        if exponent:
            found.append((prime, exponent))
        prime += 1
    return found


def is_prime(number: int) -> bool:
    """Say whether a number is a prime.

    Examples
    --------
    >>> [number for number in range(20) if is_prime(number)]
    [2, 3, 5, 7, 11, 13, 17, 19]
    """
    return number > 1 and prime_powers(number) == [(number, 1)]


def is_prime_power(number: int) -> bool:
    """Say whether a number is a power of one prime, so that there is a field of its size.

    Examples
    --------
    >>> [number for number in range(20) if is_prime_power(number)]
    [2, 3, 4, 5, 7, 8, 9, 11, 13, 16, 17, 19]
    """
    return number > 1 and len(prime_powers(number)) == 1


def _shifted(element: list[int], low: list[int], prime: int) -> list[int]:
    """Multiply an element by the variable, where the variable's highest power is the polynomial `low`."""
    top = element[-1]
    return [(a + top * b) % prime for a, b in zip([0, *element[:-1]], low, strict=True)]


@lru_cache(maxsize=64)
def powers(size: int) -> Numbers:
    """Return the powers 1, x, x^2, ... of a primitive element x of the field of that size, all but 0 once.

    Parameters
    ----------
    size
        A power of a prime.

    Returns
    -------
    numpy.ndarray of int64
        (size - 1,) elements as numbers, the digits in the base of the prime being the coefficients.

    References
    ----------
    Lidl and Niederreiter 1997, *Finite fields*, chapter 2.

    Examples
    --------
    >>> powers(7).tolist(), powers(8).tolist()
    ([1, 3, 2, 6, 4, 5], [1, 2, 4, 3, 6, 7, 5])
    """
    ((prime, degree),) = prime_powers(size)
    weights = prime ** np.arange(degree)
    for candidate in range(1, size):
        # A primitive root of a prime, or the low part of a polynomial whose root is primitive.
        low = [candidate // prime**k % prime for k in range(degree)]
        one = [1] + [0] * (degree - 1)
        orbit, element = [one], _shifted(one, low, prime)
        while element != one and any(element) and len(orbit) < size:
            orbit.append(element)
            element = _shifted(element, low, prime)
        if element == one and len(orbit) == size - 1:
            found = np.array(orbit, np.int64) @ weights
            found.flags.writeable = False
            return found
    raise AssertionError(f"no primitive element of {size}")


@lru_cache(maxsize=64)
def _tables(size: int) -> tuple[Numbers, Numbers]:
    """Return the tables of sums and products of the field of that size."""
    ((prime, degree),) = prime_powers(size)
    numbers, plus = np.arange(size), np.zeros((size, size), np.int64)
    for k in range(degree):
        digit = numbers // prime**k % prime
        plus += (digit[:, None] + digit) % prime * prime**k
    exponents = powers(size)
    logarithm = np.zeros(size, np.int64)
    logarithm[exponents] = np.arange(size - 1)
    times = exponents[(logarithm[:, None] + logarithm) % (size - 1)]
    times[0, :] = times[:, 0] = 0
    return plus, times


class Ring:
    """Whole numbers below `size` with the sums and products of a field, or of a product of fields.

    A size that is a power of a prime gives a field; any other the product of the fields of its prime powers, in which
    the `points` still differ by elements that can be divided by. Two polynomials of degree g at most agree on g such
    points at most.

    Parameters
    ----------
    size
        At least 2.

    Attributes
    ----------
    size : int
        Elements.
    points : numpy.ndarray of int64
        As many elements as the smallest prime power in `size`: their differences have inverses; 0 and 1 come first.

    Examples
    --------
    >>> Ring(8).times(np.array([3, 5]), 4).tolist()
    [7, 2]
    >>> Ring(15).points.tolist()
    [0, 4, 8]
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._parts = [prime**exponent for prime, exponent in prime_powers(size)]
        units = np.cumprod([1, *self._parts[:-1]])
        self.points: Numbers = np.arange(min(self._parts)) * units.sum()

    def _by_part(self, first: Numbers, second: Numbers | int, *, multiply: bool) -> Numbers:
        other = np.asarray(second, np.int64)
        total, unit = np.zeros(np.broadcast_shapes(first.shape, other.shape), np.int64), 1
        for part in self._parts:
            a, b = first // unit % part, other // unit % part
            plain = (a * b if multiply else a + b) % part
            total += unit * (plain if is_prime(part) else _tables(part)[int(multiply)][a, b])
            unit *= part
        return total

    def plus(self, first: Numbers, second: Numbers | int) -> Numbers:
        """Return the sums of elements.

        Examples
        --------
        >>> Ring(9).plus(np.array([1, 2, 4]), 2).tolist()
        [0, 1, 3]
        """
        return self._by_part(first, second, multiply=False)

    def times(self, first: Numbers, second: Numbers | int) -> Numbers:
        """Return the products of elements.

        Examples
        --------
        >>> Ring(7).times(np.array([1, 2, 4]), 2).tolist()
        [2, 4, 1]
        """
        return self._by_part(first, second, multiply=True)
