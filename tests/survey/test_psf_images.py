import io

import numpy as np
import pytest
from astropy.io import fits

from survey.errors import CutoutError
from survey.psf_images import read_coadd_psf


def psf_file(images: dict[str, np.ndarray]) -> bytes:
    hdus = [fits.ImageHDU(image, fits.Header({"BAND": band})) for band, image in images.items()]
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(buffer)
    return buffer.getvalue()


def test_the_viewers_file_is_read_in_the_order_of_the_bands(real_data):
    path = real_data / "pysersic_ls/copsf_59.1067_-30.4848.fits"
    images = read_coadd_psf(path.read_bytes(), path)
    assert images.shape == (3, 63, 63)
    assert images.sum(axis=(1, 2)) == pytest.approx(1, abs=1e-5)
    assert [int(image.argmax()) for image in images] == [31 * 63 + 31] * 3
    for number in range(3):
        assert np.array_equal(images[number], fits.getdata(path, number))


def test_the_cards_name_the_bands():
    flat = {band: np.full((5, 5), value) for value, band in enumerate("zrg", 1)}
    assert read_coadd_psf(psf_file(flat), "x")[:, 0, 0].tolist() == [3, 2, 1]


ONE = np.ones((5, 5))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"<html>", "cannot be read"),
        (psf_file({"g": ONE, "r": ONE}), "no image of band 'z'"),
        (psf_file({"g": ONE, "r": ONE, "z": np.ones((7, 7))}), "cannot be read"),
        (psf_file({band: np.ones((4, 4)) for band in "grz"}), r"shape \(4, 4\); give odd squares"),
        (psf_file({band: np.ones((3, 5)) for band in "grz"}), "give odd squares"),
        (psf_file({"g": ONE, "r": ONE, "z": ONE * np.nan}), "not finite"),
        (psf_file({"g": ONE, "r": ONE * 0, "z": ONE}), "without light"),
    ],
)
def test_files_that_hold_no_psf(content, message):
    with pytest.raises(CutoutError, match=message) as caught:
        read_coadd_psf(content, "psf.fits")
    assert caught.value.reason == "bad_psf"
