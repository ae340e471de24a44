"""Fields and their products: the axioms, element by element."""

import numpy as np
import pytest

from poolkit.pooling.designs.fields import Ring, is_prime, is_prime_power, powers, prime_powers
from tests.reference.constructions import remainder_of_polynomials


@pytest.mark.parametrize("number", range(1, 500))
def test_prime_powers_multiply_back(number):
    found = prime_powers(number)
    assert np.prod([prime**exponent for prime, exponent in found]) == number
    assert all(all(prime % k for k in range(2, prime)) for prime, _ in found)
    assert [prime for prime, _ in found] == sorted({prime for prime, _ in found})
    assert is_prime(number) == (len(found) == 1 and found[0][1] == 1)
    assert is_prime_power(number) == (len(found) == 1)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 20, 25, 27])
def test_sums_and_products_are_a_commutative_ring(size):
    ring, each = Ring(size), np.arange(size)
    a, b, c = (grid.ravel() for grid in np.meshgrid(each, each, each, indexing="ij"))
    for operation in (ring.plus, ring.times):
        assert np.array_equal(operation(a, b), operation(b, a))
        assert np.array_equal(operation(operation(a, b), c), operation(a, operation(b, c)))
    assert np.array_equal(ring.times(a, ring.plus(b, c)), ring.plus(ring.times(a, b), ring.times(a, c)))
    assert np.array_equal(ring.plus(each, 0), each)
    assert np.array_equal(ring.times(each, int(ring.points[1])), each)
    assert all(sorted(ring.plus(each, int(shift))) == list(each) for shift in each)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 7, 8, 9, 16, 25, 27, 32, 49, 64, 81, 121, 125, 128])
def test_powers_are_all_elements_but_zero_and_multiply(size):
    found, ring = powers(size), Ring(size)
    assert sorted(found.tolist()) == list(range(1, size))
    once = int(found[1 % (size - 1)])
    assert np.array_equal(ring.times(found, once), np.roll(found, -1))


@pytest.mark.parametrize("size", [4, 6, 8, 12, 15, 21, 35, 36])
def test_points_differ_by_elements_with_inverses(size):
    ring, each = Ring(size), np.arange(size)
    minus = {int(a): int(each[ring.plus(each, int(a)) == 0][0]) for a in ring.points}
    assert ring.points.size == min(prime**exponent for prime, exponent in prime_powers(size))
    for a in ring.points.tolist():
        for b in ring.points.tolist():
            if a != b:
                difference = int(ring.plus(np.array([a]), minus[b])[0])
                assert sorted(ring.times(each, difference)) == list(each)


def test_the_field_of_eight_is_that_of_its_polynomials():
    ring = Ring(8)
    for a in range(8):
        for b in range(8):
            assert ring.plus(np.array([a]), b) == a ^ b
            assert ring.times(np.array([a]), b) == remainder_of_polynomials(a, b, 0b1011)
