"""Hosts and their roles -> rows of the manifest: one a task, every random number frozen in it.

Deterministic: a task's numbers come from a counter-based generator keyed by the run's seed and the task,
and from arithmetic that is the same on every machine: no order, chunking or processor can change them.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import nominal_snr, prior
from pipeline.choice import LENS, PAIRED, UNPAIRED
from pipeline.errors import InputError
from pipeline.parquet import from_columns
from pipeline.philox import uniform
from pipeline.portable import cos_sin_turn, exp10, log10
from pipeline.schema import BANDS, MANIFEST
from pipeline.tier import Tier

SIE, CONTROL = "SIE", "CONTROL"
_FROM_HOST = ("brickname", "host_id", "ra", "dec", "region_id", *(f"psfdepth_{band}" for band in BANDS))
_PARAMETERS = ("theta_e_arcsec", "lens_e", "lens_phi_rad", "shear", "shear_phi_rad", "src_dmag",
               "src_reff_arcsec", "src_n_sersic", "src_e", "src_phi_rad", "src_x_arcsec", "src_y_arcsec",
               *(f"src_flux_{band}_nmgy" for band in BANDS))  # fmt: skip
_GRID_DRAWS = 6
_HOST_FLUXES = tuple(f"flux_{band}_nmgy" for band in BANDS)
REPEATING = ("experiment_id", "lens_model", "host_mag_r", *_FROM_HOST)  # the same in all rows of a host

Columns = dict[str, NDArray[np.float64]]


def manifest_rows(hosts: pa.Table, tier: Tier, roles: NDArray[np.int8] | None = None) -> pa.Table:
    """The tasks of some hosts (columns of HOSTS and HOST_SHAPES), host by host: injections, then a control.

    roles: of each host, LENS, PAIRED or UNPAIRED; without it all are lenses.
    """
    roles = np.full(len(hosts), LENS, dtype=np.int8) if roles is None else roles
    n_injections = np.where(roles == UNPAIRED, 0, tier.injections_per_host)
    n_rows = n_injections + np.isin(roles, (PAIRED, UNPAIRED))
    host = np.repeat(np.arange(len(hosts)), n_rows)
    place = np.arange(len(host)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    is_control = place >= n_injections[host]
    ids, seeds = _task_ids(hosts, tier, roles)
    injected = ~is_control
    mag_r = 22.5 - 2.5 * log10(hosts["flux_r_nmgy"].to_numpy())
    made = _parameters(hosts, host[injected], place[injected], seeds[injected], mag_r, tier)
    columns: dict[str, Any] = {}
    for name in _PARAMETERS:
        columns[name] = np.full(len(host), np.nan)
        columns[name][injected] = made[name]
    at = pa.array(host)
    return from_columns(
        MANIFEST,
        {
            "task_id": ids,
            "experiment_id": _repeated(tier.experiment_id, len(host)),
            **{name: hosts[name].take(at).combine_chunks() for name in _FROM_HOST},
            "lens_model": pa.array([SIE, CONTROL]).take(pa.array(is_control.astype(np.int8))),
            "is_control": is_control,
            "task_seed64": seeds.astype(np.int64),
            **columns,
            "host_mag_r": mag_r[host],
            **{f"host_{n}": hosts[n].take(at).combine_chunks() for n in _HOST_FLUXES},
        },
    )


def _repeated(text: str, n: int) -> pa.Array:
    return pa.array([text]).take(pa.array(np.zeros(n, dtype=np.int8)))


def _task_ids(hosts: pa.Table, tier: Tier, roles: NDArray[np.int8]) -> tuple[pa.Array, NDArray[np.uint64]]:
    """Ids (32 hexadecimal digits) of all tasks in the order of the rows, and the keys of their numbers.

    The id is the BLAKE2b hash of experiment, host and parameters; the key is 63 bits of it.
    """
    prefix = f"{tier.experiment_id}|".encode()
    injections = [b"|" + name.encode() for name in tier.injection_names]
    control = b"|" + CONTROL.encode()
    tails = {LENS: injections, PAIRED: [*injections, control], UNPAIRED: [control]}
    blake2b = hashlib.blake2b
    digests = b"".join(
        [
            blake2b(prefix + host + tail, digest_size=16).digest()
            for host, role in zip(hosts["host_id"].cast(pa.binary()).to_pylist(), roles.tolist(), strict=True)
            for tail in tails[role]
        ]
    )
    n = len(digests) // 16
    seeds = np.frombuffer(digests, dtype="<u8")[::2] >> np.uint64(1)  # 63 bits: bigint is signed
    offsets = np.arange(0, 32 * n + 1, 32, dtype=np.int32)
    digits = pa.py_buffer(digests.hex().encode())
    return pa.Array.from_buffers(pa.string(), n, [None, pa.py_buffer(offsets), digits]), seeds


def _parameters(
    hosts: pa.Table, host: NDArray[np.int64], place: NDArray[np.int64], seeds: NDArray[np.uint64],
    mag_r: NDArray[np.float64], tier: Tier,
) -> Columns:  # fmt: skip
    """The parameters of injections: of row i, host[i] and the place[i]-th of its injections."""
    if tier.grid is not None:
        drawn = _grid_draws(hosts, host, place, seeds, mag_r, tier)
    else:
        assert tier.prior is not None  # noqa: S101  (Tier demands one of the two)
        own = {n: _column(hosts, n)[host] for n in ("flux_z_nmgy", "shape_e1", "shape_e2")}
        drawn = prior.draw(own, uniform(tier.seed, seeds, len(prior.USES)), tier.prior)
    mags = {
        "g": drawn["src_mag_r"] + drawn["src_color_g_r"],
        "r": drawn["src_mag_r"],
        "z": drawn["src_mag_r"] - drawn["src_color_r_z"],
    }
    fluxes = {f"src_flux_{band}_nmgy": exp10(-0.4 * (mags[band] - 22.5)) for band in BANDS}
    return {**drawn, "src_dmag": drawn.get("src_dmag", drawn["src_mag_r"] - mag_r[host]), **fluxes}


def _column(hosts: pa.Table, name: str) -> NDArray[np.float64]:
    """A column of the hosts; NaN where it is NULL or absent."""
    if name not in hosts.column_names:
        return np.full(len(hosts), np.nan)
    return np.asarray(hosts[name].to_numpy(), dtype=np.float64)


def _grid_draws(
    hosts: pa.Table, host: NDArray[np.int64], place: NDArray[np.int64], seeds: NDArray[np.uint64],
    mag_r: NDArray[np.float64], tier: Tier,
) -> Columns:  # fmt: skip
    """A point of the grid each; the rest at random: position in a disc, angles, lens ellipticity."""
    assert tier.grid is not None  # noqa: S101
    points = list(tier.combinations())
    axes = {axis: np.array([point[axis] for point in points])[place] for axis in tier.axes}
    u = uniform(tier.seed, seeds, _GRID_DRAWS)
    law, n = tier.grid.source, np.ones(len(host))
    theta_e = axes.get("theta_e_arcsec")
    if theta_e is None:
        theta_e = (
            axes["theta_e_over_fwhm"] * tier.psf.fwhm_over_psfsize * _known(hosts, "psfsize_r_arcsec", host)
        )
    radius = law.disc_theta_e * theta_e * np.sqrt(u[0])
    cos_a, sin_a = cos_sin_turn(u[1])
    drawn = {
        "theta_e_arcsec": theta_e,
        "src_reff_arcsec": axes["src_reff_arcsec"],
        "src_e": axes["src_e"],
        "shear": axes["shear"],
        "src_n_sersic": law.n_sersic * n,
        "src_color_g_r": law.color_g_r * n,
        "src_color_r_z": law.color_r_z * n,
        "src_x_arcsec": radius * cos_a,
        "src_y_arcsec": radius * sin_a,
        "src_phi_rad": math.pi * u[2],
        "lens_e": tier.grid.lens.e_max * u[3],
        "lens_phi_rad": math.pi * u[4],
        "shear_phi_rad": math.pi * u[5],
    }
    return {**drawn, **_grid_brightness(axes, drawn, hosts, host, mag_r, tier)}


def _grid_brightness(
    axes: Columns, drawn: Columns, hosts: pa.Table, host: NDArray[np.int64], mag_r: NDArray[np.float64],
    tier: Tier,
) -> Columns:  # fmt: skip
    """The unlensed magnitude: relative to the host, absolute, or the one of a nominal arc SNR."""
    if "src_dmag" in axes:  # the axis keeps its own values: a difference would round them
        return {"src_dmag": axes["src_dmag"], "src_mag_r": mag_r[host] + axes["src_dmag"]}
    if "src_mag_r" in axes:
        return {"src_mag_r": axes["src_mag_r"]}
    fwhm = tier.psf.fwhm_over_psfsize * _known(hosts, "psfsize_r_arcsec", host)
    depth = _known(hosts, "psfdepth_r", host)
    flux = nominal_snr.source_flux(
        axes["arc_snr"], drawn["theta_e_arcsec"], drawn["src_reff_arcsec"], fwhm, depth
    )
    return {"src_mag_r": 22.5 - 2.5 * log10(flux)}


def _known(hosts: pa.Table, name: str, host: NDArray[np.int64]) -> NDArray[np.float64]:
    values = _column(hosts, name)
    bad = ~(values > 0.0)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"host {hosts['host_id'][row].as_py()}: {name} is {hosts[name][row].as_py()}; "
            "the grid's axes need it positive, so give a catalogue of DR9 or later"
        )
    return values[host]
