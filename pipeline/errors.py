"""Families of errors: input that a person must mend (final), trouble that may pass (retry), a blind gate."""

from __future__ import annotations


class InputError(Exception):
    """Bad input. The message is one line: the file, row or option, what is wrong, and the mend."""


class StorageConflictError(Exception):
    """A key already holds other content: two runs share an id, or a result changed on a rerun."""


class GateError(Exception):
    """The gate itself is broken: what it says of the run means nothing. No verdict follows, GO or NO-GO."""


class TransientError(Exception):
    """A failure of infrastructure: the same call may succeed later."""
