"""What a tier's settings promise of its manifest, as SQL: placeholders of the checks that hold it to them.

Each distribution is written here as its cumulative function, from the settings alone; the planner draws by
the inverse functions of pipeline/prior.py. Of a drawn value it is uniform, if both are right.
"""

from __future__ import annotations

import math

from pipeline.prior import REFF_CUT, THETA_E_CUT
from pipeline.schema import MANIFEST, SPLITS
from pipeline.settings import Grid, Normal, Prior, PsfChoice, Rayleigh
from pipeline.sql import sql_double, sql_text
from pipeline.storage import check_run_id
from pipeline.tier import Tier
from survey.host_columns import REGION_NSIDE

_EXACT = 1e-9  # of values that the manifest copies from the settings
_HOST_MAG = "abs(host_mag_r + 2.5e0 * ln(host_flux_r_nmgy) / ln(1e1) - 22.5e0) <= 1e-6"


def promises(tier: Tier, earlier_run: str = "") -> dict[str, str]:
    """Placeholders of a run of this tier. earlier_run: id of a run that must have the same stamps, or ""."""
    laws = _grid_laws(tier.grid) if tier.grid is not None else _prior_laws(_prior_of(tier))
    drawn = laws or {"nothing": "cast(NULL AS double)"}
    fixed = _grid_values(tier) if tier.grid is not None else _prior_limits(_prior_of(tier))
    axes = [axis for axis in tier.axes if axis in MANIFEST.names]
    return {
        "prior_quantities": ", ".join(f"({sql_text(name)})" for name in drawn),
        "prior_n_quantities": str(len(laws)),
        "prior_probability": "CASE v.quantity "
        + " ".join(f"WHEN {sql_text(name)} THEN {law}" for name, law in drawn.items())
        + " END",
        "prior_values": " AND ".join(fixed) or "true",
        "prior_cells": ", ".join(axes) or "is_control",
        "prior_n_cells": str(math.prod(len(tier.grid.axes[axis]) for axis in axes) if tier.grid else 1),
        **_of_splits(tier),
        "psf_promised": _psf_promised(tier.psf),
        "guard_arcsec": sql_double(max(tier.splits.guard_arcsec, 1.0)),
        "closure_weakest": sql_double(tier.closure_share),
        "control_fraction": sql_double(_control_fraction(tier)),
        "earlier_run": sql_text(check_run_id(earlier_run) if earlier_run else ""),
    }


def _control_fraction(tier: Tier) -> float:
    """Share of controls among the rows: that of a brick's roles where the number of its hosts is set."""
    if not tier.hosts.per_brick:
        return tier.controls.fraction
    roles = tier.roles(tier.hosts.per_brick)
    return (roles.paired + roles.unpaired) / roles.rows


def _psf_promised(psf: PsfChoice) -> str:
    """Of a row of metrics: its profile is the tier's; of a user's images, that it has one."""
    if psf.kind == "image":
        return "psf_kind IS NOT NULL"
    beta = f" AND {_equal('psf_beta', psf.beta)}" if psf.kind == "moffat" else ""
    return f"psf_kind = {sql_text(psf.kind)}{beta}"


def _of_splits(tier: Tier) -> dict[str, str]:
    """Shares of the splits, and how well they can be met: to the row, to a block, or as chance has it."""
    exact = bool(tier.hosts.per_split)
    shares = dict.fromkeys(SPLITS, 1 / len(SPLITS)) if exact else tier.splits.fractions
    return {
        "split_shares": ", ".join(f"({sql_text(name)}, {sql_double(p)})" for name, p in shares.items()),
        "split_deal": sql_text("exact" if exact else tier.splits.deal),
        "regions_a_block": sql_double((REGION_NSIDE // tier.splits.block_nside) ** 2),
    }


def _prior_of(tier: Tier) -> Prior:
    assert tier.prior is not None  # noqa: S101  (Tier demands one of the two)
    return tier.prior


def _grid_laws(grid: Grid) -> dict[str, str]:
    laws = {}
    if grid.source.disc_theta_e:
        radius = f"({sql_double(grid.source.disc_theta_e)} * theta_e_arcsec)"
        laws["source radius"] = (
            f"(power(src_x_arcsec, 2e0) + power(src_y_arcsec, 2e0)) / power({radius}, 2e0)"
        )
    if grid.lens.e_max:
        laws["lens_e"] = f"lens_e / {sql_double(grid.lens.e_max)}"
    return laws


def _grid_values(tier: Tier) -> list[str]:
    assert tier.grid is not None  # noqa: S101
    source = tier.grid.source
    one_of = [
        " OR ".join(_equal(axis, value) for value in tier.grid.axes[axis])
        for axis in tier.axes
        if axis in MANIFEST.names
    ]
    colours = {"color_gr": source.color_g_r, "color_rz": source.color_r_z}
    return [
        _HOST_MAG,
        *(f"({values})" for values in one_of),
        _equal("src_n_sersic", source.n_sersic),
        *(f"abs({name} - {sql_double(value)}) <= 1e-6" for name, value in colours.items()),
    ]


def _equal(column: str, value: float) -> str:
    return f"abs({column} - {sql_double(value)}) <= {sql_double(_EXACT)}"


def _prior_laws(prior: Prior) -> dict[str, str]:
    """The stated distributions. Shape and angle of the mass, tied to the host's light, have limits alone."""
    source, lens = prior.source, prior.lens
    rise = 10 ** (source.count_slope * (source.mag_r_faint - source.mag_r_bright)) - 1
    margin = sql_double(lens.margin)
    counts = f"power(1e1, {sql_double(source.count_slope)} * (mag_r - {sql_double(source.mag_r_bright)}))"
    laws = {
        "source magnitude": f"({counts} - 1e0) / {sql_double(rise)}",
        "source colour g - r": _normal("color_gr", source.color_g_r),
        "source colour r - z": _normal("color_rz", source.color_r_z),
        "src_n_sersic": _normal("ln(src_n_sersic) / ln(1e1)", source.log10_n_sersic),
        "src_e": _rayleigh("src_e", source.ellipticity),
        "shear": _rayleigh("shear", lens.shear),
        "source radius": f"power(x_along / (theta_e_arcsec * (half_along + {margin})), 2e0)"
        f" + power(x_across / (theta_e_arcsec * (half_across + {margin})), 2e0)",
    }
    if lens.theta_e_scatter:
        mag_z = "(22.5e0 - 2.5e0 * ln(host_flux_z_nmgy) / ln(1e1))"
        dex = f"{sql_double(-lens.theta_e_slope)} * ({mag_z} - {sql_double(lens.theta_e_mag_z)})"
        median = f"{sql_double(lens.theta_e_arcsec)} * power(1e1, {dex})"
        median = f"least(greatest({median}, {sql_double(lens.theta_e_low)}), {sql_double(lens.theta_e_high)})"
        cut = THETA_E_CUT * lens.theta_e_scatter
        laws["theta_e_arcsec at its host's light"] = _normal(
            f"(ln(theta_e_arcsec / {median}) / ln(1e1))", Normal(0.0, lens.theta_e_scatter, -cut, cut)
        )
    if source.reff_scatter:
        scatter, cut = source.reff_scatter, REFF_CUT
        size = (
            f"ln(src_reff_arcsec / {sql_double(source.reff_arcsec)}) / ln(1e1)"
            f" - {sql_double(source.reff_slope)} * (mag_r - {sql_double(source.reff_mag_r)})"
        )
        laws["src_reff_arcsec at its magnitude"] = _normal(
            f"({size})", Normal(0.0, scatter, -cut * scatter, cut * scatter)
        )
    return laws


def _prior_limits(prior: Prior) -> list[str]:
    lens = prior.lens
    spread = 10 ** (THETA_E_CUT * lens.theta_e_scatter) * (1 + _EXACT)
    return [
        _HOST_MAG,
        f"theta_e_arcsec >= {sql_double(lens.theta_e_low / spread)}",
        f"theta_e_arcsec <= {sql_double(lens.theta_e_high * spread)}",
        f"lens_e <= {sql_double(lens.ellipticity.high + _EXACT)}",
    ]


def _normal(x: str, law: Normal) -> str:
    """Cumulative probability of a normal cut off at low and high."""
    low, high = (_normal_cdf((edge - law.mean) / law.sd) for edge in (law.low, law.high))
    below = f"normal_cdf({sql_double(law.mean)}, {sql_double(law.sd)}, {x})"
    return f"({below} - {sql_double(low)}) / {sql_double(high - low)}"


def _normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _rayleigh(x: str, law: Rayleigh) -> str:
    inside = -math.expm1(-0.5 * (law.high / law.scale) ** 2)
    return f"(1e0 - exp(-5e-1 * power({x} / {sql_double(law.scale)}, 2e0))) / {sql_double(inside)}"
