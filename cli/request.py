"""From the options that `run`, `plan` and `cache` share to a run's request and its host catalogue."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import defaults, output
from cli import workspace as workspaces
from cli.workspace import Workspace
from pipeline.errors import InputError
from pipeline.events import STAGING, RunRequest
from pipeline.storage import check_run_id, hosts_key

if TYPE_CHECKING:
    from pipeline.tier import Tier

_UNNAMED = "unnamed"


def sky_options(command: Any) -> Any:
    """The options that say which sky and which hosts."""
    for option in (
        click.option("--bricks", type=click.IntRange(min=1), help="Bricks, instead of the tier's number."),
        click.option("--sky", default=defaults.SYNTHETIC, show_default=True,
                     help="synthetic; dr9-north, dr9-south, dr10-south: the survey's portal; or a folder, "
                     "s3://bucket/prefix or https://host/folder in the survey's layout."),
        click.option("--psf", help="FWHM in arcsec (or three: g,r,z; or a CSV of brickname, fwhm_g, fwhm_r, "
                     "fwhm_z), for a folder of images without psfsize maps; the gate warns of it."),
        click.option("--brick-pixels", type=int, default=defaults.BRICK_PIXELS, show_default=True,
                     help=defaults.BRICK_PIXELS_HELP),
        click.option("--hosts", type=click.Path(path_type=Path),
                     help="Host catalogue (a Parquet file, or a folder of `darkhalo hosts`), instead of a "
                     "selection from the sky's tractor files."),
        workspaces.option,
        output.json_option,
    ):  # fmt: skip
        command = option(command)
    return command


staging_option: Callable[[Any], Any] = click.option(
    "--staging", type=click.Choice(STAGING), default=STAGING[0], show_default=True,
    help="auto: over a network, only the tiles that the stamps touch where that halves the cost; whole: "
    "whole files, each compared with the survey's hash; ranges: tiles wherever that is cheaper at all.",
)  # fmt: skip


@dataclass(frozen=True)
class SkyAsked:
    """The options of `sky_options` as they were given. psf: that of images without psfsize maps, or None."""

    sky: str
    brick_pixels: int
    hosts: Path | None
    psf: str | None


@dataclass(frozen=True)
class Chosen:
    """A tier as asked for. settings: what the request must carry of a tier that is not the package's."""

    tier: Tier
    settings: str | None
    bricks: int | None


def tier_named(name: str, bricks: int | None) -> Chosen:
    """The tier of that name or file, cut to `bricks`; InputError for one that cannot be."""
    from pipeline.manifest import tier_of
    from pipeline.tier import load_tier

    own = load_tier(name)
    settings = json.dumps(own.settings(), separators=(",", ":")) if name.endswith(".toml") else None
    asked = RunRequest(own.name, _UNNAMED, "-", "-", bricks, settings=settings)
    return Chosen(tier_of(asked), settings, bricks)


@dataclass(frozen=True)
class Prepared:
    """The sky's address and the file of the host catalogue."""

    chosen: Chosen
    address: str
    catalogue: Path
    sha256: str

    def request(self, run_id: str | None, staging: str = STAGING[0]) -> RunRequest:
        """The request; without an id it is named by tier and configuration.

        staging: one of STAGING; the default is left unsaid.
        """
        from pipeline.manifest import config_hash

        tier, key = self.chosen.tier, hosts_key(self.sha256)
        asked = RunRequest(
            tier.name, _UNNAMED, key, self.address, self.chosen.bricks,
            None if staging == STAGING[0] else staging, self.chosen.settings,
        )  # fmt: skip
        name = f"{tier.name.replace('_', '-')}-{config_hash(tier, asked)[:8]}"
        return replace(asked, run_id=check_run_id(run_id or name))


def refuse(chosen: Chosen, asked: SkyAsked, where: Workspace) -> None:
    """InputError for a sky, hosts or PSF that cannot be; nothing is made or fetched for it."""
    from cli import skies

    hosts, synthetic = asked.hosts, asked.sky == defaults.SYNTHETIC
    if hosts is not None and not hosts.exists():
        raise click.BadParameter(f"{hosts}: no such file; give a Parquet catalogue", param_hint="--hosts")
    if hosts is not None and synthetic:
        raise InputError(f"--hosts {hosts}: a synthetic sky cannot hold them; give their sky with --sky")
    if synthetic:
        skies.check_brick_pixels(asked.brick_pixels)
    if asked.psf is not None:
        skies.check_psf(asked.psf, asked.sky, chosen.tier)
    elif not synthetic:
        skies.address_of(asked.sky, chosen.tier, where, asked.brick_pixels)


@contextmanager
def prepare(chosen: Chosen, asked: SkyAsked, where: Workspace) -> Iterator[Prepared]:
    """Make or find the sky and its hosts; a catalogue that cannot carry the tier is refused here."""
    from cli import skies
    from pipeline.hosts import HostCatalogue
    from pipeline.manifest import lay_out
    from pipeline.store import sha256_of

    refuse(chosen, asked, where)
    address = skies.address_of(asked.sky, chosen.tier, where, asked.brick_pixels)
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "hosts.parquet"
        if asked.hosts is not None:
            path = skies.given_hosts(asked.hosts, own)
        else:
            path = own
            path.write_bytes(skies.host_catalogue(address))
        index, choice, _ = lay_out(HostCatalogue(path, str(asked.hosts or address)), chosen.tier)
        bricks = [brick.name for brick, split in zip(index.bricks, choice.splits, strict=True) if split >= 0]
        with path.open("rb") as file:
            sha256 = sha256_of(file)
        if asked.psf is not None:
            address = skies.with_psf(Path(asked.sky), bricks, asked.psf, chosen.tier, where)
        yield Prepared(chosen, skies.mirror(address, bricks, where), path, sha256)
