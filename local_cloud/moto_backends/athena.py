"""Athena: queries really run, in our engine, over the objects of the Glue tables they name."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from moto.athena.models import AthenaBackend, Execution, QueryResults
from moto.core.exceptions import JsonRESTError
from moto.s3.models import s3_backends

from local_cloud import host
from local_cloud.moto_backends.athena_results import column_info, result_csv, result_rows
from local_cloud.moto_backends.s3 import object_path

QUERIES_AT_ONCE = 2
_READS = ("SELECT", "WITH", "VALUES", "SHOW", "DESCRIBE", "EXPLAIN")
_EXECUTE = re.compile(r"\s*EXECUTE\s+\"?(\w+)\"?\s*(?:USING\s+(.*))?;?\s*", re.IGNORECASE | re.DOTALL)


class InvalidRequest(JsonRESTError):
    """Athena's answer to a request it will not start."""

    def __init__(self, message: str) -> None:
        super().__init__("InvalidRequestException", message)


class LocalQuery(Execution):
    """A query with the state it really has; moto's changes with every look at it."""

    _state = "QUEUED"
    reason: str | None = None
    bytes_scanned = 0
    milliseconds = 0

    @property
    def status(self) -> str:
        return self._state

    @status.setter
    def status(self, value: str) -> None:
        self._state = value

    def advance(self) -> None:
        """moto's clock has no say here."""


def make_engine(database: str) -> Any:
    """The SQL engine over a Glue database and this cloud's files. Tests put another in its place."""
    from local_cloud.athena_engine import Engine, GlueCatalogue

    running = host.current()

    def resolve(uri: str) -> Path:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        key = key.strip("/")
        return object_path(running.storage, bucket, key) if key else running.storage / bucket

    return Engine(GlueCatalogue(running.client("glue"), resolve=resolve, default_database=database))


class LocalAthena(AthenaBackend):
    """moto's backend with real queries."""

    __module__ = AthenaBackend.__module__  # moto finds a service's urls.py by its backend's module name

    engine_factory: Callable[[str], Any] = staticmethod(make_engine)

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._workers = ThreadPoolExecutor(QUERIES_AT_ONCE, thread_name_prefix="athena")
        self._engines = threading.local()
        self._lock = threading.Lock()

    def start_query_execution(
        self, query: str, context: Any, config: Any, workgroup: str, execution_parameters: list[str] | None
    ) -> str:
        group = self.work_groups.get(workgroup or "primary")
        if group is None:
            raise InvalidRequest(f"WorkGroup {workgroup} is not found.")
        result = _result_configuration(config, group.configuration)
        query_run = LocalQuery(query, context or {}, result, group, execution_parameters)
        sql, parameters = self._expand(query, execution_parameters or [], group.name)
        self.executions[query_run.id] = query_run
        self._workers.submit(self._run, query_run, sql, parameters)
        return query_run.id

    def _expand(self, query: str, parameters: list[str], group: str) -> tuple[str, list[str]]:
        """EXECUTE of a prepared statement is its text with the parameters of USING."""
        match = _EXECUTE.fullmatch(query)
        if match is None:
            return query, parameters
        for statement in self.prepared_statements.values():
            if statement.statement_name == match[1] and _group_name(statement) == group:
                return statement.query_statement, parameters or split_arguments(match[2] or "")
        raise InvalidRequest(f"PreparedStatement {match[1]} was not found in workGroup {group}")

    def _run(self, query: LocalQuery, sql: str, parameters: list[str]) -> None:
        begin = time.perf_counter()
        try:
            if self._begin(query):
                database = query.context.get("Database", "default")
                result = self._engine(database).execute(sql, tuple(parameters))
                self._keep(query, sql, result)
                self._end(query, "SUCCEEDED")
        except Exception as error:  # whatever the engine cannot do is a failed query, never an empty one
            query.reason = (
                f"{type(error).__name__}: {error}" if type(error).__name__ != "QueryError" else str(error)
            )
            self._end(query, "FAILED")
        finally:
            query.milliseconds = int(1000 * (time.perf_counter() - begin))
            query.end_time = time.time()
            host.current().finished.finish(query.id)

    def _begin(self, query: LocalQuery) -> bool:
        with self._lock:
            if query.status == "CANCELLED":
                return False
            query.status = "RUNNING"
            return True

    def _end(self, query: LocalQuery, state: str) -> None:
        with self._lock:
            if query.status == "RUNNING":
                query.status = state

    def _engine(self, database: str) -> Any:
        """One engine for each worker and database: an engine is not asked to run two queries at once."""
        engines = self._engines.__dict__
        if database not in engines:
            engines[database] = self.engine_factory(database)
        return engines[database]

    def _keep(self, query: LocalQuery, sql: str, result: Any) -> None:
        """The result file and rows, and what the statement itself wrote into the buckets."""
        query.bytes_scanned = result.bytes_scanned
        cutoff = query.workgroup.configuration.get("BytesScannedCutoffPerQuery") if query.workgroup else None
        if cutoff and result.bytes_scanned > int(cutoff):
            raise RuntimeError(
                f"Query exhausted the limit of {cutoff} bytes: {result.bytes_scanned} were scanned"
            )
        storage = s3_backends[self.account_id]["aws"]
        if not sql.lstrip(" \n\t(").upper().startswith(_READS):
            for bucket in list(storage.buckets):
                storage.adopt_files(bucket)
        self.query_results[query.id] = QueryResults(result_rows(result), column_info(result))
        if result.columns:
            bucket, _, key = query.config["OutputLocation"].removeprefix("s3://").partition("/")
            storage.put_object(bucket, key, result_csv(result).encode())

    def stop_query_execution(self, exec_id: str) -> None:
        query = self.executions[exec_id]
        with self._lock:
            if query.status in ("QUEUED", "RUNNING"):
                query.status = "CANCELLED"
                query.reason = "Query cancelled by the caller"

    def close(self) -> None:
        """Start no more queries, and wait for those that run."""
        self._workers.shutdown(wait=True, cancel_futures=True)


def _group_name(statement: Any) -> str:
    return getattr(statement.workgroup, "name", statement.workgroup)


def _result_configuration(asked: dict | None, group: dict) -> dict:
    """The workgroup's result configuration where it is enforced, the caller's otherwise."""
    own = group.get("ResultConfiguration") or {}
    asked = asked or {}
    enforced = str(group.get("EnforceWorkGroupConfiguration", True)).lower() == "true"
    result = dict(
        own if own.get("OutputLocation") and (enforced or not asked.get("OutputLocation")) else asked
    )
    if not result.get("OutputLocation"):
        raise InvalidRequest("No output location provided, neither by the request nor by the workgroup.")
    return result


def split_arguments(text: str) -> list[str]:
    """The arguments of USING: commas inside quotes and brackets do not separate."""
    parts = re.findall(r"(?:'(?:[^']|'')*'|\([^()]*\)|[^,])+", text)
    return [part.strip() for part in parts if part.strip()]
