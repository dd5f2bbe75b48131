"""The sections of a tier's file, each with the limits of its values; InputError names field and mend."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.errors import InputError
from pipeline.schema import METRICS, SPLITS

# The renderer is tested for axis ratios q = (1 - e)/(1 + e) of at least 0.2 (lens) and 0.1 (source).
MAX_LENS_E, MAX_SOURCE_E = 0.66, 0.81
MAX_PRIOR_LENS_E = 0.55  # up to there prior.multiple_image_ellipse holds the caustics
MAX_SHEAR = 0.1

# Axes of a grid in the order in which tasks are numbered; each slot is filled by one of its names.
GRID_SLOTS = (
    ("theta_e_arcsec", "theta_e_over_fwhm"),
    ("src_dmag", "src_mag_r", "arc_snr"),
    ("src_reff_arcsec",),
    ("src_e",),
    ("shear",),
)
_AXIS_LIMITS = {"theta_e_over_fwhm": (0.05, 10.0), "src_mag_r": (15.0, 30.0), "arc_snr": (0.05, 1e4),
                "src_e": (0.0, MAX_SOURCE_E)}  # fmt: skip


def whole(name: str, value: object, low: int, high: int) -> None:
    """Refuse what is no whole number from low to high."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{name} is {value!r}; give a whole number")
    within(name, value, low, high)


def within(name: str, value: float, low: float, high: float) -> None:
    """Refuse what lies outside [low, high]; NaN does."""
    if not low <= value <= high:
        raise InputError(f"{name} is {value}; give a value from {low:g} to {high:g}")


def flag(name: str, value: object) -> None:
    """Refuse what is neither true nor false."""
    if not isinstance(value, bool):
        raise InputError(f"{name} is {value!r}; give true or false")


@dataclass(frozen=True)
class HostChoice:
    """Which hosts carry tasks: `per_split` of each split, or `per_brick` of each brick (0: all it has).

    injections_per_host: lenses drawn on each lens host (of a prior; a grid has one for each combination).
    """

    per_split: int = 0
    per_brick: int = 0
    injections_per_host: int = 1

    def __post_init__(self) -> None:
        whole("hosts.per_split", self.per_split, 0, 10**7)
        whole("hosts.per_brick", self.per_brick, 0, 10**4)
        whole("hosts.injections_per_host", self.injections_per_host, 1, 1000)
        if self.per_split and self.per_brick:
            raise InputError("hosts.per_split and hosts.per_brick are both set; give one of them")


@dataclass(frozen=True)
class Splits:
    """How the sky is divided.

    shares: of train, val and test, relative. block_nside: HEALPix blocks that are never divided. deal: `hash`
    (each block by its own hash: the same in every tier of the same seed) or `balanced` (to the split that
    lacks most hosts). guard_arcsec: hosts this near to a brick's edge, where a brick of another split is
    next, are left out, so no two hosts of two splits are closer than this.
    """

    shares: tuple[float, ...]
    deal: str
    block_nside: int
    seed: int
    guard_arcsec: float

    def __post_init__(self) -> None:
        if len(self.shares) != len(SPLITS):
            raise InputError(f"splits.shares has {len(self.shares)} values; give {', '.join(SPLITS)}")
        for share in self.shares:
            within("splits.shares", share, 1e-3, 1e3)
        if self.deal not in ("hash", "balanced"):
            raise InputError(f"splits.deal is {self.deal!r}; give hash or balanced")
        if self.block_nside not in (1, 2, 4, 8, 16, 32, 64):
            raise InputError(f"splits.block_nside is {self.block_nside}; give a power of two up to 64")
        whole("splits.seed", self.seed, 0, 2**63 - 1)
        within("splits.guard_arcsec", self.guard_arcsec, 0, 300)

    @property
    def fractions(self) -> dict[str, float]:
        return {name: share / sum(self.shares) for name, share in zip(SPLITS, self.shares, strict=True)}


@dataclass(frozen=True)
class Controls:
    """Rows without a lens: their fraction of all rows, and which part of them is paired.

    Paired: on the host of an injection. Unpaired: on another host of the same brick, drawn the same way.
    """

    fraction: float
    paired: float

    def __post_init__(self) -> None:
        within("controls.fraction", self.fraction, 0, 0.95)
        within("controls.paired", self.paired, 0, 1)


@dataclass(frozen=True)
class Precision:
    """What a grid is for: 95 % intervals of at most +-half_width at completeness 0.5.

    conditions: into how many bins of seeing and depth the hosts of a grid cell are divided.
    """

    half_width: float
    conditions: int

    def __post_init__(self) -> None:
        within("precision.half_width", self.half_width, 0.001, 0.5)
        whole("precision.conditions", self.conditions, 1, 10_000)


@dataclass(frozen=True)
class SourcePrior:
    """Sources of a grid tier: Sersic index, AB colours, and positions uniform in area in a disc."""

    n_sersic: float
    color_g_r: float
    color_r_z: float
    disc_theta_e: float

    def __post_init__(self) -> None:
        within("source.n_sersic", self.n_sersic, 0.3, 8)
        within("source.color_g_r", self.color_g_r, -2, 5)
        within("source.color_r_z", self.color_r_z, -2, 5)
        within("source.disc_theta_e", self.disc_theta_e, 0, 5)


@dataclass(frozen=True)
class LensPrior:
    """Lens ellipticity uniform in [0, e_max], angle uniform."""

    e_max: float

    def __post_init__(self) -> None:
        within("lens.e_max", self.e_max, 0, MAX_LENS_E)


@dataclass(frozen=True)
class Grid:
    """A regular grid: the values of each axis, in the order of GRID_SLOTS."""

    axes: dict[str, tuple[float, ...]]
    source: SourcePrior
    lens: LensPrior

    def __post_init__(self) -> None:
        known = {name for slot in GRID_SLOTS for name in slot}
        for name in self.axes:
            if name not in known:
                raise InputError(f"unknown field {name!r} in grid; there are: {', '.join(sorted(known))}")
        for slot in GRID_SLOTS:
            given = [name for name in slot if name in self.axes]
            if len(given) != 1:
                there = " and ".join(given) or "none"
                raise InputError(f"grid has {there} of {', '.join(slot)}; give one")
            _check_axis(given[0], self.axes[given[0]])


def _check_axis(name: str, values: tuple[float, ...]) -> None:
    if not values or len(set(values)) != len(values):
        raise InputError(f"grid.{name} needs at least one value, each once")
    if name in _AXIS_LIMITS:
        low, high = _AXIS_LIMITS[name]
    else:
        column = METRICS.column(name)
        low = -math.inf if column.low is None else column.low
        high = math.inf if column.high is None else column.high
    for value in values:
        within(f"grid.{name}", value, low, high)


@dataclass(frozen=True)
class Normal:
    """A normal distribution cut off at low and high."""

    mean: float
    sd: float
    low: float
    high: float

    def check(self, name: str, low: float, high: float) -> None:
        """Refuse limits outside [low, high] and a distribution without width."""
        within(f"{name}.low", self.low, low, high)
        within(f"{name}.high", self.high, self.low + 1e-9, high)
        within(f"{name}.mean", self.mean, self.low, self.high)
        within(f"{name}.sd", self.sd, (self.high - self.low) / 12, 100.0)


@dataclass(frozen=True)
class Rayleigh:
    """A Rayleigh distribution (the size of two normal components of sd `scale`) cut off at high."""

    scale: float
    high: float

    def check(self, name: str, high: float) -> None:
        """Refuse a cut-off above `high`, and a scale that is not positive."""
        within(f"{name}.scale", self.scale, 1e-4, 10.0)
        within(f"{name}.high", self.high, self.scale / 5, high)


@dataclass(frozen=True)
class SourceDistribution:
    """prior.source: unlensed sources as observed. See pipeline/prior.py for what each is and where from."""

    mag_r_bright: float
    mag_r_faint: float
    count_slope: float
    color_g_r: Normal
    color_r_z: Normal
    reff_arcsec: float
    reff_mag_r: float
    reff_slope: float
    reff_scatter: float
    log10_n_sersic: Normal
    ellipticity: Rayleigh

    def __post_init__(self) -> None:
        within("prior.source.mag_r_bright", self.mag_r_bright, 15, 30)
        within("prior.source.mag_r_faint", self.mag_r_faint, self.mag_r_bright + 1e-6, 30)
        within("prior.source.count_slope", self.count_slope, 0.01, 2)
        self.color_g_r.check("prior.source.color_g_r", -2, 5)
        self.color_r_z.check("prior.source.color_r_z", -2, 5)
        within("prior.source.reff_arcsec", self.reff_arcsec, 0.05, 3)
        within("prior.source.reff_mag_r", self.reff_mag_r, 15, 30)
        within("prior.source.reff_slope", self.reff_slope, -0.5, 0.5)
        within("prior.source.reff_scatter", self.reff_scatter, 0, 0.35)
        self.log10_n_sersic.check("prior.source.log10_n_sersic", math.log10(0.3), math.log10(8))
        self.ellipticity.check("prior.source.ellipticity", MAX_SOURCE_E)


@dataclass(frozen=True)
class LensDistribution:
    """prior.lens: mass of the host. See pipeline/prior.py for what each is and where from."""

    theta_e_arcsec: float
    theta_e_mag_z: float
    theta_e_slope: float
    theta_e_low: float
    theta_e_high: float
    theta_e_scatter: float
    axis_ratio_scatter: float
    angle_scatter_deg: float
    ellipticity: Rayleigh
    shear: Rayleigh
    margin: float

    def __post_init__(self) -> None:
        within("prior.lens.theta_e_low", self.theta_e_low, 0.1, 5)
        within("prior.lens.theta_e_high", self.theta_e_high, self.theta_e_low, 5)
        within("prior.lens.theta_e_arcsec", self.theta_e_arcsec, self.theta_e_low, self.theta_e_high)
        within("prior.lens.theta_e_mag_z", self.theta_e_mag_z, 10, 30)
        within("prior.lens.theta_e_slope", self.theta_e_slope, 0, 1)
        within("prior.lens.theta_e_scatter", self.theta_e_scatter, 0, 0.15)
        within("prior.lens.axis_ratio_scatter", self.axis_ratio_scatter, 0, 0.5)
        within("prior.lens.angle_scatter_deg", self.angle_scatter_deg, 0, 90)
        self.ellipticity.check("prior.lens.ellipticity", MAX_PRIOR_LENS_E)
        self.shear.check("prior.lens.shear", MAX_SHEAR)
        within("prior.lens.margin", self.margin, 0, 2)


@dataclass(frozen=True)
class Prior:
    """A physical prior."""

    source: SourceDistribution
    lens: LensDistribution


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
        within("psf.beta", self.beta, 1.5, 20)

    @property
    def fwhm_over_psfsize(self) -> float:
        """FWHM over the survey's psfsize, in closed form: the same noise-equivalent area.

        Moffat: NEA = pi a^2 (2 beta - 1)/(beta - 1)^2 and FWHM = 2 a sqrt(2^(1/beta) - 1);
        psfsize = 2.355/(2 sqrt(pi)) sqrt(NEA). A Gaussian's is its FWHM. Of images, whose widths 4c alone
        reads, the Moffat's: what is planned in FWHM or SNR is then nominal.
        """
        if self.kind == "gaussian":
            return 1.0
        fwhm = 2.0 * math.sqrt(2.0 ** (1.0 / self.beta) - 1.0)
        nea = math.pi * (2.0 * self.beta - 1.0) / (self.beta - 1.0) ** 2
        psfsize = 2.0 * math.sqrt(2.0 * math.log(2.0)) / (2.0 * math.sqrt(math.pi)) * math.sqrt(nea)
        return round(fwhm / psfsize, 9)  # rounded: the last bit of a power is the machine's own
