"""Skies of images alone: what is made for them gives way to what their owner puts there."""

import numpy as np
import pytest
from astropy.io import fits

from survey.layout import BANDS, MASK_KIND, coadd_path
from survey.plain import complete_sky, listing
from survey.synthetic.codecs import coadd_bytes

BRICK, SIZES = "0591m305", (1.3, 1.2, 1.1)
MASK = coadd_path(MASK_KIND, BRICK)


def put_images(sky, side: int) -> None:
    for band in BANDS:
        for kind in ("image", "invvar"):
            path = sky / coadd_path(kind, BRICK, band)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(coadd_bytes(kind, np.ones((side, side), np.float32), {"BRICKNAM": BRICK}))


@pytest.fixture
def images(tmp_path):
    put_images(tmp_path / "images", 120)
    return tmp_path / "images"


def complete(images, target) -> None:
    complete_sky(images, target, [BRICK], lambda _: SIZES)


def test_what_is_made_is_kept_until_the_source_has_it(images, tmp_path):
    sky = tmp_path / "sky"
    complete(images, sky)
    made = {path: path.stat().st_mtime_ns for path in sky.rglob("*psfsize*")}
    assert [fits.getdata(path, 1).shape for path in made] == [(120, 120)] * 3
    assert not (sky / MASK).is_symlink()
    (images / MASK).write_bytes(b"the survey's")
    for _ in range(2):
        complete(images, sky)
        assert (sky / MASK).read_bytes() == b"the survey's"
    assert {path: path.stat().st_mtime_ns for path in sky.rglob("*psfsize*")} == made
    (images / MASK).unlink()
    complete(images, sky)
    assert not fits.getdata(sky / MASK, 1).any()


def test_a_listing_tells_of_every_change(images):
    seen = [listing(images, [BRICK])]
    put_images(images, 130)
    seen.append(listing(images, [BRICK]))
    (images / MASK).write_bytes(b"")
    seen.append(listing(images, [BRICK]))
    assert seen[0] != seen[1] != seen[2]
    assert listing(images, [BRICK, "0001p000"]) == seen[2]
