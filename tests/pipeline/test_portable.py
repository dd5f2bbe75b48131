"""The arithmetic of the manifest against numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipeline import portable
from pipeline.philox import uniform

RNG = np.random.default_rng(5)
X = RNG.uniform(-20, 20, 20_000)
U = RNG.uniform(1e-9, 1, 20_000)


@pytest.mark.parametrize(
    ("ours", "theirs", "bound"),
    [
        (portable.exp2(X) / np.exp2(X), 1, 1e-15),
        (portable.exp10(X) / 10**X, 1, 2e-14),
        (portable.log2(np.exp(X)), np.log2(np.exp(X)), 8e-15),
        (portable.log10(np.exp(X)), np.log10(np.exp(X)), 4e-15),
        (portable.ln(1 + 1e-12 * X), np.log(1 + 1e-12 * X), 1e-15),
        (portable.cos_sin_turn(U)[0], np.cos(2 * np.pi * U), 1e-15),
        (portable.cos_sin_turn(U)[1], np.sin(2 * np.pi * U), 1e-15),
        (portable.cos_sin_turn(np.array([0, 0.25, 0.5, 0.75, 1.0]))[0], [1, 0, -1, 0, 1], 1e-16),
        (portable.arccos(2 * U - 1), np.arccos(2 * U - 1), 3e-8),
        (portable.normal_quantile(U), stats.norm.ppf(U), 3e-6),
    ],
)
def test_each_function_is_within_its_stated_error(ours, theirs, bound):
    assert np.abs(ours - theirs).max() < bound


@pytest.mark.parametrize("count", [1, 4, 6, 14])
def test_uniform_numbers_are_those_of_numpys_philox(count):
    keys = np.concatenate([RNG.integers(0, 2**63, 50), [0, 2**63 - 1]]).astype(np.uint64)
    for seed in (0, 13, 2**63 - 1):
        ours = uniform(seed, keys, count)
        theirs = [np.random.Generator(np.random.Philox(key=[seed, int(key)])).random(count) for key in keys]
        assert np.array_equal(ours, np.transpose(theirs))
