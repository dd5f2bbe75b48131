"""No kernel makes subnormal floats: an Intel processor stops for each, and a stamp is mostly dark.

Two witnesses: what is left in the working memory, counted, and the processor's own underflow flag (C99,
fenv.h), which no operation in between may raise.
"""

import ctypes
import ctypes.util
import platform

import numpy as np
import pytest

from physics import _memory, render_batch
from tests.physics.systems import columns, random_systems

#: FE_UNDERFLOW; other processors number it otherwise.
UNDERFLOW = {"x86_64": 0x10, "aarch64": 0x08}.get(platform.machine())
N_SERSIC = [0.3, 0.5, 1.0, 2.0, 4.0]
WIDTHS = (0.6, 1.2, 2.5)


def _table(n_sersic):
    table = columns(list(random_systems(12, 5)), WIDTHS)
    return {**table, "n_sersic": np.full(12, n_sersic), "flux": np.ones((12, 3))}


def _arrays(value):
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _arrays(part)


def _subnormals(monkeypatch, call):
    """How many floats in all that `call` leaves in working memory and returns, and how many are subnormal."""
    used, memory = [], _memory._allocate

    def kept(*arguments):
        used.append(memory(*arguments))
        return used[-1]

    monkeypatch.setattr(_memory, "_allocate", kept)
    monkeypatch.setattr(_memory, "_of_thread", _memory.threading.local())
    image = call().image
    floats = np.concatenate([a.ravel() for a in (*_arrays(tuple(used)), image) if a.dtype == np.float32])
    least = np.finfo(np.float32).tiny
    return floats.size, int(((floats != 0) & (np.abs(floats) < least)).sum())


@pytest.mark.parametrize("kind", ["gaussian", "moffat"])
@pytest.mark.parametrize("n_sersic", N_SERSIC)
def test_nothing_left_in_memory_is_subnormal(monkeypatch, n_sersic, kind):
    """But for a few that two equal numbers leave of each other."""
    floats, subnormal = _subnormals(monkeypatch, lambda: render_batch(**_table(n_sersic), kind=kind))
    assert floats > 1e5
    assert subnormal < 1e-5 * floats


@pytest.mark.skipif(UNDERFLOW is None, reason="the flag's number on this processor is not known here")
@pytest.mark.parametrize("kind", ["gaussian", "moffat"])
@pytest.mark.parametrize("n_sersic", N_SERSIC)
def test_nothing_underflows(n_sersic, kind):
    fenv, table = ctypes.CDLL(ctypes.util.find_library("m")), _table(n_sersic)
    render_batch(**table, kind=kind)  # tables are made once
    fenv.feclearexcept(UNDERFLOW)
    render_batch(**table, kind=kind)
    assert fenv.fetestexcept(UNDERFLOW) == 0


@pytest.mark.skipif(UNDERFLOW is None, reason="the flag's number on this processor is not known here")
def test_the_flag_is_that_of_underflow():
    fenv = ctypes.CDLL(ctypes.util.find_library("m"))
    fenv.feclearexcept(UNDERFLOW)
    small = np.full(4, 1e-30, np.float32)
    assert fenv.fetestexcept(UNDERFLOW) == 0
    with np.errstate(under="ignore"):
        product = small * small
    assert product.max() == 0
    # numpy clears the flag after it has looked: a product of its own, in C
    fenv.ldexp.restype, fenv.ldexp.argtypes = ctypes.c_double, (ctypes.c_double, ctypes.c_int)
    fenv.ldexp(0.3, -1070)
    assert fenv.fetestexcept(UNDERFLOW) != 0
