"""The physical prior of pilot and train: what each injection is drawn from, and where the numbers come from.

Every parameter has its own uniform number (`USES`), so a change of one distribution moves no other. Sources
are unlensed and as observed (through the dust of our Galaxy), magnitudes AB. Each distribution is a function
below.
"""

from __future__ import annotations

import math

import numpy as np

from pipeline.portable import (
    Floats,
    arccos,
    cos_sin_turn,
    exp10,
    ln,
    log2,
    log10,
    normal_quantile,
    polynomial,
)
from pipeline.settings import LensDistribution, Normal, Prior, Rayleigh, SourceDistribution

# Place of each parameter among a task's uniform numbers. Append only: a place that moves changes every draw.
USES = (
    "mag_r", "color_g_r", "color_r_z", "reff", "n_sersic", "src_e", "src_phi", "theta_e", "axis_ratio",
    "lens_phi", "shear", "shear_phi", "radius", "angle",
)  # fmt: skip
REFF_CUT, THETA_E_CUT = 2.5, 2.0  # standard deviations at which the log-normal scatters end

Columns = dict[str, Floats]


def draw(hosts: Columns, u: Floats, prior: Prior) -> Columns:
    """The parameters of n injections.

    hosts: columns of n hosts: flux_z_nmgy, shape_e1, shape_e2 (NaN where unknown). u: (len(USES), n) in [0,
    1). Gives columns of the manifest, src_mag_r (unlensed) and src_color_g_r, src_color_r_z besides.
    """
    by_use = dict(zip(USES, u, strict=True))
    lens = lenses(hosts, by_use, prior.lens)
    return {**sources(by_use, prior.source), **lens, **positions(lens, by_use, prior.lens.margin)}


def sources(u: Columns, prior: SourceDistribution) -> Columns:
    """Magnitudes, colours and shapes of faint galaxies.

    r: counts dN/dm ~ 10^(0.35 m) between the limits: faint galaxies rise by 0.33 dex a magnitude in I
    (McCracken et al. 2001, A&A 376, 756, and Metcalfe et al. there) and steeper in bluer bands. r_eff: log-
    normal, sigma_ln 0.5, median falling as L^0.27, Sersic index 1.5 in the median: as Shibuya, Ouchi &
    Harikane 2015 (ApJS 219, 15) are cited for; 0.26 arcsec at r 23.3 is 2.2 kpc at z = 1.5. Chosen, not
    taken from a measurement: the colours (normal, blue and wide, as of faint star-forming galaxies; compare
    the g-r, r-z plane of Raichoor et al. 2023, AJ 165, 126), the ellipticity (1 - q)/(1 + q) (0.24 a
    component; compare the shape noise of Leauthaud et al. 2007, ApJS 172, 219), and all limits. Of these
    papers' numbers only the slope in I was compared with the text.
    """
    mag = power_law_counts(u["mag_r"], prior.mag_r_bright, prior.mag_r_faint, prior.count_slope)
    scatter = prior.reff_scatter * standard_normal(u["reff"], REFF_CUT)
    return {
        "src_mag_r": mag,
        "src_color_g_r": truncated_normal(u["color_g_r"], prior.color_g_r),
        "src_color_r_z": truncated_normal(u["color_r_z"], prior.color_r_z),
        "src_reff_arcsec": prior.reff_arcsec * exp10(prior.reff_slope * (mag - prior.reff_mag_r) + scatter),
        "src_n_sersic": exp10(truncated_normal(u["n_sersic"], prior.log10_n_sersic)),
        "src_e": rayleigh(u["src_e"], prior.ellipticity),
        "src_phi_rad": math.pi * u["src_phi"],
    }


def lenses(hosts: Columns, u: Columns, prior: LensDistribution) -> Columns:
    """The mass of hosts: an SIE on the host's light, with external shear.

    theta_E = 4 pi (sigma/c)^2 D_ls/D_s, and sigma ~ L^(1/4) (Faber & Jackson 1976, ApJ 204, 668), so its
    median goes as L^0.5 of the host's z flux between two limits. Chosen: its size, its scatter of 0.12 dex
    (of sigma at fixed luminosity, and a part of what D_ls/D_s varies) and the limits, which leave 0.46 to 3.5
    arcsec, where searches from the ground find lenses. Axis ratio and position angle of the mass follow the
    light: q_SIE / q_light 0.99 with rms 0.11, angles with rms 10 degrees in 15 SLACS lenses, which have
    external shear below 0.035 in the mean (Koopmans et al. 2006, ApJ 649, 599). Shear: 0.03 a component,
    between the 1 to 3 % expected of the surroundings and the 10 to 15 % that models of quadruple lenses ask
    for (Keeton, Kochanek & Seljak 1997, ApJ 482, 604).
    """
    mag_z = 22.5 - 2.5 * log10(hosts["flux_z_nmgy"])
    median = prior.theta_e_arcsec * exp10(-prior.theta_e_slope * (mag_z - prior.theta_e_mag_z))
    median = np.clip(median, prior.theta_e_low, prior.theta_e_high)
    e, phi = mass_shape(hosts["shape_e1"], hosts["shape_e2"], u["axis_ratio"], u["lens_phi"], prior)
    return {
        "theta_e_arcsec": median * exp10(prior.theta_e_scatter * standard_normal(u["theta_e"], THETA_E_CUT)),
        "lens_e": e,
        "lens_phi_rad": phi,
        "shear": rayleigh(u["shear"], prior.shear),
        "shear_phi_rad": math.pi * u["shear_phi"],
    }


def mass_shape(
    e1: Floats, e2: Floats, u_ratio: Floats, u_angle: Floats, prior: LensDistribution
) -> tuple[Floats, Floats]:
    """Ellipticity and angle of the mass: the light's with scatter; drawn freely where the light has no shape.

    The catalogue's angle is counted from north through east; with north up and east left that is
    counter-clockwise from +y, so +x is 90 degrees before it.
    """
    light = np.sqrt(e1 * e1 + e2 * e2)
    known = light > 1e-6  # NaN is not; round fits have exactly 0
    light = np.where(known, light, 1.0)
    q = (1.0 - light) / (1.0 + light)
    q = np.clip(q * (1.0 + prior.axis_ratio_scatter * standard_normal(u_ratio, 3.0)), 0.0, 1.0)
    e = np.where(known, (1.0 - q) / (1.0 + q), rayleigh(u_ratio, prior.ellipticity))
    turn = arccos(np.clip(np.where(known, e1, 1.0) / light, -1.0, 1.0)) / (4.0 * math.pi)
    turn = np.where(np.where(known, e2, 0.0) < 0.0, -turn, turn) + 0.25
    turn = turn + prior.angle_scatter_deg / 360.0 * standard_normal(u_angle, 3.0)
    free = 0.5 * u_angle
    half = np.where(known, turn - 0.5 * np.floor(2.0 * turn), free)  # turns in [0, 0.5)
    return np.minimum(e, prior.ellipticity.high), 2.0 * math.pi * half


def positions(lens: Columns, u: Columns, margin: float) -> Columns:
    """Source positions, uniform in area in an ellipse around the region of multiple images.

    The ellipse holds the cut and the tangential caustic of SIE + shear and is wider by `margin` theta_E.
    """
    along, across = multiple_image_ellipse(lens["lens_e"], lens["shear"])
    radius = np.sqrt(u["radius"])
    cos_a, sin_a = cos_sin_turn(u["angle"])
    x = lens["theta_e_arcsec"] * (along + margin) * radius * cos_a
    y = lens["theta_e_arcsec"] * (across + margin) * radius * sin_a
    cos_l, sin_l = cos_sin_turn(lens["lens_phi_rad"] / (2.0 * math.pi))
    return {"src_x_arcsec": x * cos_l - y * sin_l, "src_y_arcsec": x * sin_l + y * cos_l}


_CAUSTIC_SHEAR = 2.6  # bound of the caustic's growth by shear, tested against the caustics of physics/


def multiple_image_ellipse(e: Floats, shear: Floats) -> tuple[Floats, Floats]:
    """Half axes, in theta_E, along and across the mass, of an ellipse around cut and tangential caustic.

    The SIE's cut ends at sqrt(q)/f asin(f) and sqrt(q)/f artanh(f), f^2 = 1 - q^2 (Kormann, Schneider &
    Bartelmann 1994, A&A 284, 285); the ellipse through them, 1.5 % wider, holds the curve. Cusps: 1/sqrt(q)
    and sqrt(q) less those.
    """
    q = (1.0 - e) / (1.0 + e)
    f = np.sqrt(np.maximum(1.0 - q * q, 0.0))
    round_ = f < 0.05
    safe = np.where(round_, 1.0, f)
    root = np.sqrt(q)
    small = f * f
    x = root * np.where(round_, polynomial(small, (1.0, 1 / 6, 3 / 40)), arccos(q) / safe)
    artanh = 0.5 * ln((1.0 + np.minimum(f, 0.9999)) / (1.0 - np.minimum(f, 0.9999)))
    y = root * np.where(round_, polynomial(small, (1.0, 1 / 3, 1 / 5)), artanh / safe)
    grown = _CAUSTIC_SHEAR * shear / root
    return np.maximum(1.015 * x, 1.0 / root - x + grown), np.maximum(1.015 * y, y - root + grown)


def power_law_counts(u: Floats, bright: float, faint: float, slope: float) -> Floats:
    """Magnitudes with dN/dm ~ 10^(slope m) from bright to faint."""
    rise = round(10.0 ** (slope * (faint - bright)) - 1.0, 12)
    return bright + log10(1.0 + rise * u) / slope


def standard_normal(u: Floats, cut: float) -> Floats:
    """A standard normal cut off at +- cut."""
    low = _normal_cdf(-cut)
    return normal_quantile(low + u * (1.0 - 2.0 * low))


def truncated_normal(u: Floats, law: Normal) -> Floats:
    """A normal cut off at low and high."""
    low, high = (_normal_cdf((edge - law.mean) / law.sd) for edge in (law.low, law.high))
    return np.clip(law.mean + law.sd * normal_quantile(low + u * (high - low)), law.low, law.high)


def rayleigh(u: Floats, law: Rayleigh) -> Floats:
    """A Rayleigh distribution cut off at high."""
    inside = round(1.0 - math.exp(-0.5 * (law.high / law.scale) ** 2), 12)
    return law.scale * np.sqrt(-2.0 * math.log(2.0) * log2(1.0 - inside * u))


def _normal_cdf(x: float) -> float:
    """Rounded: the last bit of erf is the machine's own."""
    return round(0.5 * (1.0 + math.erf(x / math.sqrt(2.0))), 12)
