"""Which rule integrates a cell: the decision per cell, from one ray and the analytic Jacobian, no trial
sampling.

For a cell of side h at theta the source plane is crossed by at most
  D = h / sqrt2 |J|_F + h^2 / 4 |grad J|        (source units, R = 1 at r_eff; J = d source / d theta)
where |grad J| <= 2 kappa / psi, psi^2 = q^2 u^2 + v^2: a flat lens bends most along its major axis,
and the log-brightness changes by at most d = (b/n) R^(1/n) 2 D / R, for n < 1 times
(1 + D/R)^(1/n - 1), here bounded by its binomial series. A Gauss-Legendre rule of m nodes per axis
integrates exp(d s), |s| < 1/2, with relative error d^2/24, d^4/4320, d^6/2.016e6, d^8/1.778e9 for m = 1..4
(Abramowitz & Stegun 25.4.30). Where the brightness curves up, all but near a core, these errors are light
that is lost, so they add up. Of the rule of one node, which most of the plane gets, h^2/24 times the
Laplacian of the brightness (Euler & Maclaurin's second term) is given too, for the caller to put back. The
smallest rule whose error, times the largest brightness the cell can hold, is below `tolerance` (in units of
the source's flux) is taken; a cell that no rule serves is split in four.
The brightest that a cell can be is exp(d (1 + D/R) / 2) times its centre, a bound for all n and D/R < 0.7
(1 - (1 - x)^(1/n) < x (1 + x) / n there), or the source's peak where D/R is more. Near the source's cusp
(D / R large) the expansion does not hold and higher rules are asked for or the cell is split; a cell that
touches the lens centre, where the Jacobian jumps, is split if light of note can come from there. Else it is
one ray, no brighter than that light: a ray through the centre itself is not bent at all, and no image.
"""

import math

import numpy as np

from physics._jit import Array, Real, inlined, vectorised
from physics._simd import exp2, log2
from physics.cells import NEGLIGIBLE, OUTSIDE
from physics.rays import _ONE, _TINY, _TWO, ROUND_TERMS, Numbers, Rays, _to_source

F32 = np.float32
_ZERO, _QUARTER, _FOUR = F32(0.0), F32(0.25), F32(4.0)
_HALF_DIAGONAL = F32(math.sqrt(0.5))
_HALF_LOG2E = F32(0.5 / math.log(2.0))
_CENTRE_REACH = F32(0.8)
#: In place of D, source units, for a cell that the lens centre touches: more than any deflection.
_SPLIT = F32(1e9)
_MOST_LOST = F32(0.5)
#: (phase)^4 of the ripple over the square of what `ripple` gives, (phase)^2 times what the PSF passes there.
_RIPPLE_4 = F32(800.0)
#: Of d and of D / R; within these no power of d leaves the floats.
_LEAST_CHANGE, _MOST_CHANGE = F32(1e-3), F32(300.0)
_NEGLIGIBLE = F32(NEGLIGIBLE)
_STEEP = F32(1e15)  # its square stays a float on the lens centre itself
_ERROR_1, _ERROR_2 = F32(1 / 24), F32(1 / 4320)
_ERROR_3, _ERROR_4 = F32(1 / 2.016e6), F32(1 / 1.778e9)
#: D / R up to which the rules of 2, 3 and 4 nodes are trusted.
_TRUST_2, _TRUST_3, _TRUST_4 = F32(0.5), F32(0.7), F32(0.9)

#: Rule numbers: 1..4 nodes per axis, or split the cell.
SPLIT_RULE = 5


@inlined
def choose_rules(
    x: Array, y: Array, side: Array, home: Array, smallest: Real, ripple: Real, tolerance: Real, n: int,
    rays: Rays, value: Array, lost: Array, rule: Array,
) -> None:  # fmt: skip
    """For n cells (cells.Cells): their rule 1..5; value = side^2 x brightness at the centre if that is 1,
    else 0; and lost: what this value leaves out, to second order in the side.

    ripple: (phase of the PSF's highest relevant frequency)^2 per arcsec^2 of a cell in the deposit grid: a
    cell of flat brightness is one ray only if moving its light to its centre does not show. Cells of side
    `smallest` (arcsec) are not split.
    """
    if rays.round:
        c, s = rays.c[:ROUND_TERMS], rays.s[:ROUND_TERMS]
        _choose_rules(x, y, side, home, smallest, ripple, tolerance, n, rays.numbers, c, s, value, lost, rule)
    else:
        _choose_rules(
            x, y, side, home, smallest, ripple, tolerance, n, rays.numbers, rays.c, rays.s, value, lost, rule
        )


@vectorised
def _choose_rules(
    x: Array, y: Array, side: Array, home: Array, smallest: Real, ripple: Real, tolerance: Real, n: int,
    r: Numbers, c: tuple[Real, ...], s: tuple[Real, ...], value: Array, lost: Array, rule: Array,
) -> None:  # fmt: skip
    f = r.frame
    jump = _SPLIT if f.strength > _ZERO else _ZERO
    per_tolerance = _ONE / tolerance
    for i in range(n):
        area = side[i] * side[i]
        half = side[i] * _HALF_DIAGONAL
        second = _QUARTER * area * r.a_norm
        blur = ripple * area if home[i] != OUTSIDE else _ZERO
        sx, sy, u, v, inverse, w = _to_source(x[i], y[i], r, c, s)
        r2 = sx * sx + sy * sy + _TINY
        # J = M - k (A t) t^T with t = (-v, u): the SIE's Jacobian is 2 kappa along the tangential direction
        d2 = u * u + v * v + _TINY
        inv_d = _ONE / math.sqrt(d2)
        inv_d2 = inv_d * inv_d
        inv_psi = inverse / math.sqrt(_ONE - r.one_minus_q * w)
        k = min(f.strength * inv_psi * inv_d2, _STEEP)
        mx, my = f.mxy * u - f.mxx * v, f.myy * u - f.myx * v
        ax, ay = f.axy * u - f.axx * v, f.ayy * u - f.ayx * v
        norm2 = r.m_norm2 - _TWO * k * (mx * ax + my * ay) + k * k * d2 * (ax * ax + ay * ay)
        reach = half * math.sqrt(max(norm2, _ZERO)) + second * k * d2 * inv_psi
        touching = half * inv_d > _CENTRE_REACH
        reach += jump if touching else _ZERO
        r2 = max(r2, _ZERO)
        outside = max(r2, r.core_r2)
        inv_outside = _ONE / math.sqrt(outside)
        power = exp2(r.half_inv_n * log2(outside))
        log_wing = r.log2_i0 + r.neg_b_log2e * power
        core = r.core0 + r2 * (r.core1 + r2 * r.core2)
        ratio = min(reach * inv_outside, _MOST_CHANGE)
        # for n < 1 the profile is steepest at the cell's far side: (R + D)^(1/n - 1)
        steeper = _ONE + ratio * (r.steeper1 + ratio * (r.steeper2 + ratio * r.steeper3))
        change = _TWO * r.b_over_n * power * ratio * steeper
        farthest = half + d2 * inv_d
        highest = r.log2_cut if touching & (farthest < r.cut_reach) else r.log2_peak
        brightest = min(log_wing + _HALF_LOG2E * change * (_ONE + ratio), highest)
        largest = area * exp2(highest if ratio > _TRUST_3 else brightest)
        change = max(min(change, _MOST_CHANGE), _LEAST_CHANGE)
        c2 = change * change
        c4 = c2 * c2
        largest *= per_tolerance
        dark = largest < _NEGLIGIBLE
        largest = max(largest, _NEGLIGIBLE)
        # | and &, not `or` and `and`: branches would keep the loop scalar
        heavy = largest > _ONE
        m = _ONE
        m += _ONE if largest * (c2 + blur) * _ERROR_1 > _ONE else _ZERO
        m += (
            _ONE
            if (largest * (c4 + _RIPPLE_4 * blur * blur) * _ERROR_2 > _ONE) | ((ratio > _TRUST_2) & heavy)
            else _ZERO
        )
        m += _ONE if (largest * c4 * c2 * _ERROR_3 > _ONE) | ((ratio > _TRUST_3) & heavy) else _ZERO
        m += _ONE if (largest * c4 * c4 * _ERROR_4 > _ONE) | ((ratio > _TRUST_4) & heavy) else _ZERO
        # the Laplacian of the brightness over the brightness, from that of R^(1/n) along the map's gradient
        # and, by `bend`, from that of the deflection, twice the gradient of kappa
        inv_r2 = inv_outside * inv_outside
        steep = r.b_over_n * power
        along = k * (ax * sx + ay * sy)
        gu, gv = f.mxx * sx + f.myx * sy + along * v, f.mxy * sx + f.myy * sy - along * u
        q2u = (_ONE - r.one_minus_q) * (_ONE - r.one_minus_q) * u
        bend = (f.axx * q2u + f.axy * v) * sx + (f.ayx * q2u + f.ayy * v) * sy
        bend *= k * d2 * inv_psi * inv_psi
        slope2 = (gu * gu + gv * gv) * inv_r2
        laplacian = steep * inv_r2 * ((steep + _TWO - _TWO * r.half_inv_n) * slope2 - norm2 - bend)
        part = max(min(area * laplacian * _ERROR_1, _MOST_LOST), -_MOST_LOST)
        m = _ONE if dark | (touching & (largest <= _ONE)) else m
        m = min(m, _FOUR) if side[i] <= smallest else m
        centre = min(core if r2 < r.core_r2 else exp2(log_wing), exp2(highest))
        light = area * centre if m == _ONE else _ZERO
        value[i] = light
        lost[i] = light * part
        rule[i] = np.int32(m)
