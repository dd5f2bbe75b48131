"""What a tier is, and how its file is read: unknown or impossible settings are refused by name."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from typing import Any

from pipeline.checks import load_checks
from pipeline.errors import InputError
from pipeline.schema import METRICS
from pipeline.storage import check_tier_name

# The renderer is tested for axis ratios q = (1 - e)/(1 + e) of at least 0.2 (lens) and 0.1 (source).
MAX_LENS_E, MAX_SOURCE_E = 0.66, 0.81
MIN_PIXELS = 32  # a smaller stamp cannot hold the survey's wider PSFs

# Axis of the grid, in the order in which tasks are numbered.
GRID_AXES = ("theta_e_arcsec", "src_dmag", "src_reff_arcsec", "src_e", "shear")


@dataclass(frozen=True)
class SourcePrior:
    """Sources of a grid tier: Sersic index, AB colours, and positions uniform in area in a disc."""

    n_sersic: float
    color_g_r: float
    color_r_z: float
    disc_theta_e: float

    def __post_init__(self) -> None:
        _within("source.n_sersic", self.n_sersic, 0.3, 8)
        _within("source.color_g_r", self.color_g_r, -2, 5)
        _within("source.color_r_z", self.color_r_z, -2, 5)
        _within("source.disc_theta_e", self.disc_theta_e, 0, 5)


@dataclass(frozen=True)
class LensPrior:
    """Lens ellipticity uniform in [0, e_max], angle uniform."""

    e_max: float

    def __post_init__(self) -> None:
        _within("lens.e_max", self.e_max, 0, MAX_LENS_E)


@dataclass(frozen=True)
class PsfChoice:
    """The family of the PSF that has the survey's noise-equivalent area.

    image: a user's coadd PSF images for the hosts that have them (docs/survey-data.md), a Moffat for others.
    """

    kind: str
    beta: float

    def __post_init__(self) -> None:
        if self.kind not in ("moffat", "gaussian", "image"):
            raise InputError(f"psf.kind is {self.kind!r}; give moffat, gaussian or image")
        _within("psf.beta", self.beta, 1.5, 20)


@dataclass(frozen=True)
class Tier:
    """One tier. Angles in arcsec, magnitudes AB; see the comments of pipeline/tiers/debug.toml."""

    name: str
    purpose: str
    grid_name: str
    n_bricks: int
    hosts_per_split: int
    n_pix: int
    seed: int
    bricks_per_task: int
    control_fraction: float
    poisson_noise: bool
    grid: dict[str, list[float]]
    source: SourcePrior
    lens: LensPrior
    psf: PsfChoice
    critical: tuple[str, ...]

    def __post_init__(self) -> None:
        check_tier_name(self.name)
        for field in ("n_bricks", "hosts_per_split", "bricks_per_task"):
            _whole(field, getattr(self, field), 1, 10**7)
        _whole("n_pix", self.n_pix, MIN_PIXELS, 400)
        _whole("seed", self.seed, 0, 2**63 - 1)
        _within("control_fraction", self.control_fraction, 0, 1)
        if self.control_fraction > 0 or self.poisson_noise:
            raise InputError(
                f"tier {self.name}: control_fraction and poisson_noise are not planned yet; set 0.0 and false"
            )
        _check_grid(self.grid)
        known = {check.name for check in load_checks()}
        for name in self.critical:
            if name not in known:
                raise InputError(f"gate.critical: no check {name!r}; there are: {', '.join(sorted(known))}")

    @property
    def experiment_id(self) -> str:
        return f"{self.name}_stamp{self.n_pix}_bandsgrz_grid{self.grid_name}"

    def combinations(self) -> Iterator[dict[str, float]]:
        """Every point of the grid, the last axis fastest."""
        for values in itertools.product(*(self.grid[axis] for axis in GRID_AXES)):
            yield dict(zip(GRID_AXES, values, strict=True))

    @property
    def n_combinations(self) -> int:
        return math.prod(len(self.grid[axis]) for axis in GRID_AXES)

    def config_hash(self) -> str:
        """SHA-256 of the settings: another setting is another hash, and so another run."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def tier_names() -> list[str]:
    """Names of the tiers that come with the package."""
    return sorted(p.name[:-5] for p in files("pipeline.tiers").iterdir() if p.name.endswith(".toml"))


def load_tier(name: str) -> Tier:
    """The tier of that name; InputError lists those there are."""
    if name not in tier_names():
        raise InputError(f"unknown tier {name!r}; there are: {', '.join(tier_names())}")
    text = (files("pipeline.tiers") / f"{name}.toml").read_text(encoding="utf-8")
    return parse_tier(text, f"{name}.toml")


def parse_tier(text: str, origin: str) -> Tier:
    """A tier from TOML text; InputError names `origin`, the field and the mend."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{origin}: not TOML ({error})") from error
    try:
        gate = _section(data.pop("gate", {}), {"critical"}, "gate")
        sections: dict[str, Any] = {
            "source": SourcePrior(**_section(data.pop("source", {}), _names(SourcePrior), "source")),
            "lens": LensPrior(**_section(data.pop("lens", {}), _names(LensPrior), "lens")),
            "psf": PsfChoice(**_section(data.pop("psf", {}), _names(PsfChoice), "psf")),
            "critical": tuple(gate["critical"]),
        }
        if isinstance(data.get("grid"), dict):  # 1 and 1.0 are one value, and must be one task
            data["grid"] = {axis: [float(v) for v in values] for axis, values in data["grid"].items()}
        return Tier(**_section(data, _names(Tier) - set(sections), "the top level"), **sections)
    except InputError as error:
        raise InputError(f"{origin}: {error}") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{origin}: a setting has the wrong type ({error})") from error


def _names(cls: type) -> set[str]:
    return {field.name for field in fields(cls)}


def _section(data: dict[str, Any], wanted: set[str], where: str) -> dict[str, Any]:
    for name in sorted(set(data) - wanted):
        raise InputError(f"unknown field {name!r} in {where}; there are: {', '.join(sorted(wanted))}")
    for name in sorted(wanted - set(data)):
        raise InputError(f"field {name!r} is missing in {where}")
    return data


def _whole(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{name} is {value!r}; give a whole number")
    _within(name, value, low, high)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"{name} is {value}; give a value from {low:g} to {high:g}")


def _check_grid(grid: dict[str, list[float]]) -> None:
    _section(grid, set(GRID_AXES), "grid")
    for axis in GRID_AXES:
        column = METRICS.column(axis)
        if not grid[axis] or len(set(grid[axis])) != len(grid[axis]):
            raise InputError(f"grid.{axis} needs at least one value, each once")
        for value in grid[axis]:
            low = -math.inf if column.low is None else column.low
            high = math.inf if column.high is None else column.high
            _within(f"grid.{axis}", value, low, MAX_SOURCE_E if axis == "src_e" else high)
