import numpy as np
import pytest

from survey.maskbits import (
    BAD_BITS,
    CARD_OF_NAME,
    MASK_BITS,
    bit_fractions,
    bits_from_header,
    flagged,
    mask_value,
    wise_brightmask_fraction,
)


def test_the_bits_are_the_surveys():
    assert [MASK_BITS[n] for n in ("NPRIMARY", "BRIGHT", "SATUR_G", "ALLMASK_Z", "WISEM1")] == [0, 1, 2, 7, 8]
    assert [MASK_BITS[n] for n in ("BAILOUT", "MEDIUM", "SATUR_I", "SUB_BLOB")] == [10, 11, 14, 16]
    assert set(CARD_OF_NAME) == set(MASK_BITS)
    assert all(len(card) <= 8 for card in CARD_OF_NAME.values())


@pytest.mark.parametrize("kind", [np.int16, np.int32])
def test_fractions_count_bad_and_wise_pixels_apart(kind):
    mask = np.zeros((4, 4), dtype=kind)
    mask[0, 0] = 1 << MASK_BITS["BRIGHT"]
    mask[0, 1] = (1 << MASK_BITS["SATUR_R"]) | (1 << MASK_BITS["WISEM1"])
    mask[0, 2] = 1 << MASK_BITS["WISEM2"]
    mask[0, 3] = 1 << MASK_BITS["NPRIMARY"]
    mask[1, 0] = 1 << MASK_BITS["MEDIUM"]
    assert flagged(mask, BAD_BITS).sum() == 2
    assert wise_brightmask_fraction(mask) == 2 / 16
    shares = bit_fractions(mask)
    assert {name for name, share in shares.items() if share} == {
        "BRIGHT", "SATUR_R", "WISEM1", "WISEM2", "NPRIMARY", "MEDIUM"
    }  # fmt: skip
    assert shares["MEDIUM"] == shares["SATUR_R"] == 1 / 16


@pytest.mark.parametrize("name", BAD_BITS)
def test_every_bad_bit_counts(name):
    assert flagged(np.full((1, 1), 1 << MASK_BITS[name], np.int16), BAD_BITS).all()


def test_the_top_bit_of_int16_is_a_bit_and_not_a_sign():
    mask = np.array([[-32768]], dtype=np.int16)
    assert flagged(mask, ["ALLMASK_I"]).all()
    assert bit_fractions(mask)["ALLMASK_I"] == 1


def test_the_header_decides_what_a_bit_means():
    bits = bits_from_header({"MB_BRIGH": 1, "MB_WISE1": 2})
    assert bits == {"BRIGHT": 0, "WISEM1": 1}
    assert flagged(np.array([[1, 2]]), BAD_BITS, bits).tolist() == [[True, False]]
    shares = bit_fractions(np.array([[1, 2, 3, 4]]), bits)
    assert {name: share for name, share in shares.items() if share is not None} == {
        "BRIGHT": 0.5, "WISEM1": 0.5
    }  # fmt: skip
    assert shares.keys() == MASK_BITS.keys()
    assert wise_brightmask_fraction(np.array([[1, 2]]), bits) == 0.5
    assert bits_from_header({}) == MASK_BITS


def test_wrong_cards_and_names_are_refused():
    with pytest.raises(ValueError, match="BRIGHT has the value 3"):
        bits_from_header({"MB_BRIGH": 3})
    with pytest.raises(ValueError, match="unknown mask bit 'BRIGTH'"):
        mask_value(["BRIGTH"])
