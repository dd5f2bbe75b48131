"""The checks' SQL travels through the state machine, whose state is limited."""

from __future__ import annotations

import json

from pipeline.checks import load_checks, render
from pipeline.promises import promises
from pipeline.storage import RunLayout
from pipeline.tier import load_tier

STATE_LIMIT = 262_144  # bytes of a state's input or output


def test_all_checks_fit_in_a_state_with_room_for_their_results() -> None:
    layout = RunLayout("t" * 31, "r" * 63)
    promised = promises(load_tier("pilot"), "r" * 63)
    queries = [{"name": check.name, "sql": render(check, layout, 10**8, promised)} for check in load_checks()]
    assert len(json.dumps(queries)) < STATE_LIMIT / 2
