"""Exit codes, and which exceptions mean bad input."""

from __future__ import annotations

from pipeline.errors import InputError, StorageConflictError
from survey.errors import SurveyError

DONE = GO = 0
FAILED = 1
BAD_INPUT = 2
NO_GO = 3


class ExecutionFailedError(RuntimeError):
    """The machine broke: the execution ended in another state than SUCCEEDED."""


class BusyError(RuntimeError):
    """Another run is at work in the workspace."""


class DiskError(InputError):
    """A disk is full or cannot be written to; the message says how much is free."""


def bad_input_errors() -> tuple[type[Exception], ...]:
    """The exceptions whose one-line message is for the person who gave the input."""
    return (InputError, StorageConflictError, SurveyError)


def of_verdict(verdict: str) -> int:
    return GO if verdict == "GO" else NO_GO
