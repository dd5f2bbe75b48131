"""Is a sky's address the right one? An absent brick is a finding; if all are absent, the address is wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from survey.cache import Source
from survey.errors import BrickError, SurveyError

MOST_PROBED = 10
"""Other bricks of the run that a source is asked for before it is believed to be the wrong one."""

_NOT_SHOWN = ("not_found", "web_page")


class RightSource:
    """Refuses a source that holds none of a run's bricks, before anything is recorded of it.

    Parameters
    ----------
    source : Source
        Where bricks are staged from.
    bricks : callable
        Gives the names of the run's bricks; called only if one is absent.
    """

    def __init__(self, source: Source, bricks: Callable[[], Sequence[str]]) -> None:
        self._source, self._bricks = source, bricks
        self._shown = False
        self._refused: SurveyError | None = None
        self._lock = threading.Lock()

    def check(self, record: dict[str, Any]) -> None:
        """Take note of what was found of a brick. SurveyError if the source has not a brick of the run."""
        with self._lock:
            if self._refused is not None:
                raise self._refused
            if not self._shown:
                self._shown = record.get("reason") not in _NOT_SHOWN or self._holds_any()
            if not self._shown:
                self._refused = self._refusal(record["reason"])
                raise self._refused

    def _holds_any(self) -> bool:
        """Ask for bricks from all over the run until one is there."""
        bricks = self._bricks()
        return any(self._holds(brick) for brick in bricks[:: -(-len(bricks) // MOST_PROBED)])

    def _holds(self, brick: str) -> bool:
        try:
            return bool(self._source.list_brick(brick))
        except BrickError:
            return False

    def _refusal(self, reason: str) -> SurveyError:
        asked = min(MOST_PROBED, len(self._bricks()))
        instead = " but web pages" if reason == "web_page" else ""
        return SurveyError(
            f"{self._source.address('coadd/')}: none of {asked} bricks of this run is there{instead}; give "
            "as --sky the folder that holds coadd/, of the release that the hosts are from"
        )
