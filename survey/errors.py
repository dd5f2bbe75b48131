"""Errors of the survey's data.

Every message is one line that names the file, row or option at fault and the mend. Two families: those that
repeat whenever the same input is given (`SurveyError` and below), and those worth another try
(`TransientError`).
"""


class SurveyError(Exception):
    """Bad input from the survey or its mirror; trying again does not help.

    Parameters
    ----------
    message : str
        One line: what is wrong, where, and what to do about it. Line breaks are replaced by spaces.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class CatalogueError(SurveyError):
    """A source catalogue (sweep or tractor file) that cannot be used."""


class BrickError(SurveyError):
    """A brick that cannot be used as a whole.

    Parameters
    ----------
    reason : str
        A stable code, one of `BRICK_REASONS`.
    path : str
        The file at fault (or the folder or address it should be in).
    message : str
        What is wrong and the mend; the path is put in front of it.
    """

    def __init__(self, reason: str, path: object, message: str) -> None:
        if reason not in BRICK_REASONS:
            raise ValueError(f"unknown brick reason {reason!r}; known: {', '.join(BRICK_REASONS)}")
        super().__init__(f"{path}: {message} [{reason}]")
        self.reason = reason
        self.path = str(path)

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the message alone, so that the error crosses process borders."""
        return _rebuild_brick_error, (self.reason, self.path, str(self))


class CutoutError(SurveyError):
    """One stamp that cannot be cut; the brick's other stamps may be fine.

    Parameters
    ----------
    reason : str
        A stable code, one of `CUTOUT_REASONS`.
    message : str
        Which stamp and why.
    """

    def __init__(self, reason: str, message: str) -> None:
        if reason not in CUTOUT_REASONS:
            raise ValueError(f"unknown cutout reason {reason!r}; known: {', '.join(CUTOUT_REASONS)}")
        super().__init__(f"{message} [{reason}]")
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the message alone, so that the error crosses process borders."""
        return _rebuild_cutout_error, (self.reason, str(self))


class TransientError(Exception):
    """Input or output that failed in a way that may pass: a timeout, a throttled request, a full disk."""


BRICK_REASONS = (
    "not_found",  # the brick is not in the source at all
    "missing_band",  # the brick is there, all files of a band are absent
    "missing_file",  # some files of the brick are there, others (of several kinds, or the mask) are absent
    "truncated",  # a file is shorter than its headers say
    "corrupt",  # a file cannot be decoded, or its checksum is wrong
    "web_page",  # the portal answers with a web page, and status 200, instead of the file
    "wrong_file",  # a good file of another brick, band or kind under this name
    "hash_mismatch",  # a file is not the one the survey's sha256sum file names
    "bad_layout",  # the HDU that should hold the image does not
    "bad_wcs",  # not a TAN projection at the survey's scale, or files disagree
    "wrong_shape",  # the files of a brick differ in shape
    "wrong_unit",  # BUNIT is given and is not the survey's
    "absent_tile",  # a tile that a stamp needs was not staged
)
CUTOUT_REASONS = (
    "off_edge",  # the stamp reaches over the edge of the image
    "no_coverage",  # a band has no data in the stamp
    "not_finite",  # NaN or infinity in the stamp's pixels or weights
    "bailout",  # the survey's pipeline gave up on most of the stamp
    "no_psf",  # no psfsize at the host nor anywhere in the brick, in some band
    "psf_out_of_range",  # sharper or wider than the renderer is tested for
    "gain_out_of_range",  # so deep or shallow that its noise is not that of the survey's telescopes
    "bad_psf",  # the PSF image that was given for the host cannot be used
)


def _rebuild_brick_error(reason: str, path: str, message: str) -> BrickError:
    error = BrickError.__new__(BrickError)
    Exception.__init__(error, message)
    error.reason, error.path = reason, path
    return error


def _rebuild_cutout_error(reason: str, message: str) -> CutoutError:
    error = CutoutError.__new__(CutoutError)
    Exception.__init__(error, message)
    error.reason = reason
    return error
