"""From what a person gives as a sky to what an execution needs: an address and a host catalogue."""

from __future__ import annotations

import hashlib
import itertools
import json
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from astropy.utils.exceptions import AstropyWarning

from cli.defaults import SKY_SEED, SYNTHETIC
from cli.output import note
from cli.workspace import Workspace
from pipeline.errors import InputError
from pipeline.parquet import to_bytes
from pipeline.progress import Progress
from pipeline.tier import Tier
from survey.errors import SurveyError
from survey.host_files import hosts_by_group
from survey.hosts import select_hosts
from survey.layout import RELEASES
from survey.plain import complete_sky, listing
from survey.sky import FORMAT, write_sky
from survey.sources import open_source
from survey.synthetic.writer import FAILURES
from survey.tractors import tractor_files


def failure_names(text: str) -> tuple[str, ...]:
    """The failures that a person asks for: names between commas, or `all`."""
    return tuple(FAILURES) if text == "all" else tuple(name for name in text.split(",") if name)


def check_brick_pixels(brick_pixels: int) -> None:
    if not 400 <= brick_pixels <= 3600:
        raise InputError(f"--brick-pixels {brick_pixels}: give 400 to 3600")


def synthesize_sky(
    folder: Path, n_bricks: int, brick_pixels: int, seed: int = SKY_SEED, failures: tuple[str, ...] = ()
) -> Path:
    """Write synthetic bricks into a folder; bricks that are there and whole are kept."""
    unknown = sorted(set(failures) - set(FAILURES))
    if unknown:
        raise InputError(f"--failures {unknown[0]!r}: unknown; there are: {', '.join(FAILURES)}")
    if n_bricks < max(1, len(failures)):
        raise InputError(f"--bricks {n_bricks}: give at least {max(1, len(failures))}")
    check_brick_pixels(brick_pixels)
    progress = Progress(f"sky {folder}", n_bricks, "bricks")
    write_sky(
        folder,
        n_bricks,
        brick_pixels=brick_pixels,
        seed=seed,
        failures=failures,
        progress=lambda *_: progress.advance(),
        workers=2,
    )
    return folder


def address_of(sky: str, tier: Tier, workspace: Workspace, brick_pixels: int) -> str:
    """The sky's address; `synthetic` is written first, into the workspace, once."""
    if sky == SYNTHETIC:
        folder = workspace.root / "sky" / f"synthetic-{tier.n_bricks}x{brick_pixels}px-v{FORMAT}"
        return synthesize_sky(folder, tier.n_bricks, brick_pixels).resolve().as_uri()
    sky = RELEASES.get(sky, sky)
    if "://" in sky:
        try:
            open_source(sky)  # refuses an address that nothing can be read from
        except SurveyError as error:
            raise InputError(f"--sky {error}") from error
        return sky
    folder = Path(sky)
    if not sky or not folder.is_dir():
        names = ", ".join((SYNTHETIC, *RELEASES))
        raise InputError(
            f"--sky {sky}: no such folder; give a folder in the survey's layout, s3://bucket/prefix, "
            f"https://host/folder, or one of {names}"
        )
    return folder.resolve().as_uri()


def mirror(sky_address: str, bricks: list[str], workspace: Workspace) -> str:
    """The address of a local copy of some bricks of a bucket; other skies are reached as they are.

    The embedded cloud answers for every bucket, so its tasks cannot reach a real one.
    """
    if not sky_address.startswith("s3://"):
        return sky_address
    source = open_source(sky_address)
    folder = workspace.root / "sky" / sky_address.removeprefix("s3://").strip("/").replace("/", "-")
    progress = Progress(f"copying {sky_address}", len(bricks), "bricks")
    for brick in bricks:
        for name in sorted(source.list_brick(brick)):
            target = folder / name
            if not target.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                part = target.with_name(target.name + ".part")
                source.copy_to(name, part)
                part.replace(target)
        progress.advance()
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve().as_uri()


def check_psf(psf: str, sky: str, tier: Tier) -> None:
    """InputError for a --psf that cannot be, or for a sky that it is not for."""
    from pipeline.given_psf import psfsize_of_bricks

    if not Path(sky).is_dir():
        raise InputError(f"--psf {psf}: is for a folder of images; --sky {sky} is none")
    psfsize_of_bricks(psf, tier)


def with_psf(sky: Path, bricks: list[str], psf: str, tier: Tier, workspace: Workspace) -> str:
    """The address of a sky of links to some bricks of a folder, with the PSF sizes that --psf gives."""
    from pipeline.given_psf import psfsize_of_bricks

    psfsize_of = psfsize_of_bricks(psf, tier)
    given = {brick: psfsize_of(brick) for brick in bricks}
    state = [str(sky.resolve()), given, listing(sky, bricks)]
    name = hashlib.sha256(json.dumps(state).encode()).hexdigest()[:12]
    folder = workspace.root / "sky" / f"given-psf-{name}"
    note(f"PSF of {len(bricks):,} bricks: as given by --psf; no map of the survey's stands behind it")
    complete_sky(sky, folder, bricks, given.__getitem__)
    return folder.resolve().as_uri()


def given_hosts(path: Path, joined: Path) -> Path:
    """A host catalogue's file: as it is given, or `joined`, to which a folder's hosts are written."""
    if not path.is_dir():
        return path
    parts = hosts_by_group(path)
    first = next(parts).replace_schema_metadata(None)
    with pq.ParquetWriter(joined, first.schema, compression="zstd") as writer:
        for part in itertools.chain([first], parts):
            writer.write_table(part.cast(first.schema))
    return joined


def host_catalogue(sky_address: str) -> bytes:
    """The LRG-like hosts of a sky, from its tractor files, as the bytes of a Parquet catalogue."""
    source = open_source(sky_address)
    with tractor_files(source) as paths:
        if not paths:
            raise InputError(f"--sky {sky_address}: holds no tractor files, so no hosts; give one that does")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # what it warns of, our error says in one line
            hosts: pa.Table = select_hosts(paths)
    if not len(hosts):
        raise InputError(f"--sky {sky_address}: no galaxy of its {len(paths)} tractor files is a host")
    note(f"hosts: {len(hosts):,} in {len(paths):,} bricks")
    return to_bytes(hosts.replace_schema_metadata(None))
