"""The prior: each distribution against scipy, its geometry against the caustics and images of physics/."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from physics.caustics import caustics, cut
from physics.images import image_positions
from physics.lens import Lens
from pipeline import prior
from pipeline.settings import Normal, Rayleigh
from pipeline.tier import load_tier

N = 20_000
RNG = np.random.default_rng(11)
PRIOR = load_tier("pilot").prior
HOSTS = {
    "flux_z_nmgy": 10 ** (-0.4 * (RNG.uniform(17, 21, N) - 22.5)),
    "shape_e1": np.where(np.arange(N) < N // 2, RNG.uniform(-0.3, 0.3, N), np.nan),
    "shape_e2": np.where(np.arange(N) < N // 2, RNG.uniform(-0.3, 0.3, N), np.nan),
}
DRAWN = prior.draw(HOSTS, RNG.random((len(prior.USES), N)), PRIOR)


def fits(values: np.ndarray, cdf) -> bool:
    return stats.kstest(values, cdf).pvalue > 1e-4


def test_magnitudes_follow_the_counts():
    s, m = PRIOR.source, DRAWN["src_mag_r"]
    low, high = (10 ** (s.count_slope * edge) for edge in (s.mag_r_bright, s.mag_r_faint))
    assert fits(m, lambda x: (10 ** (s.count_slope * x) - low) / (high - low))
    assert 22 <= m.min() < m.max() <= 25


def truncated(law: Normal) -> stats.rv_continuous:
    a, b = (law.low - law.mean) / law.sd, (law.high - law.mean) / law.sd
    return stats.truncnorm(a, b, loc=law.mean, scale=law.sd)


def test_colours_and_sersic_index_follow_their_normals():
    assert fits(DRAWN["src_color_g_r"], truncated(PRIOR.source.color_g_r).cdf)
    assert fits(DRAWN["src_color_r_z"], truncated(PRIOR.source.color_r_z).cdf)
    assert fits(np.log10(DRAWN["src_n_sersic"]), truncated(PRIOR.source.log10_n_sersic).cdf)
    assert np.median(DRAWN["src_n_sersic"]) == pytest.approx(1.5, rel=0.03)


def test_sizes_scatter_about_the_size_luminosity_relation():
    s = PRIOR.source
    offset = np.log10(DRAWN["src_reff_arcsec"] / s.reff_arcsec) - s.reff_slope * (
        DRAWN["src_mag_r"] - s.reff_mag_r
    )
    assert fits(offset / s.reff_scatter, stats.truncnorm(-2.5, 2.5).cdf)


@pytest.mark.parametrize(("name", "law"), [("src_e", PRIOR.source.ellipticity), ("shear", PRIOR.lens.shear)])
def test_ellipticity_and_shear_follow_their_rayleighs(name, law: Rayleigh):
    whole = stats.rayleigh(scale=law.scale)
    assert fits(DRAWN[name], lambda x: whole.cdf(x) / whole.cdf(law.high))


@pytest.mark.parametrize("name", ["src_phi_rad", "shear_phi_rad"])
def test_angles_are_uniform(name):
    assert fits(DRAWN[name] / math.pi, stats.uniform.cdf)


def test_theta_e_rises_with_the_host_as_the_root_of_its_flux():
    mag = 22.5 - 2.5 * np.log10(HOSTS["flux_z_nmgy"])
    median = np.clip(1.2 * 10 ** (-0.2 * (mag - 19)), 0.8, 2.0)
    assert fits(np.log10(DRAWN["theta_e_arcsec"] / median) / 0.12, stats.truncnorm(-2, 2).cdf)
    free = (mag > 18) & (mag < 19.8)
    slope = np.polyfit(mag[free], np.log10(DRAWN["theta_e_arcsec"][free]), 1)[0]
    assert slope == pytest.approx(-0.2, abs=0.01)


def test_the_mass_follows_the_light_where_it_has_a_shape():
    known = np.isfinite(HOSTS["shape_e1"])
    e1, e2 = HOSTS["shape_e1"][known], HOSTS["shape_e2"][known]
    # Position angle east of north; +x is west, so counter-clockwise from +x is 90 degrees more.
    angle = 0.5 * np.arctan2(e2, e1) + math.pi / 2
    off = np.angle(np.exp(2j * (DRAWN["lens_phi_rad"][known] - angle))) / 2
    assert np.abs(np.mean(off)) < 0.005
    assert np.degrees(np.std(off)) == pytest.approx(10, rel=0.05)
    light, mass = np.hypot(e1, e2), DRAWN["lens_e"][known]
    assert np.corrcoef(light, mass)[0, 1] > 0.85
    q_light, q_mass = (1 - light) / (1 + light), (1 - mass) / (1 + mass)
    inner = (light > 0.15) & (mass < 0.5)
    assert np.std((q_mass / q_light)[inner]) == pytest.approx(0.11, rel=0.1)


def test_a_host_without_shape_gets_a_mass_drawn_freely():
    free = ~np.isfinite(HOSTS["shape_e1"])
    assert fits(DRAWN["lens_phi_rad"][free] / math.pi, stats.uniform.cdf)
    law = stats.rayleigh(scale=PRIOR.lens.ellipticity.scale)
    cut_off = law.cdf(PRIOR.lens.ellipticity.high)
    assert fits(DRAWN["lens_e"][free], lambda x: law.cdf(x) / cut_off)


def random_lens(e: float, shear: float) -> Lens:
    return Lens(1.0, (1 - e) / (1 + e), 0.0, shear, RNG.uniform(0, math.pi), 0.0, 0.0)


def test_the_ellipse_holds_every_caustic_and_cut():
    for _ in range(500):
        e, shear = RNG.uniform(0, 0.55), RNG.uniform(0, 0.1)
        lens = random_lens(e, shear)
        a, b = prior.multiple_image_ellipse(np.array([e]), np.array([shear]))
        for x, y in (caustics(lens), cut(lens)):
            assert ((x / a) ** 2 + (y / b) ** 2).max() < 1 + 1e-6


def test_sources_lie_uniformly_in_the_ellipse_and_most_have_several_images():
    theta, phi = DRAWN["theta_e_arcsec"], DRAWN["lens_phi_rad"]
    a, b = prior.multiple_image_ellipse(DRAWN["lens_e"], DRAWN["shear"])
    x, y = DRAWN["src_x_arcsec"], DRAWN["src_y_arcsec"]
    along = (x * np.cos(phi) + y * np.sin(phi)) / (theta * (a + 0.1))
    across = (-x * np.sin(phi) + y * np.cos(phi)) / (theta * (b + 0.1))
    assert fits(along**2 + across**2, stats.uniform.cdf)
    assert fits(np.arctan2(across, along) / (2 * math.pi) % 1, stats.uniform.cdf)
    several = 0
    for i in range(300):
        q = (1 - DRAWN["lens_e"][i]) / (1 + DRAWN["lens_e"][i])
        gamma, phi_gamma = DRAWN["shear"][i], DRAWN["shear_phi_rad"][i]
        lens = Lens(theta[i], q, phi[i], gamma, phi_gamma, 0.0, 0.0)
        several += len(image_positions(x[i], y[i], lens)[0]) >= 2
    assert 0.65 < several / 300 < 0.95


def test_each_parameter_has_a_number_of_its_own():
    """Another distribution of one parameter moves no other."""
    u = np.random.default_rng(2).random((len(prior.USES), 100))
    hosts = {name: values[:100] for name, values in HOSTS.items()}
    before = prior.draw(hosts, u, PRIOR)
    u[prior.USES.index("reff")] = 0.5
    after = prior.draw(hosts, u, PRIOR)
    assert [name for name in before if not np.array_equal(before[name], after[name])] == ["src_reff_arcsec"]
