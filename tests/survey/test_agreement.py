"""4b and 4c agree about every file: what 4b verified, 4c reads, whatever stamps it cuts.

Every file here has right FITS checksums, so that 4b has to find out the rest by itself.
"""

import io
import shutil

import numpy as np
import pytest
from astropy.io import fits

from survey.cache import fetch_brick
from survey.coadd import BrickReader
from survey.errors import BrickError
from survey.fitsfile import hdu_spans
from survey.layout import coadd_folder, coadd_path, sha256_path
from survey.sources import FolderSource
from survey.synthetic.codecs import coadd_bytes, with_checksums


@pytest.fixture
def brick(sky, tmp_path):
    """A release of one healthy brick without a list of sums: its folder and name."""
    name = sky.healthy[0].name
    shutil.copytree(sky.folder / coadd_folder(name), tmp_path / "sky" / coadd_folder(name))
    (tmp_path / "sky" / sha256_path(name)).unlink()
    return tmp_path / "sky", name


def pixels_of(kind, value):
    """The file with one pixel of another value."""

    def change(content):
        with fits.open(io.BytesIO(content)) as hdus:
            pixels, header = np.array(hdus[1].data), hdus[1].header
        pixels[7, 9] = value
        wcs = [f"{card}{axis}" for card in ("CTYPE", "CRVAL", "CRPIX") for axis in (1, 2)]
        kept = ("BRICKNAM", "FILTER", *wcs, "CD1_1", "CD2_2")
        return coadd_bytes(kind, pixels, {name: header[name] for name in kept})

    return change


def card(name, old, new):
    """The file with another value on a card."""

    def change(content):
        content = without_sums(content)
        at = content.index(old, content.index(name + b"= "))
        return with_checksums(content[:at] + new + content[at + len(new) :])

    return change


def without_sums(content):
    """Cards of sums under other names, so that new ones count."""
    return content.replace(b"CHECKSUM= ", b"CHECKNOT= ").replace(b"DATASUM = ", b"DATANOT = ")


def data(place, new):
    """Other bytes in the data of HDU 1, at a place that is counted from its start or (negative) its end."""

    def change(content):
        content = without_sums(content)
        span = hdu_spans(content, "x")[1]
        heap = span.data_start + int(span.cards["NAXIS1"]) * int(span.cards["NAXIS2"])
        at = (span.data_start if place < 0 else heap) + abs(place) - (place < 0)
        return with_checksums(content[:at] + new + content[at + len(new) :])

    return change


KINDS = ("image-g", "invvar-r", "psfsize-z", "maskbits")
DAMAGE = {
    "nothing": ("image-g", lambda content: content, None),
    "a pixel that is no number": ("image-g", pixels_of("image", np.nan), "corrupt"),
    "an infinite size": ("psfsize-z", pixels_of("psfsize", np.inf), "corrupt"),
    "a negative size": ("psfsize-z", pixels_of("psfsize", -1.0), "corrupt"),
    "a negative weight": ("invvar-r", pixels_of("invvar", -104.0), None),
    "a mask bit that is none": ("maskbits", card(b"MB_BAIL ", b"1024", b"1025"), "bad_layout"),
    "a tile without bytes": ("image-g", data(-1, bytes(8)), "absent_tile"),
    **{f"other bytes in {kind}": (kind, data(40, b"\xa5" * 300), ...) for kind in KINDS},
    **{f"a bit in {kind}": (kind, data(900, b"\x3c"), ...) for kind in KINDS},
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_verified_is_read(damage, brick, tmp_path):
    folder, name = brick
    file, change, expected = DAMAGE[damage]
    kind, _, band = file.partition("-")
    path = folder / coadd_path(kind, name, band or None)
    path.write_bytes(change(path.read_bytes()))
    try:
        files, found = fetch_brick(FolderSource(folder), name, tmp_path / "copy"), None
    except BrickError as error:
        files, found = [], error.reason
    assert expected in (found, ...)
    staged = {one.relative: one.path.read_bytes() for one in files}
    assert sum(one.negative_pixels for one in files) == (damage == "a negative weight")
    if found is None:
        with BrickReader(staged, name, verify=False) as reader:
            middles = np.arange(33, 450, 64)
            places = [reader.wcs.to_sky(x, y) for x in middles[:-1] for y in middles[:-1]]
            assert len(list(reader.cut_all([(float(a), float(d)) for a, d in places], 64))) == len(places)
            for coadd in reader._coadds.values():
                coadd.check()
