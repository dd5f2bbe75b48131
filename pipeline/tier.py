"""What a tier is, and how its file is read: unknown or impossible settings are refused by name."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from pipeline.checks import load_checks
from pipeline.closure_rates import WEAKEST
from pipeline.errors import InputError
from pipeline.schema import SPLITS
from pipeline.settings import (
    GRID_SLOTS,
    Controls,
    Grid,
    HostChoice,
    LensDistribution,
    LensPrior,
    Normal,
    Precision,
    Prior,
    PsfChoice,
    Rayleigh,
    SourceDistribution,
    SourcePrior,
    Splits,
    flag,
    whole,
    within,
)
from pipeline.storage import CANARY, check_tier_name

MIN_PIXELS = 32  # a smaller stamp cannot hold the survey's wider PSFs


@dataclass(frozen=True)
class Tier:
    """One tier. Angles in arcsec, magnitudes AB; see docs/tiers.md and the comments of pipeline/tiers/*.toml.

    rows: what the tier may write at most; task_seconds: estimated seconds of one task of the fan-out;
    requires: tiers that must have a GO with the same code and settings before this one starts;
    closure_share: a defect in this share of the rows must not escape closure's sample.
    """

    name: str
    purpose: str
    grid_name: str
    rows: int
    n_bricks: int
    n_pix: int
    seed: int
    task_seconds: float
    poisson_noise: bool
    hosts: HostChoice
    splits: Splits
    controls: Controls
    psf: PsfChoice
    critical: tuple[str, ...]
    grid: Grid | None = None
    prior: Prior | None = None
    precision: Precision | None = None
    requires: tuple[str, ...] = ()
    closure_share: float = WEAKEST

    def __post_init__(self) -> None:
        check_tier_name(self.name)
        check_tier_name(self.grid_name)
        if self.name == CANARY:
            raise InputError(f"tier name {CANARY!r}: is that of the gate's own rows; give another name")
        whole("rows", self.rows, 1, 10**9)
        whole("n_bricks", self.n_bricks, 1, 10**6)
        whole("n_pix", self.n_pix, MIN_PIXELS, 400)
        whole("seed", self.seed, 0, 2**63 - 1)
        within("task_seconds", self.task_seconds, 1e-3, 3600)
        within("gate.closure_share", self.closure_share, 0.01, 0.2)
        flag("poisson_noise", self.poisson_noise)
        if (self.grid is None) == (self.prior is None):
            raise InputError("a tier has either [grid] or [prior]; give one of them")
        if self.hosts.per_split and self.controls.fraction:
            raise InputError("controls need hosts.per_brick; set hosts.per_split to 0, or no controls")
        if self.controls.fraction and self.hosts.per_brick and not self.roles(self.hosts.per_brick).lenses:
            raise InputError(
                f"hosts.per_brick is {self.hosts.per_brick}: too few for one lens and its controls; give more"
            )
        self._check_rows()
        if not self.critical:
            raise InputError(
                "gate.critical is empty: nothing would stop a run; name the checks that must pass"
            )
        known = {check.name for check in load_checks()}
        for name in self.critical:
            if name not in known:
                raise InputError(f"gate.critical: no check {name!r}; there are: {', '.join(sorted(known))}")

    def _check_rows(self) -> None:
        planned = self.expected_rows
        if planned is not None and planned > self.rows:
            raise InputError(
                f"rows is {self.rows:,}, but hosts and parameters multiply to {planned:,}; "
                "give rows its due, or fewer hosts or values"
            )

    @property
    def expected_rows(self) -> int | None:
        """Rows by the settings alone; None if every brick gives all the hosts it has."""
        if self.hosts.per_split:
            return len(SPLITS) * self.hosts.per_split * self.injections_per_host
        if self.hosts.per_brick:
            return self.n_bricks * self.roles(self.hosts.per_brick).rows
        return None

    @property
    def experiment_id(self) -> str:
        return f"{self.name}_stamp{self.n_pix}_bandsgrz_grid{self.grid_name}"

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """The grid's axes in the order of numbering."""
        return tuple(name for slot in GRID_SLOTS for name in slot if self.grid and name in self.grid.axes)

    def combinations(self) -> Iterator[dict[str, float]]:
        """Every point of the grid, the last axis fastest; none for a prior."""
        if self.grid is not None:
            for values in itertools.product(*(self.grid.axes[axis] for axis in self.axes)):
                yield dict(zip(self.axes, values, strict=True))

    @cached_property
    def injection_names(self) -> tuple[str, ...]:
        """What tells the injections of one host apart: the point of the grid, or the prior and a number."""
        if self.grid is not None:
            return tuple(",".join(f"{k}={v!r}" for k, v in point.items()) for point in self.combinations())
        settings = json.dumps([self.settings()["prior"], self.seed], sort_keys=True).encode()
        law = hashlib.blake2b(settings, digest_size=16).hexdigest()
        return tuple(f"{law},{number}" for number in range(self.injections_per_host))

    @property
    def n_combinations(self) -> int:
        """Points of the grid; 0 for a prior."""
        return math.prod(len(self.grid.axes[axis]) for axis in self.axes) if self.grid is not None else 0

    @property
    def injections_per_host(self) -> int:
        return self.n_combinations or self.hosts.injections_per_host

    def roles(self, n_hosts: int) -> Roles:
        """How the hosts of a brick are used: as many lenses as leave hosts for their unpaired controls."""
        best = Roles(0, 0, 0, 0)
        for lenses in range(1, n_hosts + 1):
            injections = lenses * self.injections_per_host
            odds = self.controls.fraction / (1.0 - self.controls.fraction)
            controls = round(odds * injections)
            paired = min(lenses, round(self.controls.paired * controls))
            if lenses + controls - paired > n_hosts:
                break
            best = Roles(lenses, injections, paired, controls - paired)
        return best

    def config_hash(self) -> str:
        """SHA-256 of the settings: another setting is another hash, and so another run."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()

    def settings(self) -> dict[str, Any]:
        """The tier as plain data, which `tier_from` reads back."""
        data = {name: value for name, value in asdict(self).items() if value is not None}
        data["gate"] = {"critical": list(data.pop("critical")), "closure_share": data.pop("closure_share")}
        if (grid := data.pop("grid", None)) is not None:
            data |= {"grid": grid["axes"], "source": grid["source"], "lens": grid["lens"]}
        return dict(json.loads(json.dumps(data)))

    def row_settings(self) -> dict[str, Any]:
        """The settings that decide how a row of this kind of tier is made; two tiers are compared by them."""
        data = self.settings()
        own = ("n_pix", "psf", *(("prior", "controls", "poisson_noise", "hosts") if self.prior else ()))
        return {name: data[name] for name in own}


@dataclass(frozen=True)
class Roles:
    """A brick's hosts by use: lens hosts, their injections, paired controls on them, unpaired controls."""

    lenses: int
    injections: int
    paired: int
    unpaired: int

    @property
    def hosts(self) -> int:
        return self.lenses + self.unpaired

    @property
    def rows(self) -> int:
        return self.injections + self.paired + self.unpaired


def tier_names() -> list[str]:
    """Names of the tiers that come with the package."""
    return sorted(p.name[:-5] for p in files("pipeline.tiers").iterdir() if p.name.endswith(".toml"))


def load_tier(name: str) -> Tier:
    """The tier of that name, or of a file that ends in .toml; InputError lists those there are."""
    if name.endswith(".toml"):
        return _tier_of_file(Path(name))
    if name not in tier_names():
        raise InputError(
            f"unknown tier {name!r}; there are: {', '.join(tier_names())}, or the path of a .toml file"
        )
    text = (files("pipeline.tiers") / f"{name}.toml").read_text(encoding="utf-8")
    return parse_tier(text, f"{name}.toml")


def _tier_of_file(path: Path) -> Tier:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; give a tier's name or its .toml file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a TOML file in UTF-8") from error
    tier = parse_tier(text, str(path))
    if tier.name in tier_names() and tier != load_tier(tier.name):
        raise InputError(f"{path}: name {tier.name!r} is that of a tier of the package; give another")
    return tier


def parse_tier(text: str, origin: str) -> Tier:
    """A tier from TOML text; InputError names `origin`, the field and the mend."""
    return tier_from(_with_base(text, origin), origin)


def _with_base(text: str, origin: str) -> dict[str, Any]:
    """The file's data over those of the tier that its `base` names, if it names one."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{origin}: not TOML ({error})") from error
    base = data.pop("base", None)
    if base is None:
        return data
    if base not in tier_names():
        raise InputError(f"{origin}: base is {base!r}; there are: {', '.join(tier_names())}")
    return {**load_tier(base).settings(), **data}


def tier_from(data: dict[str, Any], origin: str) -> Tier:
    """A tier from plain data; InputError names `origin`, the field and the mend."""
    data = dict(data)
    try:
        gate = _section(data.pop("gate", {}), {"critical", "closure_share"}, "gate", {"closure_share"})
        sections: dict[str, Any] = {
            "hosts": _build(HostChoice, data.pop("hosts", {}), "hosts"),
            "splits": _build(Splits, _tuples(data.pop("splits", {}), "shares"), "splits"),
            "controls": _build(Controls, data.pop("controls", {}), "controls"),
            "psf": _build(PsfChoice, data.pop("psf", {}), "psf"),
            "critical": tuple(gate["critical"]),
            "closure_share": gate.get("closure_share", WEAKEST),
            "requires": tuple(data.pop("requires", ())),
            "grid": _grid(data),
            "prior": _prior(data.pop("prior")) if "prior" in data else None,
            "precision": _build(Precision, data.pop("precision"), "precision")
            if "precision" in data
            else None,
        }
        return Tier(**_section(data, _names(Tier) - set(sections), "the top level"), **sections)
    except InputError as error:
        raise InputError(f"{origin}: {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{origin}: a setting has the wrong type ({error})") from error


def _grid(data: dict[str, Any]) -> Grid | None:
    if "grid" not in data:
        return None
    # 1 and 1.0 are one value, and must be one task
    axes = {axis: tuple(float(v) for v in values) for axis, values in data.pop("grid").items()}
    source = _build(SourcePrior, data.pop("source", {}), "source")
    return Grid(axes, source, _build(LensPrior, data.pop("lens", {}), "lens"))


def _prior(data: dict[str, Any]) -> Prior:
    _section(data, {"source", "lens"}, "prior")
    source, lens = dict(data["source"]), dict(data["lens"])
    for name in ("color_g_r", "color_r_z", "log10_n_sersic"):
        if name in source:
            source[name] = _build(Normal, source[name], f"prior.source.{name}")
    if "ellipticity" in source:
        source["ellipticity"] = _build(Rayleigh, source["ellipticity"], "prior.source.ellipticity")
    for name in ("ellipticity", "shear"):
        if name in lens:
            lens[name] = _build(Rayleigh, lens[name], f"prior.lens.{name}")
    return Prior(
        _build(SourceDistribution, source, "prior.source"), _build(LensDistribution, lens, "prior.lens")
    )


def _build(cls: type, data: dict[str, Any], where: str) -> Any:
    optional = {field.name for field in fields(cls) if field.default is not MISSING}
    return cls(**_section(data, _names(cls), where, optional))


def _tuples(data: dict[str, Any], name: str) -> dict[str, Any]:
    return {**data, name: tuple(data[name])} if name in data else data


def _names(cls: type) -> set[str]:
    return {field.name for field in fields(cls)}


def _section(
    data: dict[str, Any], wanted: set[str], where: str, optional: set[str] | None = None
) -> dict[str, Any]:
    for name in sorted(set(data) - wanted):
        raise InputError(f"unknown field {name!r} in {where}; there are: {', '.join(sorted(wanted))}")
    for name in sorted(wanted - set(data) - (optional or set())):
        raise InputError(f"field {name!r} is missing in {where}")
    return data
