"""Surface brightness along rays: from image-plane positions to a lensed Sersic, in float32 vector loops.

Positions are arcsec relative to the lens centre. Per ray: two polynomials for the deflection, two linear
maps, one log2 and two exp2. The result is per unit source flux, 1/arcsec^2, relative error about 1e-5.

Deflection. In the lens frame alpha = (C(w) c, S(w) s), c = sqrt(q) u / rho, s = v / rho, rho^2 = q u^2 + v^2,
w = c^2. On this angle, half-way between the polar and the elliptical one, C and S have their nearest
singularities at w = 1 / (1 - q) and -q / (1 - q), so that 20 terms reach 3e-7 theta_e at q = 0.1 and are
exact to rounding (1e-7) from q = 0.2 on; 9 terms reach 2e-7 at q = 0.4 and serve the rounder lenses.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from physics._jit import Array, Real, exact, formula, inlined, vectorised
from physics._simd import exp2, log2
from physics._vector import polynomial
from physics.lens import arctan_over, arctanh_over
from physics.outline import BETWEEN, DIRECTIONS, Frame, nearest
from physics.sersic import b_n, central_brightness, core_polynomial

F32 = np.float32
_ONE, _TWO = F32(1.0), F32(2.0)
_TINY = F32(1e-20)
_N_COEFFICIENTS = 20
#: Terms of C and S for axis ratios from ROUND_Q on.
ROUND_TERMS = 9
ROUND_Q = 0.4
#: The profile is replaced by its smooth, flux-conserving core inside a radius that is this part of the way to
#: the caustic: there the magnification changes by so little that only the light inside counts.
CORE_OF_WAY = 0.1
#: At least the larger of these, r_eff and arcsec. On a caustic the core of a compact n = 8 source is
#: magnified more than the rest: five times more costs it 5e-4 of its flux, fifty times more 1.4e-3. Positions
#: in float32 are no finer.
CORE_R_EFF, CORE_ARCSEC = 3e-6, 2e-7
#: At most the smaller of these, r_eff and pixels: what no PSF shows.
MOST_CORE_R_EFF, MOST_CORE_PIXELS = 0.04, 0.02


class Numbers(NamedTuple):
    """One lensed source but for its deflection series. All float32.

    cos, sin: lens orientation. one_minus_q: of the lens. frame: from its frame to source units.
    half_inv_n, neg_b_log2e, log2_i0: log2 I = log2_i0 + neg_b_log2e (R^2)^half_inv_n.
    core_r2, core0..2: the smooth core. b_over_n, log2_peak, m_norm2, a_norm, steeper1..3: for error bounds.
    Light from within cut_reach (arcsec) of the lens centre has at most log2_cut.
    """

    cos: Real
    sin: Real
    one_minus_q: Real
    frame: Frame
    half_inv_n: Real
    neg_b_log2e: Real
    log2_i0: Real
    core_r2: Real
    core0: Real
    core1: Real
    core2: Real
    b_over_n: Real
    log2_peak: Real
    m_norm2: Real
    a_norm: Real
    log2_cut: Real
    cut_reach: Real
    steeper1: Real
    steeper2: Real
    steeper3: Real


class Rays(NamedTuple):
    """One lensed source, ready for the vector loops.

    c, s: monomial coefficients of C and S in 2 w - 1, float32; `round`: only the first ROUND_TERMS are in
    use.
    """

    numbers: Numbers
    round: bool
    c: tuple[Real, ...]
    s: tuple[Real, ...]


@lru_cache(maxsize=1)
def fit_matrix() -> tuple[Array, Array]:
    """(nodes, matrix): values at the Chebyshev nodes -> monomial coefficients, float64, for all terms [0]
    and for ROUND_TERMS [1].
    """
    nodes = np.zeros((2, _N_COEFFICIENTS))
    matrix = np.zeros((2, _N_COEFFICIENTS, _N_COEFFICIENTS))
    for k, count in enumerate((_N_COEFFICIENTS, ROUND_TERMS)):
        nodes[k, :count] = np.cos(np.pi * (np.arange(count) + 0.5) / count)
        matrix[k, :count, :count] = np.linalg.inv(np.vander(nodes[k, :count], count, increasing=True))
    return nodes, matrix


class Desk(NamedTuple):
    """What `prepare` works with: `fit_matrix` and scratch."""

    nodes: Array
    matrix: Array
    series: Array
    outline: Array


def desk() -> Desk:
    """A new one."""
    return Desk(*fit_matrix(), np.empty((2, _N_COEFFICIENTS)), np.zeros((5, DIRECTIONS + 1), np.float32))


@exact
def _deflection_series(theta_e: float, q: float, nodes: Array, matrix: Array, out: Array) -> None:
    """out[0], out[1]: coefficients of C and S. Values from the closed form in lens.py."""
    f = math.sqrt(1.0 - q * q)
    out[:] = 0.0
    k, count = (1, ROUND_TERMS) if q >= ROUND_Q else (0, _N_COEFFICIENTS)
    for m in range(count):
        w = 0.5 * (nodes[k, m] + 1.0)
        inverse = 1.0 / math.sqrt(1.0 - (1.0 - q) * w)
        big_c = theta_e * inverse * arctan_over(f * math.sqrt(w / q) * inverse)
        big_s = theta_e * math.sqrt(q) * inverse * arctanh_over(f * math.sqrt(1.0 - w) * inverse)
        for j in range(count):
            out[0, j] += matrix[k, j, m] * big_c
            out[1, j] += matrix[k, j, m] * big_s


@exact
def _steeper(power: float) -> tuple[Real, Real, Real]:
    """Coefficients of r, r^2, r^3 of a bound of (1 + r)^power, 0 <= power < 3: the binomial series as long as
    its terms are positive.
    """
    second = max(0.5 * power * (power - 1.0), 0.0)
    return F32(power), F32(second), F32(max(second * (power - 2.0) / 3.0, 0.0))


@exact
def _pack(c: Array) -> tuple[Real, ...]:
    return (
        F32(c[0]), F32(c[1]), F32(c[2]), F32(c[3]), F32(c[4]),
        F32(c[5]), F32(c[6]), F32(c[7]), F32(c[8]), F32(c[9]),
        F32(c[10]), F32(c[11]), F32(c[12]), F32(c[13]), F32(c[14]),
        F32(c[15]), F32(c[16]), F32(c[17]), F32(c[18]), F32(c[19]),
    )  # fmt: skip


@exact
def _is_ring(lens: Array, source: Array, pixel_scale: float) -> bool:
    """Whether the caustic is a point with the source's centre on it, as far as float32 tells, and the widest
    core lies within the ring.
    """
    away = math.hypot(source[4] - lens[5], source[5] - lens[6])
    flattening = (1.0 - lens[1]) + 2.0 * lens[3]
    on_point: bool = max(away, lens[0] * flattening) <= CORE_ARCSEC
    return on_point and lens[0] > MOST_CORE_PIXELS * pixel_scale


@exact
def _core_radius(source: Array, way: Real, pixel_scale: float) -> Real:
    """Of the smooth core, r_eff. way: to the caustic, r_eff; infinite for a ring."""
    least = max(CORE_ARCSEC / source[0], CORE_R_EFF)
    most = min(MOST_CORE_PIXELS * pixel_scale * math.sqrt(source[2]) / source[0], MOST_CORE_R_EFF)
    return max(min(CORE_OF_WAY * way, most), least)


@exact
def prepare(lens: Array, source: Array, desk: Desk, pixel_scale: float) -> Rays:
    """lens: theta_e, q, phi, gamma, phi_gamma, x, y. source: r_eff, n_sersic, q, phi, x, y. pixel_scale:
    arcsec. Double inside.
    """
    theta_e, q, phi = lens[0], lens[1], lens[2]
    g1, g2 = lens[3] * math.cos(2.0 * lens[4]), lens[3] * math.sin(2.0 * lens[4])
    r_eff, n_sersic, src_q, src_phi = source[0], source[1], source[2], source[3]
    c, s = math.cos(phi), math.sin(phi)
    scale_x, scale_y = math.sqrt(src_q) / r_eff, 1.0 / math.sqrt(src_q) / r_eff
    # sky -> source units
    sxx, sxy = math.cos(src_phi) * scale_x, math.sin(src_phi) * scale_x
    syx, syy = -math.sin(src_phi) * scale_y, math.cos(src_phi) * scale_y
    # (I - Gamma) times the rotation from the lens frame to the sky
    gxx, gxy = (1.0 - g1) * c - g2 * s, -(1.0 - g1) * s - g2 * c
    gyx, gyy = -g2 * c + (1.0 + g1) * s, g2 * s + (1.0 + g1) * c
    mxx, mxy = sxx * gxx + sxy * gyx, sxx * gxy + sxy * gyy
    myx, myy = syx * gxx + syy * gyx, syx * gxy + syy * gyy
    axx, axy, ayx, ayy = sxx * c + sxy * s, -sxx * s + sxy * c, syx * c + syy * s, -syx * s + syy * c
    dx, dy = source[4] - lens[5], source[5] - lens[6]
    tx, ty = sxx * dx + sxy * dy, syx * dx + syy * dy

    _deflection_series(theta_e, q, desk.nodes, desk.matrix, desk.series)
    round, c_terms, s_terms = q >= ROUND_Q, _pack(desk.series[0]), _pack(desk.series[1])
    frame = Frame(
        F32(math.sqrt(q)), F32(theta_e * math.sqrt(q)), F32(mxx), F32(mxy), F32(myx), F32(myy),
        F32(axx), F32(axy), F32(ayx), F32(ayy), F32(tx), F32(ty),
    )  # fmt: skip
    turn = 2.0 * (lens[4] - phi)
    shear = F32(lens[3] * math.cos(turn)), F32(lens[3] * math.sin(turn))
    if round:
        few = c_terms[:ROUND_TERMS], s_terms[:ROUND_TERMS]
        to_cut, to_caustic = nearest(frame, shear, *few, desk.outline)
    else:
        to_cut, to_caustic = nearest(frame, shear, c_terms, s_terms, desk.outline)
    m_norm2, a_norm = mxx**2 + mxy**2 + myx**2 + myy**2, max(scale_x, scale_y)
    between = BETWEEN * theta_e * a_norm
    # half of the way to the cut is left to the rays' distance from the lens centre
    half_way = 0.5 * max(to_cut - between, 0.0)

    b = b_n(n_sersic)
    peak = central_brightness(n_sersic, r_eff, b)
    # a ring magnifies its source's core as 1 / R, which the core can follow however wide
    ring = _is_ring(lens, source, pixel_scale)
    x_core = _core_radius(source, math.inf if ring else to_caustic - between, pixel_scale)
    core0, core1, core2 = core_polynomial(n_sersic, x_core, b, 1.0 if ring else 2.0)
    numbers = Numbers(
        F32(c), F32(s), F32(1.0 - q), frame,
        F32(0.5 / n_sersic), F32(-b / math.log(2.0)), F32(math.log2(peak)),
        F32(x_core**2), F32(peak * core0), F32(peak * core1), F32(peak * core2),
        F32(b / n_sersic), F32(math.log2(peak * core0)),
        F32(m_norm2), F32(a_norm),
        F32(math.log2(peak) - b / math.log(2.0) * half_way ** (1.0 / n_sersic)),
        F32(half_way / math.sqrt(m_norm2)),
        *_steeper(max(1.0 / n_sersic - 1.0, 0.0)),
    )  # fmt: skip
    return Rays(numbers, round, c_terms, s_terms)


@formula
def _to_source(
    dx: Real, dy: Real, r: Numbers, c_terms: tuple[Real, ...], s_terms: tuple[Real, ...]
) -> tuple[Real, Real, Real, Real, Real, Real]:
    """(X, Y, u, v, 1/rho, w): source-unit position of a ray, and what the Jacobian needs.

    The lens equation of lens.py for dx, dy relative to the lens, arcsec. Error of X, Y: the series' and
    float32 rounding, together 3e-7 (theta_e + |theta|) / r_eff.
    """
    f = r.frame
    u = r.cos * dx + r.sin * dy
    v = r.cos * dy - r.sin * dx
    a = f.root_q * u
    inverse = _ONE / math.sqrt(a * a + v * v + _TINY)
    c = a * inverse
    w = c * c
    t = _TWO * w - _ONE
    au = c * polynomial(t, c_terms)
    av = v * inverse * polynomial(t, s_terms)
    x = f.mxx * u + f.mxy * v - f.axx * au - f.axy * av - f.tx
    y = f.myx * u + f.myy * v - f.ayx * au - f.ayy * av - f.ty
    return x, y, u, v, inverse, w


@formula
def _profile(r2: Real, r: Numbers) -> Real:
    """Sersic brightness at R^2 (source units), smooth inside the core; relative error 1e-5 where it is more
    than exp(-15) of that at r_eff (the exponent's rounding), less light beyond.
    """
    wing = exp2(r.log2_i0 + r.neg_b_log2e * exp2(r.half_inv_n * log2(r2)))
    core = r.core0 + r2 * (r.core1 + r2 * r.core2)
    return core if r2 < r.core_r2 else wing


@vectorised
def _brightness(
    x: Array, y: Array, side: Array, n: int, nodes: Array, rule: int, r: Numbers, c: tuple[Real, ...],
    s: tuple[Real, ...], out: Array, stride: int,
) -> None:  # fmt: skip
    for j in range(rule):
        for i in range(rule):
            shift_x, shift_y, samples = nodes[rule, i], nodes[rule, j], out[(j * rule + i) * stride :]
            for k in range(n):
                px, py = x[k] + shift_x * side[k], y[k] + shift_y * side[k]
                sx, sy, _, _, _, _ = _to_source(px, py, r, c, s)
                samples[k] = sx * sx + sy * sy + _TINY
            for k in range(n):
                samples[k] = _profile(samples[k], r)


@inlined
def brightness(
    x: Array, y: Array, side: Array, n: int, nodes: Array, rule: int, rays: Rays, out: Array, stride: int
) -> None:
    """out[(j rule + i) stride + k] = brightness at node (i, j) of cell k < n: (x + nodes[rule, i] side,
    y + nodes[rule, j] side)[k].
    """
    if rays.round:
        c, s = rays.c[:ROUND_TERMS], rays.s[:ROUND_TERMS]
        _brightness(x, y, side, n, nodes, rule, rays.numbers, c, s, out, stride)
    else:
        _brightness(x, y, side, n, nodes, rule, rays.numbers, rays.c, rays.s, out, stride)
