"""Refused or warned of in words, although each number is in range."""

import dataclasses
import warnings

import numpy as np
import pytest

from physics import Lens, Psf, Source, render, render_batch
from physics.limits import FARTHEST
from tests.physics.oracle import light
from tests.physics.systems import columns

LENS = Lens(1.5, 0.8, 0.3, 0.03, 0.5, 0.0, 0.0)
SOURCE = Source((1.0,), 0.02, 1.0, 1.0, 0.0, 0.3, 0.1)
PSF = Psf((1.2,), "gaussian")


def _at(distance):
    return dataclasses.replace(SOURCE, x=distance * np.cos(0.7), y=distance * np.sin(0.7))


def test_a_compact_source_too_far_from_its_lens_is_refused():
    limit = FARTHEST * SOURCE.r_eff
    with pytest.raises(ValueError, match=r"r_eff\[0\].*at least 1/12000 of the distance.*got 0.02.*nearer"):
        render(LENS, _at(limit), PSF)
    table = columns([(LENS, _at(1.0)), (LENS, _at(1.1 * limit))], (1.2,))
    with pytest.raises(ValueError, match=r"r_eff\[1\]"):
        render_batch(**table)


@pytest.mark.parametrize("n_sersic", [0.5, 1.0, 4.0])
def test_just_within_the_limit_the_bound_holds(n_sersic):
    source = dataclasses.replace(_at(FARTHEST * SOURCE.r_eff - LENS.theta_e - 1.0), n_sersic=n_sersic)
    truth = light(LENS, source, 8).magnification
    assert render(LENS, source, PSF).magnification == pytest.approx(truth, rel=1e-3)


def test_rows_that_take_many_rays_are_warned_of(monkeypatch):
    monkeypatch.setattr("physics.limits.MANY_RAYS", 1000)
    with pytest.warns(RuntimeWarning, match=r"1 of 1 rows took more than 1,000 rays, row 0 the most"):
        render(LENS, SOURCE, PSF)


def test_usual_rows_are_not():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        render(LENS, SOURCE, PSF)
