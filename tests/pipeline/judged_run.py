"""A run of three bricks, planned and judged, whose other tables are a few bytes each; to be tampered with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.canaries import REFUSALS, canaries_sql
from pipeline.checks import ANSWER, load_checks
from pipeline.events import RunRequest
from pipeline.fingerprints import fingerprints
from pipeline.gate import Asked, judge
from pipeline.manifest import plan_of, plan_run, tier_of
from pipeline.publish import publish as publish_run
from pipeline.queries import checks_sql
from pipeline.store import FolderStore, publish
from tests.pipeline.conftest import make_hosts, store_hosts

TYPES = dict(zip(ANSWER, ("varchar", "double", "double", "bigint", "varchar"), strict=True))


@dataclass
class Engine:
    """An Athena that remembers which SQL it was asked, and answers as it is told."""

    sql: dict[str, str] = field(default_factory=dict)  # by query
    answers: dict[str, list[str | None]] = field(default_factory=dict)

    def ask(self, sql: str, answer: list[str | None]) -> str:
        """The id of a query that has run."""
        query = f"query-{len(self.sql)}"
        self.sql[query], self.answers[query] = sql, answer
        return query

    def get_query_execution(self, QueryExecutionId: str) -> dict[str, Any]:
        return {"QueryExecution": {"Query": self.sql[QueryExecutionId]}}

    def get_paginator(self, _: str) -> Engine:
        return self

    def paginate(self, QueryExecutionId: str) -> Iterator[dict[str, Any]]:
        info = [{"Name": name, "Type": kind} for name, kind in TYPES.items()]
        header = {"Data": [{"VarCharValue": name} for name in TYPES]}
        cells = [{} if v is None else {"VarCharValue": v} for v in self.answers[QueryExecutionId]]
        yield {"ResultSet": {"ResultSetMetadata": {"ColumnInfo": info}, "Rows": [header, {"Data": cells}]}}


@dataclass(frozen=True)
class Judged:
    """A run, its verdict, and the engine's queries as the state machine passes them on."""

    request: RunRequest
    verdict: dict[str, Any]
    engine: Engine
    asked: Asked

    def publish(self, store: FolderStore) -> dict[str, Any]:
        return publish_run(store, self.engine, self.request, self.asked)


def planned_run(store: FolderStore, run_id: str = "run-1") -> RunRequest:
    """A planned run with parts of its other tables beside the manifest, copied from the first of its name."""
    folder, request = _planned(run_id)
    shutil.copytree(folder.name, store.root, dirs_exist_ok=True)
    return request


@cache
def _planned(run_id: str) -> tuple[TemporaryDirectory[str], RunRequest]:
    folder = TemporaryDirectory()
    store = FolderStore(Path(folder.name))
    request = RunRequest("debug", run_id, store_hosts(store, make_hosts(3)), "file:///sky", n_bricks=3)
    plan_run(store, request)
    for table, split in (("metrics", "train"), ("stamps", "train"), ("closure", "all"), ("sky", "all")):
        publish(store, request.layout.partition(table, split).part(0), f"{table} of {run_id}".encode())
    return folder, request


def judge_as(store: FolderStore, request: RunRequest, **statuses: str) -> Judged:
    """The verdict on a planned run of which the engine says so; GO by default."""
    engine = Engine()
    sql = checks_sql(request, plan_of(store, request)["expected_rows"], "")
    checks = [
        {"name": name, "query_execution_id": engine.ask(sql[name], answer(statuses.get(name, "PASS"), name))}
        for name in sql
    ]
    asked = Asked(checks, refused(engine, request), "")
    verdict = judge(store, engine, None, request, asked, fingerprints(store, request.layout))
    return Judged(request, verdict, engine, asked)


def refused(engine: Engine, request: RunRequest, **statuses: str) -> list[dict[str, Any]]:
    """The canaries' queries, each refused but for the statuses that are given."""
    told = {name: REFUSALS.get(name, "FAIL") for name in (check.name for check in load_checks())} | statuses
    sql = canaries_sql(request.layout, tier_of(request))
    return [{"name": n, "query_execution_id": engine.ask(sql[n], answer(s, n))} for n, s in told.items()]


def answer(status: str, name: str) -> list[str | None]:
    return [status, "0.0", "1.0", "5", f"{name} was looked at."]


def judged_run(store: FolderStore, run_id: str = "run-1", **statuses: str) -> Judged:
    """The same of a run of that name."""
    return judge_as(store, planned_run(store, run_id), **statuses)
