"""One execution of the state machine in the embedded cloud, from the request to the review page."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from cli import kernels
from cli.chunks import ChunkProgress
from cli.exits import ExecutionFailedError
from cli.output import note
from cli.workspace import Workspace
from local_cloud import LocalCloud, synthesize
from pipeline.errors import InputError
from pipeline.events import BAD_INPUT, RunRequest
from pipeline.schema import METRICS, STAMPS
from pipeline.store import S3Store
from report import write_measured, write_review

STACK = "DarkHaloScope"
_POLL = 0.2  # seconds
_COUNTED = (METRICS.name, STAMPS.name)


class LocalRun:
    """Runs requests in the embedded cloud of a workspace."""

    def __init__(self, workspace: Workspace, repository: Path) -> None:
        self.workspace, self.repository = workspace, repository

    def execute(self, request: RunRequest, catalogue: Path) -> dict[str, Any]:
        """Run; verdict, checks, counts and where things lie. ExecutionFailedError if the machine broke."""
        started = time.monotonic()
        assembly = synthesize(self.repository, self.workspace.cloud / "assembly")
        with LocalCloud(
            assembly,
            STACK,
            self.workspace.cloud / "s3",
            environment={"NUMBA_CACHE_DIR": str(kernels.folder())},
            task_slots=os.cpu_count() or 1,
        ) as cloud:
            note("not emulated here:\n  " + "\n  ".join(cloud.not_emulated))
            bucket = cloud.outputs["DataBucketName"]
            S3Store(bucket, cloud.client("s3")).publish_file(request.hosts_key, catalogue)
            if self.workspace.give_staged(cloud.object_path(bucket, "cache")):
                cloud.adopt(bucket)
            self.workspace.link_runs(cloud.object_path(bucket, "runs"))
            seconds = {"synth and deploy": round(time.monotonic() - started, 1)}
            run_dir = cloud.object_path(bucket, request.layout.prefix.rstrip("/"))
            chunks = ChunkProgress(run_dir)
            final, phases = _execute(cloud, request, chunks)
            seconds |= phases
        measured = {
            "seconds": seconds,
            "bytes_a_row": {name: _bytes(run_dir / name) // final["counts"]["rows"] for name in _COUNTED},
            "peak_memory_mb": _peak_memory_mb(),
            "cpu_seconds": _cpu_seconds(),
        }
        write_measured(run_dir, measured)
        started = time.monotonic()
        review = write_review(run_dir)
        seconds["review page"] = round(time.monotonic() - started, 1)
        return {
            **{key: final[key] for key in ("verdict", "reasons", "checks", "config_hash")},
            "run_id": request.run_id,
            "tier": request.tier,
            "run_dir": str(run_dir),
            "review": str(review),
            "rows": final["counts"]["rows"],
            "quarantined": final["counts"]["quarantined"],
            "quarantined_by_reason": final["counts"]["quarantined_by_reason"],
            "rows_per_second_4c": chunks.rate(seconds["InjectBricks"]),
            **measured,
        }


def _execute(
    cloud: LocalCloud, request: RunRequest, chunks: ChunkProgress
) -> tuple[dict[str, Any], dict[str, float]]:
    """Start the execution, say which state it is in, and wait; (output, seconds by state)."""
    client = cloud.client("stepfunctions")
    arn = client.start_execution(
        stateMachineArn=cloud.outputs["StateMachineArn"],
        name=request.run_id,
        input=json.dumps(request.to_event()),
    )["executionArn"]
    said: set[str] = set()
    while True:
        answer = client.describe_execution(executionArn=arn)
        states = _states(client, arn)
        for name in states:
            if name not in said:
                said.add(name)
                note(f"state {name}")
        if answer["status"] != "RUNNING":
            break
        if "InjectBricks" in said:
            chunks.look()
        time.sleep(_POLL)
    if answer["status"] != "SUCCEEDED":
        _raise_bad_input(answer.get("error", ""), answer.get("cause", ""))
        failed = _failed_tasks(cloud)
        for code, lines in failed:
            if code == BAD_INPUT:
                raise InputError(lines.rpartition("error: ")[2])
        raise ExecutionFailedError(
            f"execution {request.run_id} {answer['status']}: {answer.get('error')}: {answer.get('cause')}"
            f"{_of_task(failed)}; logs of tasks and Lambdas: {cloud.logs}"
        )
    return json.loads(answer["output"]), states


def _raise_bad_input(error: str, cause: str) -> None:
    """InputError with the one line that a Lambda said, if what it met was bad input."""
    said = json.loads(cause) if error in ("InputError", "StorageConflictError") else {}
    if "errorMessage" in said:  # a task that refused its input says it in its log
        raise InputError(said["errorMessage"])


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def _peak_memory_mb() -> dict[str, int]:
    """Largest resident size so far of this process (cloud, server, Athena), and of any task or Lambda."""
    unit = 1024 if sys.platform != "darwin" else 1024**2  # ru_maxrss is in KiB on Linux, in bytes on macOS
    who = {"cloud": resource.RUSAGE_SELF, "largest task": resource.RUSAGE_CHILDREN}
    return {name: resource.getrusage(kind).ru_maxrss // unit for name, kind in who.items()}


def _cpu_seconds() -> dict[str, float]:
    """CPU of this process (cloud, server, Athena) and of all its tasks and Lambdas that have ended."""
    who = {"cloud": resource.RUSAGE_SELF, "tasks": resource.RUSAGE_CHILDREN}
    used = {name: resource.getrusage(kind) for name, kind in who.items()}
    return {name: round(use.ru_utime + use.ru_stime, 1) for name, use in used.items()}


def _failed_tasks(cloud: LocalCloud) -> list[tuple[int, str]]:
    """Exit code and last lines of each task that failed."""
    ecs, cluster = cloud.client("ecs"), cloud.outputs["ClusterName"]
    stopped = ecs.list_tasks(cluster=cluster, desiredStatus="STOPPED")["taskArns"]
    tasks = [t for i in range(0, len(stopped), 100)
             for t in ecs.describe_tasks(cluster=cluster, tasks=stopped[i : i + 100])["tasks"]]  # fmt: skip
    found = [container for task in tasks for container in task["containers"] if container.get("exitCode")]
    return [(container["exitCode"], container.get("reason", "").strip()) for container in found]


def _of_task(failed: list[tuple[int, str]]) -> str:
    return f"; a task exited with {failed[0][0]}: {failed[0][1]}" if failed else ""


def _states(client: Any, arn: str) -> dict[str, float]:
    """Seconds spent in each top-level state so far, in the order in which they were entered."""
    entered: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for page in client.get_paginator("get_execution_history").paginate(executionArn=arn):
        for event in page["events"]:
            if name := event.get("stateEnteredEventDetails", {}).get("name"):
                entered[name] = event["timestamp"]
                seconds.setdefault(name, 0.0)
            elif name := event.get("stateExitedEventDetails", {}).get("name"):
                seconds[name] = round((event["timestamp"] - entered[name]).total_seconds(), 1)
    return seconds
