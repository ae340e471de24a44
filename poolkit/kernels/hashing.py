"""SHA-256 of many short messages at once, and of the nodes above them: sixteen messages side by side, one in each lane.

A digest is a column of eight big-endian words in an array of shape (8, messages). Interpreted, the functions hash with
Python's own SHA-256.

References
----------
FIPS 180-4, sections 4.1.2, 4.2.2, 5.1.1 and 6.2. RFC 9162, section 2.1.1, for the prefix of a node.
"""

import hashlib
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic
from numpy.typing import NDArray

from poolkit.kernels import kernel

_LANES = 16
_WORDS = 16  # of a block
_NODE = b"\x01"
_INTERPRETED = bool(getattr(config, "DISABLE_JIT", False))


def _root(value: int, degree: int) -> int:
    """Give the whole part of a root."""
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**degree <= value else (low, middle)
    return low


# The first 32 bits of the fractions of the cube roots of the first 64 primes, and of the square roots of the first 8.
_PRIMES = [n for n in range(2, 312) if all(n % k for k in range(2, n))]
_ROUNDS = tuple(_root(prime << 96, 3) & 0xFFFFFFFF for prime in _PRIMES)
_START = np.array([_root(prime << 64, 2) & 0xFFFFFFFF for prime in _PRIMES[:8]], np.uint32)


def _compression(_typing: Any, state: Any, words: Any) -> Any:
    """Take one block of each lane into its state: state (8, lanes) is changed, words (16, lanes) are read.

    Written in the compiler's own vectors, because the loop over lanes around sixty-four rounds is not vectorised.
    """
    vector = ir.VectorType(ir.IntType(32), _LANES)

    def number(value: int) -> Any:
        return ir.Constant(vector, [value] * _LANES)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        states, blocks = (
            builder.bitcast(context.make_array(kind)(context, builder, value).data, vector.as_pointer())
            for kind, value in zip(signature.args, given, strict=True)
        )

        def place(rows: Any, row: int) -> Any:
            return builder.gep(rows, [ir.Constant(ir.IntType(64), row)])

        def read(rows: Any, row: int) -> Any:
            loaded = builder.load(place(rows, row))
            loaded.align = 4
            return loaded

        def turned(word: Any, *by: int) -> list[Any]:
            return [builder.or_(builder.lshr(word, number(n)), builder.shl(word, number(32 - n))) for n in by]

        def parity(*words: Any) -> Any:
            one, two, three = words
            return builder.xor(builder.xor(one, two), three)

        def total(*words: Any) -> Any:
            first, *others = words
            for word in others:
                first = builder.add(first, word)
            return first

        w = [read(blocks, row) for row in range(_WORDS)]
        before = [read(states, row) for row in range(8)]
        a, b, c, d, e, f, g, h = before
        for t, constant in enumerate(_ROUNDS):
            if t >= _WORDS:
                small = parity(*turned(w[t - 15], 7, 18), builder.lshr(w[t - 15], number(3)))
                large = parity(*turned(w[t - 2], 17, 19), builder.lshr(w[t - 2], number(10)))
                w.append(total(w[t - 16], small, w[t - 7], large))
            choice = builder.xor(g, builder.and_(e, builder.xor(f, g)))
            most = builder.or_(builder.and_(a, b), builder.and_(c, builder.or_(a, b)))
            one = total(h, number(constant), w[t], parity(*turned(e, 6, 11, 25)), choice)
            two = total(parity(*turned(a, 2, 13, 22)), most)
            a, b, c, d, e, f, g, h = total(one, two), a, b, c, total(d, one), e, f, g
        for row, (word, start) in enumerate(zip((a, b, c, d, e, f, g, h), before, strict=True)):
            builder.store(total(start, word), place(states, row)).align = 4
        return context.get_dummy_value()

    return types.void(state, words), generate


_compress: Any = intrinsic(_compression)


@kernel
def _hash_messages(words: NDArray[np.uint32], first: NDArray[np.int64], digests: NDArray[np.uint32]) -> None:
    """Hash padded messages, sixteen at a time; see `hash_messages`."""
    n = first.size - 1
    state = np.empty((8, _LANES), np.uint32)
    block = np.zeros((_WORDS, _LANES), np.uint32)
    low, high = np.uint32(0xFF), np.uint32(0xFF00)
    byte, three = np.uint32(8), np.uint32(24)
    for start in range(0, n, _LANES):
        n_lanes = min(_LANES, n - start)
        most = np.int64(0)
        for lane in range(n_lanes):
            most = max(most, first[start + lane + 1] - first[start + lane])
        for row in range(8):
            for lane in range(_LANES):
                state[row, lane] = _START[row]
        for number in range(most):
            for lane in range(n_lanes):
                at = first[start + lane] + number
                if at < first[start + lane + 1]:
                    for row in range(_WORDS):
                        word = words[at * _WORDS + row]
                        block[row, lane] = (
                            ((word & low) << three)
                            | ((word & high) << byte)
                            | ((word >> byte) & high)
                            | (word >> three)
                        )
            _compress(state, block)
            for lane in range(n_lanes):
                if first[start + lane + 1] - first[start + lane] == number + 1:
                    for row in range(8):
                        digests[row, start + lane] = state[row, lane]


@kernel
def _hash_pairs(below: NDArray[np.uint32], above: NDArray[np.uint32]) -> None:
    """Hash neighbours to the nodes above them, sixteen at a time; see `hash_pairs`."""
    n = above.shape[1]
    state = np.empty((8, _LANES), np.uint32)
    block = np.zeros((_WORDS, _LANES), np.uint32)
    byte, three = np.uint32(8), np.uint32(24)
    for start in range(0, n, _LANES):
        n_lanes = min(_LANES, n - start)
        for row in range(8):
            for lane in range(_LANES):
                state[row, lane] = _START[row]
        # A node is a byte 1, the left digest and the right one: every word is shifted by that byte.
        for lane in range(n_lanes):
            left = 2 * (start + lane)
            block[0, lane] = np.uint32(0x01000000) | (below[0, left] >> byte)
            block[8, lane] = (below[7, left] << three) | (below[0, left + 1] >> byte)
        for row in range(1, 8):
            for lane in range(n_lanes):
                left = 2 * (start + lane)
                block[row, lane] = (below[row - 1, left] << three) | (below[row, left] >> byte)
                block[8 + row, lane] = (below[row - 1, left + 1] << three) | (below[row, left + 1] >> byte)
        _compress(state, block)
        # The last byte, the end mark, and the length: 65 bytes are 520 bits.
        for row in range(1, 15):
            for lane in range(_LANES):
                block[row, lane] = np.uint32(0)
        for lane in range(n_lanes):
            block[0, lane] = (below[7, 2 * (start + lane) + 1] << three) | np.uint32(0x00800000)
            block[15, lane] = np.uint32(520)
        _compress(state, block)
        for row in range(8):
            for lane in range(n_lanes):
                above[row, start + lane] = state[row, lane]


def _interpreted_messages(words: NDArray[np.uint32], first: NDArray[np.int64], digests: NDArray[np.uint32]) -> None:
    data = words.tobytes()
    for number in range(first.size - 1):
        padded = data[64 * int(first[number]) : 64 * int(first[number + 1])]
        message = padded[: int.from_bytes(padded[-8:], "big") // 8]
        digests[:, number] = np.frombuffer(hashlib.sha256(message).digest(), ">u4")


def _interpreted_pairs(below: NDArray[np.uint32], above: NDArray[np.uint32]) -> None:
    each = [column.astype(">u4").tobytes() for column in below.T]
    for number in range(above.shape[1]):
        digest = hashlib.sha256(_NODE + each[2 * number] + each[2 * number + 1]).digest()
        above[:, number] = np.frombuffer(digest, ">u4")


def hash_messages(words: NDArray[np.uint32], first: NDArray[np.int64], digests: NDArray[np.uint32]) -> None:
    """Write the SHA-256 of each message.

    words (16 * blocks,) are the bytes of the messages as they lie in memory, each padded to whole blocks by the rule of
    the standard; message k has blocks first[k] to first[k + 1] of first (messages + 1,); digests (8, messages) is
    written. The caller guarantees that the padding is right.
    """
    (_interpreted_messages if _INTERPRETED else _hash_messages)(words, first, digests)


def hash_pairs(below: NDArray[np.uint32], above: NDArray[np.uint32]) -> None:
    """Write the hash of the node above each two neighbours.

    below (8, at least 2 * nodes) is read; above (8, nodes) is written: node k stands above digests 2k and 2k + 1.
    """
    (_interpreted_pairs if _INTERPRETED else _hash_pairs)(below, above)
