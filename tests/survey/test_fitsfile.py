import fitsio
import numpy as np
import pytest
from astropy.io import fits

from survey.errors import BrickError
from survey.fitsfile import check_content
from survey.layout import brick_files, tractor_path
from survey.synthetic.codecs import table_bytes


@pytest.fixture
def content() -> bytes:
    return table_bytes({"x": np.arange(5000, dtype=np.float32), "name": np.full(5000, b"0591m305")})


def test_files_of_the_synthetic_sky_pass_and_other_libraries_agree_with_their_checksums(sky):
    brick = sky.bricks[0].name
    for relative in [*brick_files(brick), tractor_path(brick)]:
        path = sky.folder / relative
        spans = check_content(path.read_bytes(), path)
        assert spans[-1].end == path.stat().st_size
        assert all("DATASUM" in span.cards and "CHECKSUM" in span.cards for span in spans)
        with fitsio.FITS(str(path)) as hdus:
            assert [hdu.verify_checksum() for hdu in hdus] == [None] * len(hdus)
        with fits.open(path, checksum=True, disable_image_compression=True) as hdus:
            assert all(hdu.verify_checksum() == 1 and hdu.verify_datasum() == 1 for hdu in hdus)


def test_real_files_pass(real_data):
    paths = [*real_data.glob("*/*.fits"), *real_data.glob("*/*.fits.fz")]
    assert len(paths) > 20
    for path in paths:
        assert check_content(path.read_bytes(), path)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.999])
def test_a_file_cut_short_is_truncated(content, tmp_path, share):
    path = tmp_path / "cut.fits"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BrickError, match=r"cut\.fits: .*fetch it again") as caught:
        check_content(path.read_bytes(), path)
    assert caught.value.reason == "truncated"


@pytest.mark.parametrize("where", [0, 230, -3000])
def test_a_changed_byte_is_corrupt(content, tmp_path, where):
    changed = bytearray(content)
    changed[where] ^= 0x01
    path = tmp_path / "changed.fits"
    path.write_bytes(changed)
    with pytest.raises(BrickError) as caught:
        check_content(path.read_bytes(), path)
    assert caught.value.reason == "corrupt"


def test_a_web_page_is_no_fits_file(tmp_path):
    path = tmp_path / "error.fits.fz"
    path.write_text("<html>404</html>")
    with pytest.raises(BrickError, match="not a FITS file"):
        check_content(path.read_bytes(), path)
