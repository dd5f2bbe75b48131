"""What the survey's tests share: real data where it is there, and one small synthetic sky."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from survey.bricks import Brick, brick_at
from survey.coadd import BrickReader, Cutout
from survey.errors import CutoutError
from survey.layout import PIXEL_SCALE, coadd_folder
from survey.psf import noise_equivalent_area
from survey.sky import write_sky
from survey.sources import PortalSource, open_source
from survey.synthetic.conditions import Conditions, observe
from survey.synthetic.pixels import BrickPixels, paint
from survey.synthetic.population import Population, populate
from survey.synthetic.window import primary_mask, window_wcs
from survey.synthetic.writer import FAILURES
from tests.survey.portal import HASTY, Portal


class Sky(NamedTuple):
    folder: Path
    bricks: list[Brick]

    @property
    def healthy(self) -> list[Brick]:
        return self.bricks[: -len(FAILURES)]

    def failing(self, failure: str) -> Brick:
        return self.bricks[len(self.healthy) + FAILURES.index(failure)]


PIXELS, HOSTS, SEED = 450, 5, 7


@pytest.fixture(scope="session")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Sky:
    """Eight bricks of 450 pixels: four healthy ones, and one of each failure."""
    folder = tmp_path_factory.mktemp("sky")
    bricks = write_sky(folder, 8, brick_pixels=PIXELS, seed=SEED, hosts_per_brick=HOSTS, failures=FAILURES)
    return Sky(folder, bricks)


SOUTH, NORTH = brick_at(150.1, 2.2), brick_at(180.0, 50.0)
WIDE = 900


def cut_many(
    reader: BrickReader, positions: Sequence[tuple[float, float]], n_pix: int
) -> list[Cutout | CutoutError]:
    """Stamps in the order of their positions."""
    found = dict(reader.cut_all(positions, n_pix))
    return [found[index] for index in range(len(positions))]


def point_source_depth(invvar: float, psfsize: float) -> float:
    """5-sigma depth (AB) of a point source, from a pixel's 1/nmgy^2 and psfsize in arcsec."""
    return 22.5 - 2.5 * math.log10(5 * math.sqrt(noise_equivalent_area(psfsize) / PIXEL_SCALE**2 / invvar))


class Made(NamedTuple):
    brick: Brick
    conditions: Conditions
    sources: Population
    pixels: BrickPixels
    primary: np.ndarray


def make(brick: Brick, pixels: int, seed: int = 3) -> Made:
    primary = primary_mask(brick, window_wcs(brick, pixels, seed), pixels)
    conditions = observe(brick, primary.shape, seed)
    sources = populate(brick, conditions, primary, 12, seed)
    return Made(brick, conditions, sources, paint(brick, conditions, sources, primary, seed), primary)


@pytest.fixture(scope="module", params=["south", "north"])
def made(request) -> Made:
    return make(SOUTH if request.param == "south" else NORTH, WIDE)


@pytest.fixture
def release(sky, tmp_path) -> tuple[Path, str]:
    """A release of one healthy brick that may be damaged."""
    brick = sky.healthy[0].name
    folder = tmp_path / "release"
    shutil.copytree(sky.folder / coadd_folder(brick), folder / coadd_folder(brick))
    return folder, brick


@pytest.fixture
def portal(release):
    with Portal(release[0]) as running:
        yield running


@pytest.fixture
def source(portal) -> PortalSource:
    opened = open_source(portal.address, manners=HASTY)
    assert isinstance(opened, PortalSource)
    return opened
