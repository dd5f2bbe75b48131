"""How near the centre of a source lies to the caustic and to the cut of its lens (caustics.py).

Both by chords between DIRECTIONS directions of half a circle; the other half is the same, turned by pi about
the lens. On the angle of rays.py, a ray at rho (c / sqrt(q), s) has the deflection (C c, S s); rho = 0 is on
the cut, and 2 kappa = strength / (rho sqrt(q c^2 + s^2)) puts the critical curve of caustics.py at
  rho = strength B / (det(I - Gamma) sqrt(q c^2 + s^2)),
B = e^T (I - Gamma) e, e the unit vector to the ray. float32; error 1e-6 theta_e besides BETWEEN.
"""

import math
from typing import NamedTuple

import numpy as np

from physics._jit import Array, Real, formula, inlined, vectorised
from physics._vector import LANES, polynomial

F32 = np.float32
DIRECTIONS = 256  # LANES times a power of two
#: How much nearer than the chords between the directions the curves may come, at most, in theta_e (a test).
BETWEEN = 0.003
_ANGLES = np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
_COS, _SIN = (f(_ANGLES).astype(np.float32) for f in (np.cos, np.sin))
_ZERO, _ONE, _TWO, _TINY = F32(0.0), F32(1.0), F32(2.0), F32(1e-30)


class Frame(NamedTuple):
    """The map from the lens frame to source units (along the source's axes, R = 1 at r_eff). All float32.

    root_q, strength (theta_e sqrt(q), arcsec): the SIE. mxx..myy: I - Gamma. axx..ayy: the same for
    deflections, without shear. tx, ty: source position relative to the lens.
    """

    root_q: Real
    strength: Real
    mxx: Real
    mxy: Real
    myx: Real
    myy: Real
    axx: Real
    axy: Real
    ayx: Real
    ayy: Real
    tx: Real
    ty: Real


@vectorised
def _trace(
    f: Frame, shear: tuple[Real, Real], c_terms: tuple[Real, ...], s_terms: tuple[Real, ...], cos: Array,
    sin: Array, cut_x: Array, cut_y: Array, caustic_x: Array, caustic_y: Array,
) -> None:  # fmt: skip
    """Both curves at each direction, in source units from the lens; the cut with the other sign."""
    q = f.root_q * f.root_q
    stretch = f.strength / (_ONE - shear[0] * shear[0] - shear[1] * shear[1])
    for k in range(DIRECTIONS):
        c, s = cos[k], sin[k]
        t = _TWO * c * c - _ONE
        au, av = c * polynomial(t, c_terms), s * polynomial(t, s_terms)
        ax, ay = f.axx * au + f.axy * av, f.ayx * au + f.ayy * av
        u, v = c, f.root_q * s  # times rho / sqrt(q)
        b = (_ONE - shear[0]) * u * u - _TWO * shear[1] * u * v + (_ONE + shear[0]) * v * v
        rho = stretch * b / ((u * u + v * v) * math.sqrt(q * c * c + s * s) * f.root_q)
        cut_x[k], cut_y[k] = ax, ay
        caustic_x[k] = rho * (f.mxx * u + f.mxy * v) - ax
        caustic_y[k] = rho * (f.myx * u + f.myy * v) - ay


@formula
def _from_segment(x: Real, y: Real, dx: Real, dy: Real) -> Real:
    """Square of the origin's distance from the segment from (x, y) to (x + dx, y + dy)."""
    along = -(x * dx + y * dy) / (dx * dx + dy * dy + _TINY)
    along = max(min(along, _ONE), _ZERO)
    x, y = x + along * dx, y + along * dy
    return x * x + y * y


@vectorised
def _distances(x: Array, y: Array, tx: Real, ty: Real, out: Array) -> None:
    """Squares of the distances of (tx, ty) from each segment of a curve and of its mirror image."""
    for k in range(DIRECTIONS):
        dx, dy = x[k + 1] - x[k], y[k + 1] - y[k]
        out[k] = min(_from_segment(x[k] - tx, y[k] - ty, dx, dy), _from_segment(x[k] + tx, y[k] + ty, dx, dy))


@vectorised
def _halve(values: Array, n: int) -> None:
    """values[k] = the lesser of values[k] and values[n + k], k < n."""
    for k in range(n):
        values[k] = min(values[k], values[n + k])


@inlined
def _from_curve(x: Array, y: Array, f: Frame, out: Array) -> Real:
    """Distance of the source's centre from a curve and its mirror image. out: scratch."""
    x[DIRECTIONS], y[DIRECTIONS] = -x[0], -y[0]
    _distances(x, y, f.tx, f.ty, out)
    n = DIRECTIONS
    while n > LANES:
        n //= 2
        _halve(out, n)
    least = out[0]
    for k in range(1, n):
        least = min(least, out[k])
    return math.sqrt(least)


@inlined
def nearest(
    f: Frame, shear: tuple[Real, Real], c_terms: tuple[Real, ...], s_terms: tuple[Real, ...], work: Array
) -> tuple[Real, Real]:
    """Least distance of the source's centre from the cut and from the caustic, in source units; either may be
    BETWEEN less.

    shear: gamma_1, gamma_2 in the lens frame. c_terms, s_terms: C and S of rays.py. work: float32 [5,
    DIRECTIONS + 1].
    """
    x, y, caustic_x, caustic_y = work[0], work[1], work[2], work[3]
    _trace(f, shear, c_terms, s_terms, _COS, _SIN, x, y, caustic_x, caustic_y)
    return _from_curve(x, y, f, work[4]), _from_curve(caustic_x, caustic_y, f, work[4])
