"""Counter-based random numbers for many tasks at once: numpy's Philox4x64-10, vectorised over its keys.

Row i holds what np.random.Generator(np.random.Philox(key=[seed, keys[i]])).random(count) gives, so a task's
numbers depend on nothing but the run's seed and the task (Salmon et al. 2011, SC'11, doi
10.1145/2063384.2063405).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_ROUNDS = 10
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_WORD = (1 << 64) - 1


def uniform(seed: int, keys: Words, count: int) -> NDArray[np.float64]:
    """`count` numbers in [0, 1) for each key, shape (count, len(keys)).

    seed: the first word of every key, the run's; keys: the second, the task's.
    """
    blocks = -(-count // 4)
    counter = np.repeat(np.arange(1, blocks + 1, dtype=np.uint64)[:, None], len(keys), axis=1)
    words = _philox(counter, seed, keys)
    numbers = np.stack(words, axis=1).reshape(4 * blocks, len(keys))[:count]
    return (numbers >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _philox(counter: Words, seed: int, keys: Words) -> tuple[Words, Words, Words, Words]:
    """The four output words of each counter (its other three words are 0)."""
    zero = np.zeros_like(counter)
    c0, c1, c2, c3 = counter, zero, zero, zero
    key0, key1 = seed, keys
    for _ in range(_ROUNDS):
        high0, low0 = _product(_MULTIPLIERS[0], c0)
        high1, low1 = _product(_MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ np.uint64(key0), low1, high0 ^ c3 ^ key1, low0
        key0 = (key0 + _WEYL[0]) & _WORD
        key1 = key1 + np.uint64(_WEYL[1])
    return c0, c1, c2, c3


def _product(a: int, b: Words) -> tuple[Words, Words]:
    """High and low word of the 128-bit product, from 32-bit halves."""
    a_low, a_high = np.uint64(a & 0xFFFFFFFF), np.uint64(a >> 32)
    b_low, b_high = b & _LOW, b >> _HALF
    low = a_low * b_low
    middle1, middle2 = a_high * b_low, a_low * b_high
    carry = (low >> _HALF) + (middle1 & _LOW) + (middle2 & _LOW)
    high = a_high * b_high + (middle1 >> _HALF) + (middle2 >> _HALF) + (carry >> _HALF)
    return high, np.uint64(a) * b
