"""What travels between the state machine, its Lambdas and its tasks; each converts both ways.

The state machine's input is a RunRequest; the distributed Maps read an array of ChunkRecords. A task gets
both as JSON in its environment (`TASK_*`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import InputError
from pipeline.storage import RunLayout

TASK_PHASE = "DARKHALO_PHASE"  # one of the phases below
TASK_RUN = "DARKHALO_RUN"  # RunRequest as JSON
TASK_CHUNK = "DARKHALO_CHUNK"  # ChunkRecord as JSON; not of PLAN_PHASE and CLOSURE_PHASE, which take the run
PLAN_PHASE = "plan"  # 4a: a manifest that is too large for a Lambda
CACHE_PHASE = "cache"  # 4b: bricks into the cache
INJECT_PHASE = "inject"  # 4c: stamps and metrics
CLOSURE_PHASE = "closure"  # after 4c: a sample of the run, rendered again
STAGING = (
    "auto",
    "whole",
    "ranges",
)  # files by the rule of survey/ranges.py; whole; ranges if cheaper at all
BAD_INPUT = 2  # exit code of a task whose input is wrong: another attempt would end the same way
DATA_BUCKET = "DARKHALO_BUCKET"  # set on every Lambda and on the task definition


@dataclass(frozen=True)
class RunRequest:
    """The input of an execution.

    tier: a tier's name; run_id: the run's; hosts_key: key of the host catalogue in the data bucket; sky:
    where 4b finds the survey's files (file:///folder, s3://bucket/prefix, https://portal/release); n_bricks:
    instead of the tier's; staging: one of STAGING, how 4b fetches them, None for "auto"; settings: of a tier
    that is not the package's own, as JSON.
    """

    tier: str
    run_id: str
    hosts_key: str
    sky: str
    n_bricks: int | None = None
    staging: str | None = None
    settings: str | None = None

    @classmethod
    def from_event(cls, event: dict[str, Any]) -> RunRequest:
        """From the execution's input; other keys (the states' results) are ignored."""
        missing = [key for key in ("tier", "run_id", "hosts_key", "sky") if not event.get(key)]
        if missing:
            raise InputError(
                f"execution input: {', '.join(missing)} missing; give tier, run_id, hosts_key, sky"
            )
        n_bricks = event.get("n_bricks")
        if n_bricks is not None and (not isinstance(n_bricks, int) or n_bricks < 1):
            raise InputError(f"execution input: n_bricks is {n_bricks!r}; give a whole number of at least 1")
        staging = event.get("staging")
        if staging is not None and staging not in STAGING:
            raise InputError(f"execution input: staging is {staging!r}; give {', '.join(STAGING)}")
        settings = event.get("settings")
        if settings is not None and not isinstance(settings, str):
            raise InputError("execution input: settings are no text; give them as JSON in a string")
        own = (event["tier"], event["run_id"], event["hosts_key"], event["sky"])
        return cls(*own, n_bricks, staging, settings)

    @property
    def tier_settings(self) -> dict[str, Any]:
        """The settings that the request carries; InputError if they are no JSON object."""
        try:
            settings = json.loads(self.settings or "")
        except ValueError as error:
            raise InputError(f"execution input: settings are not JSON ({error})") from error
        if not isinstance(settings, dict):
            raise InputError("execution input: settings are no JSON object")
        return settings

    @property
    def layout(self) -> RunLayout:
        return RunLayout(self.tier, self.run_id)

    def to_event(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class ChunkRecord:
    """The work of one task: some bricks of one split, and the part number that all its outputs carry."""

    chunk_id: str
    region_split: str
    part: int
    bricks: tuple[str, ...]
    rows: int

    @classmethod
    def from_event(cls, event: dict[str, Any]) -> ChunkRecord:
        return cls(
            chunk_id=event["chunk_id"],
            region_split=event["region_split"],
            part=int(event["part"]),
            bricks=tuple(event["bricks"]),
            rows=int(event["rows"]),
        )

    def to_event(self) -> dict[str, Any]:
        return {**asdict(self), "bricks": list(self.bricks)}


def from_environment(environment: dict[str, str]) -> tuple[str, RunRequest, ChunkRecord | None, str]:
    """(phase, request, chunk, bucket) of a task; InputError names the variable that is missing or wrong."""
    of_run = environment.get(TASK_PHASE) in (PLAN_PHASE, CLOSURE_PHASE)
    for name in (TASK_PHASE, TASK_RUN, *(() if of_run else (TASK_CHUNK,)), DATA_BUCKET):
        if not environment.get(name):
            raise InputError(f"environment: {name} is not set; the state machine sets it for every task")
    try:
        request = RunRequest.from_event(json.loads(environment[TASK_RUN]))
        chunk = None if of_run else ChunkRecord.from_event(json.loads(environment[TASK_CHUNK]))
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"environment: {TASK_RUN} or {TASK_CHUNK} is no valid record: {error!r}") from error
    return environment[TASK_PHASE], request, chunk, environment[DATA_BUCKET]
