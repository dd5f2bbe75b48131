"""Make one synthetic brick and put its files in place, whole or not at all."""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from survey.bricks import Brick
from survey.layout import BANDS, coadd_folder, coadd_path, sha256_path, tractor_path
from survey.maskbits import MASK_BITS
from survey.synthetic.codecs import coadd_bytes, coadd_header, maskbits_bytes, table_bytes
from survey.synthetic.conditions import observe
from survey.synthetic.footprint import is_north
from survey.synthetic.pixels import BrickPixels, paint
from survey.synthetic.population import populate
from survey.synthetic.tractor import tractor_columns
from survey.synthetic.window import primary_mask, window_wcs

FAILURES = ("half_covered", "missing_band", "truncated", "bailout")
"""half_covered: half of the image has no data in any band. missing_band: no r files. truncated: the r image
is cut short after its hash was taken. bailout: the survey gave up on most of the brick."""

MISSING_BAND = "r"
_KEPT_OF_TRUNCATED = 0.6
_BAILOUT_SHARE = 0.8
_COVERED_SHARE = {"g": 0.50, "r": 0.48, "z": 0.53}


@dataclass(frozen=True)
class BrickPlan:
    """All that decides the bytes of a brick.

    Attributes
    ----------
    brick : Brick
        Which.
    pixels : int
        Width of its images.
    hosts : int
        Planted hosts.
    seed : int
        The sky's seed.
    failure : str or None
        One of `FAILURES`.
    """

    brick: Brick
    pixels: int
    hosts: int
    seed: int
    failure: str | None = None


def is_complete(folder: Path, brick: str) -> bool:
    """Say whether a brick was written to its end."""
    return (folder / sha256_path(brick)).is_file() and (folder / tractor_path(brick)).is_file()


def remove_brick(folder: Path, brick: str) -> None:
    """Remove a brick's files; the catalogue, which marks it complete, goes first."""
    (folder / tractor_path(brick)).unlink(missing_ok=True)
    shutil.rmtree(folder / coadd_folder(brick), ignore_errors=True)


def write_brick(folder: Path, plan: BrickPlan) -> None:
    """Make a brick and move it into place; the catalogue goes last and marks it complete. What a full disk
    stops is taken away.

    Parameters
    ----------
    folder : Path
        Root of the sky.
    plan : BrickPlan
        What to make.
    """
    name = plan.brick.name
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".writing-{name}-") as scratch:
        for relative, content in brick_contents(plan).items():
            path = Path(scratch) / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        remove_brick(folder, name)
        for relative in (coadd_folder(name), tractor_path(name)):
            (folder / relative).parent.mkdir(parents=True, exist_ok=True)
            (Path(scratch) / relative).rename(folder / relative)


def brick_contents(plan: BrickPlan) -> dict[str, bytes]:
    """Make a brick's files: relative path -> content. The same plan gives the same bytes.

    Parameters
    ----------
    plan : BrickPlan
        What to make.
    """
    brick, shape = plan.brick, (plan.pixels, plan.pixels)
    wcs = window_wcs(brick, plan.pixels, plan.seed)
    primary = primary_mask(brick, wcs, plan.pixels)
    conditions = observe(brick, shape, plan.seed)
    sources = populate(brick, conditions, primary, plan.hosts, plan.seed)
    pixels = paint(brick, conditions, sources, primary, plan.seed)
    release = _release(brick)
    mask_type = np.int32 if release == 10000 else np.int16
    mask = pixels.maskbits.astype(mask_type)
    columns = tractor_columns(brick, wcs, conditions, sources, mask, release, plan.seed)
    _spoil_pixels(pixels, plan.failure)
    header = coadd_header(brick, wcs, release, conditions.north)
    coadds = {}
    for number, band in enumerate(BANDS):
        dither = 1 + (brick.brickid * len(BANDS) + number) % 10000
        for kind, planes in (("image", pixels.image), ("invvar", pixels.invvar), ("psfsize", pixels.psfsize)):
            cards = {**header, "FILTER": band}
            coadds[coadd_path(kind, brick.name, band)] = coadd_bytes(kind, planes[band], cards, dither)
    mask_content = maskbits_bytes(pixels.maskbits.astype(mask_type), pixels.wise, header)
    coadds[coadd_path("maskbits", brick.name)] = mask_content
    return _spoil_files(coadds, brick.name, plan.failure) | {tractor_path(brick.name): table_bytes(columns)}


def _release(brick: Brick) -> int:
    """Releases alternate in the south, so that both types of maskbits occur; the north ended with DR9."""
    if is_north(brick):
        return 9011
    return 10000 if brick.brickid % 2 else 9010


def _spoil_pixels(pixels: BrickPixels, failure: str | None) -> None:
    rows, columns = pixels.maskbits.shape
    if failure == "half_covered":
        for band in BANDS:
            first = int(_COVERED_SHARE[band] * columns)
            for planes in (pixels.image, pixels.invvar, pixels.psfsize):
                planes[band][:, first:] = 0.0
    if failure == "bailout":
        pixels.maskbits[: int(_BAILOUT_SHARE * rows)] |= 1 << MASK_BITS["BAILOUT"]


def _spoil_files(coadds: dict[str, bytes], brick: str, failure: str | None) -> dict[str, bytes]:
    if failure == "missing_band":
        gone = {coadd_path(kind, brick, MISSING_BAND) for kind in ("image", "invvar", "psfsize")}
        coadds = {path: content for path, content in coadds.items() if path not in gone}
    files = {**coadds, sha256_path(brick): _sha256_list(coadds)}
    if failure == "truncated":
        path = coadd_path("image", brick, "r")
        files[path] = files[path][: int(_KEPT_OF_TRUNCATED * len(files[path]))]
    return files


def _sha256_list(coadds: dict[str, bytes]) -> bytes:
    lines = [
        f"{hashlib.sha256(content).hexdigest()}  {path.rsplit('/', 1)[1]}\n"
        for path, content in sorted(coadds.items())
    ]
    return "".join(lines).encode("ascii")
