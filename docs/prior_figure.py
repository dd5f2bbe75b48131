"""The figure of docs/tiers.md: histograms of what the pilot's prior draws, as SVG."""

from __future__ import annotations

import numpy as np

from pipeline.philox import uniform
from pipeline.prior import USES, draw
from pipeline.tier import load_tier

N = 20_000
COLUMNS, WIDTH, HEIGHT, MARGIN = 4, 220, 150, 30
BINS = 44
PANELS = (
    ("src_mag_r", "unlensed r, mag", 21.8, 25.2),
    ("src_color_g_r", "g - r", -0.6, 1.6),
    ("src_color_r_z", "r - z", -0.6, 1.6),
    ("src_reff_arcsec", "half-light radius, arcsec", 0.0, 1.1),
    ("src_n_sersic", "Sersic index", 0.4, 4.2),
    ("src_e", "source ellipticity", 0.0, 0.8),
    ("theta_e_arcsec", "theta_E, arcsec (hosts of z 17 to 21)", 0.0, 4.0),
    ("shear", "external shear", 0.0, 0.11),
)


def prior_figure() -> str:
    """The SVG's text: the same on every machine, as the draws are."""
    keys = np.arange(N, dtype=np.uint64)
    mag_z = 17.0 + 4.0 * uniform(1, keys, 1)[0]
    hosts = {
        "flux_z_nmgy": 10 ** (-0.4 * (mag_z - 22.5)),
        "shape_e1": np.full(N, np.nan),
        "shape_e2": np.full(N, np.nan),
    }
    prior = load_tier("pilot").prior
    drawn = draw(hosts, uniform(2, keys, len(USES)), prior)
    rows = -(-len(PANELS) // COLUMNS)
    panels = [
        _panel(drawn[name], label, low, high, index) for index, (name, label, low, high) in enumerate(PANELS)
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {COLUMNS * WIDTH} {rows * HEIGHT}" '
        'font-family="sans-serif" font-size="11" fill="#444">'
    )
    ground = f'<rect width="{COLUMNS * WIDTH}" height="{rows * HEIGHT}" fill="#fff"/>'
    return "\n".join([head, ground, *panels, "</svg>"]) + "\n"


def _panel(values: np.ndarray, label: str, low: float, high: float, index: int) -> str:
    """One histogram, its range and its median."""
    x0, y0 = index % COLUMNS * WIDTH + 10, index // COLUMNS * HEIGHT + 8
    wide, tall = WIDTH - 20, HEIGHT - MARGIN - 12
    counts = np.histogram(values, bins=BINS, range=(low, high))[0]
    step = wide / BINS
    bars = "".join(
        f"M{x0 + i * step:.1f} {y0 + tall:.1f}v{-tall * n / counts.max():.1f}h{step:.1f}V{y0 + tall:.1f}z"
        for i, n in enumerate(counts)
        if n
    )
    base = y0 + tall
    return (
        f'<path d="{bars}" fill="#4a7fb5"/>'
        f'<path d="M{x0} {base}h{wide}" stroke="#888"/>'
        f'<text x="{x0}" y="{base + 13}">{low:g}</text>'
        f'<text x="{x0 + wide}" y="{base + 13}" text-anchor="end">{high:g}</text>'
        f'<text x="{x0 + wide / 2}" y="{base + 26}" text-anchor="middle">{label}: '
        f"median {np.median(values):.2f}</text>"
    )
