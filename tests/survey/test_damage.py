"""Good files damaged in every way we know of: each is caught, named by file and reason, and not cached.

Most of the files carry no checksums here and stand on no list of sums (as in older releases), so that it is
the file's content that must be found out. Catalogues are damaged in test_hosts.py.
"""

import gzip
import hashlib
import re
import shutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from astropy.io import fits

from pipeline.staging import cache_brick
from pipeline.store import FolderStore
from survey.cache import fetch_brick
from survey.errors import BRICK_REASONS, BrickError
from survey.fitsfile import hdu_spans
from survey.layout import brick_files, coadd_folder, coadd_path, sha256_path
from survey.openfile import open_coadd
from survey.sources import FolderSource, open_source
from survey.synthetic.codecs import coadd_bytes
from tests.survey.portal import HASTY, Portal

Change = Callable[[bytes], bytes]
IMAGE, INVVAR, PSFSIZE, MASK = ("image", "g"), ("invvar", "r"), ("psfsize", "z"), ("maskbits", None)


class Release(NamedTuple):
    folder: Path
    brick: str
    other: str

    def path(self, kind: str, band: str | None) -> Path:
        return self.folder / coadd_path(kind, self.brick, band)


@pytest.fixture
def release(sky, tmp_path) -> Release:
    """A release of one healthy brick without a list of sums."""
    brick, other = sky.healthy[0].name, sky.healthy[1].name
    folder = tmp_path / "release"
    shutil.copytree(sky.folder / coadd_folder(brick), folder / coadd_folder(brick))
    (folder / sha256_path(brick)).unlink()
    return Release(folder, brick, other)


def without_sums(content: bytes) -> bytes:
    """The file as releases without checksums have it: the cards are renamed."""
    return content.replace(b"CHECKSUM= ", b"CHECKNOT= ").replace(b"DATASUM = ", b"DATANOT = ")


def with_card(name: str, value: str | None) -> Change:
    """A card of HDU 1 with another value (None: under another name), and no checksums."""

    def change(content: bytes) -> bytes:
        content = without_sums(content)
        start = hdu_spans(content, "x")[1].start
        at = content.index(f"{name:8}=".encode(), start)
        card = f"{name:8}= {value:>20}" if value is not None else "COMMENT   gone"
        return content[:at] + card.ljust(80).encode() + content[at + 80 :]

    return change


def cut(share: float | None = None, size: int | None = None) -> Change:
    """The first bytes alone: a share of the file, or so many (from its end if negative)."""
    return lambda content: content[: size if share is None else int(share * len(content))]


def in_data(offset: int, new: bytes, sums: bool = False) -> Change:
    """Other bytes so far into the data of HDU 1."""

    def change(content: bytes) -> bytes:
        content = content if sums else without_sums(content)
        at = hdu_spans(content, "x")[1].data_start + offset
        return content[:at] + new + content[at + len(new) :]

    return change


def flip_header(content: bytes) -> bytes:
    at = content.index(b"BRICKDEC=") + 20
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def plain_image(content: bytes) -> bytes:
    """The same pixels, not compressed."""
    return _rewritten(content, lambda hdu: fits.ImageHDU(np.asarray(hdu.data), hdu.header))


def plain_table(_: bytes) -> bytes:
    return _written(fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.zeros(9))]))


def smaller(content: bytes) -> bytes:
    """A coadd of other shape with the same projection."""

    def rewrite(hdu):
        header = {k: hdu.header[k] for k in ("BRICKNAM", "FILTER", "CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2",
                                             "CRPIX1", "CRPIX2", "CD1_1", "CD2_2")}  # fmt: skip
        return coadd_bytes("image", np.asarray(hdu.data)[:400, :400], header)

    return _rewritten(content, rewrite)


def _rewritten(content: bytes, rewrite) -> bytes:
    with fits.open(_stream(content)) as hdus:
        made = rewrite(hdus[1])
    return made if isinstance(made, bytes) else _written(made)


def _stream(content: bytes):
    import io

    return io.BytesIO(content)


def _written(hdu) -> bytes:
    stream = _stream(b"")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(stream)
    return stream.getvalue()


def larger_tile(content: bytes) -> bytes:
    """An HCOMPRESS stream that says it holds more pixels than its tile: cfitsio would write them all."""
    at = content.index(b"\xdd\x99") + 2
    content = without_sums(content)
    return content[:at] + struct.pack(">2i", 110, 110) + content[at + 8 :]


PAGE = b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
DAMAGE: dict[str, tuple[tuple[str, str | None], Change, str]] = {
    # cut short
    "empty": (IMAGE, cut(size=0), "truncated"),
    "ends in the first header": (IMAGE, cut(size=1000), "truncated"),
    "ends after the first HDU": (INVVAR, cut(size=2880), "truncated"),
    "ends in the second header": (IMAGE, cut(size=4000), "truncated"),
    "ends in the table of tiles": (INVVAR, cut(size=9500), "truncated"),
    "half of it": (IMAGE, cut(0.5), "truncated"),
    "last block missing": (PSFSIZE, cut(size=-2880), "truncated"),
    "last byte missing": (MASK, cut(size=-1), "truncated"),
    "one byte too many": (IMAGE, lambda content: content + b"\0", "truncated"),
    "twice the file": (IMAGE, lambda content: content + content[2880:5000], "truncated"),
    # other bytes
    "a bit of the pixels": (IMAGE, in_data(20_000, b"\x55", sums=True), "corrupt"),
    "a bit of the header": (INVVAR, flip_header, "corrupt"),
    "a hole of zeros": (IMAGE, in_data(15_000, bytes(4096), sums=True), "corrupt"),
    "a tile outside the file": (IMAGE, in_data(0, b"\x7f\xff\xff\xff\x7f\xff\xff\xff"), "corrupt"),
    "a tile of negative length": (INVVAR, in_data(0, b"\xff\xff\xff\x00"), "corrupt"),
    "a web page": (IMAGE, lambda _: PAGE, "corrupt"),
    "an error in JSON": (MASK, lambda _: b'{"error": "quota"}', "corrupt"),
    "compressed once more": (PSFSIZE, gzip.compress, "corrupt"),
    "shifted by a byte": (IMAGE, lambda content: b"\0" + content, "corrupt"),
    "no number where one must be": (IMAGE, with_card("NAXIS2", "'many'"), "corrupt"),
    "another number of tiles": (INVVAR, with_card("ZTILE1", "50"), "corrupt"),
    "columns of an unknown form": (IMAGE, with_card("TFORM1", "'1?B'"), "corrupt"),
    "a header of negative size": (IMAGE, with_card("NAXIS1", "-2880"), "corrupt"),
    "fewer than no parameters": (INVVAR, with_card("PCOUNT", "-99999999"), "corrupt"),
    "a larger tile than stated": (MASK, larger_tile, "corrupt"),
    "blocks of no pixel": (IMAGE, with_card("ZVAL1", "0"), "bad_layout"),
    "a dither before the first": (IMAGE, with_card("ZDITHER0", "-5000"), "bad_layout"),
    # not the layout of a coadd
    "not compressed": (IMAGE, plain_image, "bad_layout"),
    "a table": (INVVAR, plain_table, "bad_layout"),
    "a cube": (IMAGE, with_card("ZNAXIS", "3"), "bad_layout"),
    "an unknown compression": (IMAGE, with_card("ZCMPTYPE", "'NOCODEC '"), "bad_layout"),
    # another place on the sky
    "another projection": (IMAGE, with_card("CTYPE1", "'RA---SIN'"), "bad_wcs"),
    "another pixel scale": (INVVAR, with_card("CD2_2", "7.5E-05"), "bad_wcs"),
    "east to the right": (MASK, with_card("CD1_1", "7.27777777777778E-05"), "bad_wcs"),
    "rotated": (IMAGE, with_card("CD1_2", "1.0E-05"), "bad_wcs"),
    "no reference point": (PSFSIZE, with_card("CRVAL2", None), "bad_wcs"),
    "an arcsecond off": (IMAGE, with_card("CRVAL1", "42.80027777777778"), "bad_wcs"),
    "a pixel off": (INVVAR, with_card("CRPIX2", "1801.5"), "bad_wcs"),
    "no number for a position": (IMAGE, with_card("CRVAL1", "'here'"), "bad_wcs"),
    # other pixels
    "another shape": (IMAGE, smaller, "wrong_shape"),
    # other units
    "counts for nanomaggies": (IMAGE, with_card("BUNIT", "'adu'"), "wrong_unit"),
    "sigma for inverse variance": (INVVAR, with_card("BUNIT", "'nanomaggy'"), "wrong_unit"),
    "pixels for arcseconds": (PSFSIZE, with_card("BUNIT", "'pixel'"), "wrong_unit"),
    # a good file, but of something else
    "another band by its header": (IMAGE, with_card("FILTER", "'z DECam'"), "wrong_file"),
    "a model for the image": (IMAGE, with_card("IMTYPE", "'model'"), "wrong_file"),
    "another brick by its header": (MASK, with_card("BRICKNAM", "'0001p020'"), "wrong_file"),
}


def staged(release: Release, store: FolderStore, source=None) -> dict[str, object]:
    record = cache_brick(store, source or FolderSource(release.folder), release.brick)
    if "reason" in record:
        assert record.pop("message").endswith(f"[{record['reason']}]")
        assert not [path for path in store.root.rglob("*") if path.is_file()], "something was cached"
    return record


@pytest.fixture
def store(tmp_path) -> FolderStore:
    (tmp_path / "bucket").mkdir()
    return FolderStore(tmp_path / "bucket")


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_caught_named_and_not_cached(name, release, store, tmp_path):
    (kind, band), change, reason = DAMAGE[name]
    path = release.path(kind, band)
    good = path.read_bytes()
    path.write_bytes(change(good))
    assert path.read_bytes() != good
    assert staged(release, store) == {"reason": reason, "file": path.name}
    with pytest.raises(BrickError) as caught:
        fetch_brick(FolderSource(release.folder), release.brick, tmp_path / "copy")
    assert str(caught.value).startswith(f"{path}: ")
    assert caught.value.reason in BRICK_REASONS
    if reason not in ("wrong_shape", "bad_wcs"):  # these may show only beside the other files of the brick
        assert not (tmp_path / "copy" / path.relative_to(release.folder)).exists()


@pytest.mark.parametrize("one", [IMAGE, INVVAR, PSFSIZE])
def test_bands_that_were_swapped(one, release, store):
    kind, band = one
    other = next(b for b in "grz" if b != band)
    first, second = release.path(kind, band), release.path(kind, other)
    ours, theirs = first.read_bytes(), second.read_bytes()
    first.write_bytes(theirs)
    second.write_bytes(ours)
    record = staged(release, store)
    assert record["reason"] == "wrong_file"
    assert record["file"] in (first.name, second.name)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (("image", "r"), ("psfsize", "r"), "wrong_unit"),
        (("psfsize", "r"), ("invvar", "r"), "wrong_unit"),
        (("image", "r"), ("maskbits", None), "wrong_file"),
        (("maskbits", None), ("image", "r"), "wrong_file"),
    ],
)
def test_a_file_of_another_kind(name, content, reason, release, store):
    path = release.path(*name)
    shutil.copyfile(release.path(*content), path)
    assert staged(release, store) == {"reason": reason, "file": path.name}


@pytest.mark.parametrize("one", [IMAGE, MASK])
def test_a_file_of_another_brick(one, sky, release, store):
    path = release.path(*one)
    shutil.copyfile(sky.folder / coadd_path(one[0], release.other, one[1]), path)
    assert staged(release, store) == {"reason": "wrong_file", "file": path.name}


@pytest.mark.parametrize("one", [IMAGE, INVVAR, PSFSIZE, MASK])
def test_a_file_that_is_absent(one, release, store):
    path = release.path(*one)
    path.unlink()
    assert staged(release, store) == {"reason": "missing_file", "file": path.name}


def test_a_brick_that_is_absent(release, store):
    shutil.rmtree(release.folder / coadd_folder(release.brick))
    assert staged(release, store)["reason"] == "not_found"


def sums_of(release: Release, change: Callable[[str], str]) -> None:
    """A list of sums, changed."""
    paths = [release.folder / relative for relative in brick_files(release.brick)]
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths]
    (release.folder / sha256_path(release.brick)).write_text(change("".join(lines)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: re.sub("^.{8}", "0" * 8, text), "hash_mismatch"),  # stale
        (lambda text: text.replace("image-g", "image-x").replace("image-r", "image-g"), "hash_mismatch"),
        (lambda text: text[:-100], "corrupt"),  # ends in a sum
        (lambda text: PAGE.decode(), "corrupt"),
        (lambda text: re.sub("^.", "x", text), "corrupt"),
        (lambda text: text.replace("  ", "", 1), "corrupt"),
        (lambda text: text + "\n" * (1 << 20), "corrupt"),  # larger than any list
    ],
)
def test_a_list_of_sums_that_is_wrong(change, reason, release, store):
    sums_of(release, lambda text: text)
    assert "files" in staged(release, FolderStore(store.root.parent / "good"))
    sums_of(release, change)
    assert staged(release, store)["reason"] == reason


@pytest.mark.parametrize("fault", ["page", "nameless_page", "short"])
def test_a_portal_that_lies_every_time(fault, release, store):
    with Portal(release.folder) as portal:
        portal.fail_with = lambda method, path, number: fault if "image-g" in path else None
        record = staged(release, store, open_source(portal.address, manners=HASTY))
    expected = "truncated" if fault == "short" else "web_page"
    assert record == {"reason": expected, "file": release.path(*IMAGE).name}


JUNK = ("'junk'", "-1", "0", "3", "1E400", "99999999", "999999999999999999999", "NaN", "T", "")


@pytest.mark.parametrize("one", [IMAGE, PSFSIZE, MASK])
def test_whatever_a_card_says_the_file_is_read_or_refused(one, release):
    """No other error, no endless loop, and no memory by the size that a card announces."""
    good = without_sums(release.path(*one).read_bytes())
    refused = 0
    tracemalloc.start()
    for name in hdu_spans(good, "x")[1].cards:
        for value in JUNK:
            try:
                coadd = open_coadd(with_card(name, value)(good), one[0], "x", verify=False)
                for tile in coadd.tiles_of((0, 2, 0, 2)):
                    coadd.tile(tile)
            except BrickError:
                refused += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused > 200
    assert peak < 20 * len(good) + 30_000_000


@pytest.mark.parametrize(("width", "tile"), [(40_960, 8192), (20_480, 4096), (8000, 1600)])
def test_tiles_and_images_larger_than_any_are_refused_by_their_header(width, tile, release):
    """Five tiles across, as in the file: only their size is wrong."""
    content = with_card("ZTILE1", str(tile))(
        with_card("ZNAXIS1", str(width))(release.path(*IMAGE).read_bytes())
    )
    content = with_card("ZTILE2", str(tile))(with_card("ZNAXIS2", str(width))(content))
    if width > 8192:
        with pytest.raises(BrickError, match="for an image of .* larger than any of the survey"):
            open_coadd(content, "image", "x", verify=False)
    else:
        assert open_coadd(content, "image", "x", verify=False).shape == (width, width)


def test_a_tile_that_unpacks_to_more_than_its_pixels(release, store):
    """A gzip stream of a thousandth of what it holds."""
    path = release.path(*PSFSIZE)
    content = without_sums(path.read_bytes())
    bomb = gzip.compress(bytes(300_000_000), 1)
    span = hdu_spans(content, "x")[1]
    table = int(span.cards["NAXIS1"]) * int(span.cards["NAXIS2"])
    data = bytearray(content[span.data_start : span.data_start + table]) + bomb
    data[:8] = struct.pack(">2i", len(bomb), 0)
    cards = content[span.start : span.data_start].decode()
    cards = re.sub(r"PCOUNT  =.{71}", f"PCOUNT  = {len(bomb):20d}".ljust(80), cards)
    path.write_bytes(content[: span.start] + cards.encode() + data.ljust(-(-len(data) // 2880) * 2880, b"\0"))
    tracemalloc.start()
    assert staged(release, store) == {"reason": "corrupt", "file": path.name}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000


@pytest.mark.parametrize("one", [IMAGE, INVVAR, PSFSIZE, MASK])
@pytest.mark.parametrize("junk", [b"\xff", b"\x00"])
def test_tiles_that_no_checksum_vouches_for(one, junk, release, store):
    path = release.path(*one)
    content = without_sums(path.read_bytes())
    span = hdu_spans(content, "x")[1]
    heap = span.data_start + int(span.cards["NAXIS1"]) * int(span.cards["NAXIS2"])
    path.write_bytes(content[:heap] + junk * (span.end - heap) + content[span.end :])
    assert staged(release, store) == {"reason": "corrupt", "file": path.name}


def test_the_undamaged_brick_is_cached(release, store):
    for relative in brick_files(release.brick):
        path = release.folder / relative
        path.write_bytes(without_sums(path.read_bytes()))
    record = staged(release, store)
    assert [file["verified"] for file in record["files"].values()] == ["fits"] * 10
