"""The source: an elliptical Sersic profile with an exact b_n.

I(R) = I_0 exp(-b_n (R / r_eff)^(1/n)),  R = sqrt(q x'^2 + y'^2 / q),  x' along the major axis,
I_0 = flux b_n^(2n) / (2 pi n r_eff^2 Gamma(2n)).
Sersic 1963; Ciotti & Bertin 1999 (A&A 352, 447) for the starting value of b_n; Graham & Driver 2005
(PASA 22, 118) for the total flux.
"""

import math
from dataclasses import dataclass

from physics import _validate
from physics._jit import exact

#: Accepted values; render.py says for which its error bounds hold.
N_SERSIC_RANGE = (0.3, 10.0)
R_EFF_RANGE = (1e-3, 100.0)
AXIS_RATIO_RANGE = (0.1, 1.0)
POSITION_RANGE = (-1000.0, 1000.0)
FLUX_RANGE = (0.0, 1e9)


@dataclass(frozen=True)
class Source:
    """A Sersic source, at its unlensed position.

    flux: total flux to infinity before lensing, nanomaggies, one number per band.
    r_eff: half-light radius on the circularised radius, arcsec.
    n_sersic: Sersic index.
    q: axis ratio minor / major.
    phi: position angle of the major axis, radians counter-clockwise from +x.
    x, y: position in the host's frame, arcsec.
    """

    flux: tuple[float, ...]
    r_eff: float
    n_sersic: float
    q: float
    phi: float
    x: float
    y: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "flux", _validate.bands("flux", self.flux, *FLUX_RANGE))
        _validate.number("r_eff", self.r_eff, *R_EFF_RANGE)
        _validate.number("n_sersic", self.n_sersic, *N_SERSIC_RANGE)
        _validate.number("q", self.q, *AXIS_RATIO_RANGE)
        _validate.number("phi", self.phi, *_validate.ANGLE_RANGE)
        _validate.number("x", self.x, *POSITION_RANGE)
        _validate.number("y", self.y, *POSITION_RANGE)


@exact
def lower_gamma(a: float, z: float) -> float:
    """Lower incomplete gamma function gamma(a, z) by its series (Abramowitz & Stegun 6.5.29); z < 100."""
    term = 1.0 / a
    total = term
    k = a
    while term > 1e-16 * total:
        k += 1.0
        term *= z / k
        total += term
    return math.exp(a * math.log(z) - z) * total


@exact
def b_n(n_sersic: float) -> float:
    """The b for which r_eff holds half of the light: P(2n, b) = 1/2. Relative error below 1e-12."""
    a = 2.0 * n_sersic
    b = a - 1.0 / 3.0 + 4.0 / (405.0 * n_sersic) + 46.0 / (25515.0 * n_sersic**2)
    half = 0.5 * math.gamma(a)
    for _ in range(6):
        slope = math.exp((a - 1.0) * math.log(b) - b)
        step = (lower_gamma(a, b) - half) / slope
        b -= step
        if abs(step) < 1e-8 * b:  # the next one would be its square
            break
    return b


@exact
def central_brightness(n_sersic: float, r_eff: float, b: float) -> float:
    """I_0 of a source of unit flux, 1/arcsec^2. b: its `b_n`."""
    a = 2.0 * n_sersic
    return math.exp(a * math.log(b)) / (math.pi * a * r_eff**2 * math.gamma(a))


@exact
def core_polynomial(
    n_sersic: float, x_core: float, b: float, dimensions: float = 2.0
) -> tuple[float, float, float]:
    """Coefficients (c0, c1, c2) of the smooth core c0 + c1 x^2 + c2 x^4 inside x < x_core, x = R / r_eff.

    In units of I_0; b: `b_n`. Value and slope are continuous at x_core and the flux inside is the profile's
    own: no cusp is left to integrate, and none of the light is lost. dimensions 1: not the flux but the
    integral along x is. That is what a ring shows, whose magnification goes as 1 / x.
    """
    depth = b * x_core ** (1.0 / n_sersic)
    value = math.exp(-depth)
    slope = -depth / n_sersic * value
    a = dimensions * n_sersic
    mean = a * b**-a * lower_gamma(a, depth) / x_core**dimensions
    c2 = (dimensions + 2.0) * (dimensions + 4.0) / 8.0 * (mean - value + slope / (dimensions + 2.0))
    c1 = 0.5 * slope - 2.0 * c2
    c0 = value - c1 - c2
    return c0, c1 / x_core**2, c2 / x_core**4
