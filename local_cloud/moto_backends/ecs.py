"""ECS: a Fargate task is a process on this machine, started in the build context of its image."""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import Popen
from typing import Any

from moto.core.utils import utcnow
from moto.ecs.exceptions import TaskDefinitionNotFoundException
from moto.ecs.models import EC2ContainerServiceBackend, Task
from moto.logs.models import logs_backends

from local_cloud import host
from local_cloud.assets import Image
from local_cloud.processes import tail

STOP_TIMEOUT = 30
"""Seconds between SIGTERM and SIGKILL when the container does not say, as on Fargate."""
LOG_LINES = 1000
"""Lines of a task's log that reach CloudWatch Logs; the log file holds all of them."""


class LocalTask(Task):
    """A task whose status is that of its process, not of moto's clock."""

    _status = "PENDING"
    process: Popen | None = None
    stop_code: str | None = None

    @property
    def last_status(self) -> str:
        return self._status

    @last_status.setter
    def last_status(self, value: str) -> None:
        self._status = value

    def advance(self) -> None:
        """moto's clock has no say here."""

    def set_status(self, value: str) -> None:
        self._status = self.containers[0].last_status = value


class LocalEcs(EC2ContainerServiceBackend):
    """moto's backend with real tasks; `task_slots` of them run at a time, the others are PENDING."""

    __module__ = EC2ContainerServiceBackend.__module__  # moto finds a service's urls.py by this name

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._slots: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    @staticmethod
    def _calculate_task_resource_requirements(task_definition: Any) -> dict[str, Any]:
        """moto asks each container for its memory; on Fargate the task has it."""
        return {"CPU": 0, "MEMORY": 0, "PORTS": [], "PORTS_UDP": []}

    def run_task(self, *args: Any, **kwargs: Any) -> list[Task]:
        given = inspect.signature(EC2ContainerServiceBackend.run_task).bind(self, *args, **kwargs).arguments
        network = (given.get("networking_configuration") or {}).get("awsvpcConfiguration", {})
        network.setdefault("securityGroups", [])  # optional on AWS, but not in moto
        tasks = super().run_task(*args, **kwargs)
        for task in tasks:
            task.__class__ = LocalTask
            task.set_status("PENDING")
            task.created_at = utcnow()
            task.containers[0].exitCode = None
            self._pool().submit(self._run, task)
        return tasks

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._slots is None:
                self._slots = ThreadPoolExecutor(host.current().task_slots, thread_name_prefix="ecs-task")
            return self._slots

    def stop_task(self, cluster_str: str, task_str: str, reason: str) -> Task:
        found = self.describe_tasks(cluster_str, [task_str])
        if not found:
            raise TaskDefinitionNotFoundException
        task = found[0]
        with self._lock:
            if task.desired_status == "STOPPED":
                return task
            task.desired_status = "STOPPED"
            task.stop_code, task.stopped_reason = "UserInitiated", reason or "Task stopped by user"
            process = task.process
        if process is not None:
            self._end(process, self._container(task).get("stopTimeout") or STOP_TIMEOUT)
        return task

    @staticmethod
    def _end(process: Popen, grace: float) -> None:
        terminate = host.current().processes.terminate
        threading.Thread(target=terminate, args=(process, float(grace)), daemon=True).start()

    def _container(self, task: LocalTask) -> dict[str, Any]:
        return self.describe_task_definition(task.task_definition_arn).container_definitions[0]

    def _run(self, task: LocalTask) -> None:
        """One task, from its slot to its end."""
        running = host.current()
        container = self._container(task)
        log_file = running.log_file("ecs", container["name"], f"{task.id}.log")
        try:
            if self._start(task, container, log_file):
                self._wait(task, log_file)
        except Exception as error:
            task.containers[0].reason = f"CannotStartContainerError: {error}"
            task.stop_code, task.stopped_reason = "TaskFailedToStart", str(error)
        finally:
            with contextlib.suppress(Exception):
                self._send_log(task, container, log_file)
            task.stopped_at = utcnow()
            task.desired_status = "STOPPED"
            task.set_status("STOPPED")
            running.finished.finish(task.task_arn)

    def _start(self, task: LocalTask, container: dict, log_file: Path) -> bool:
        running = host.current()
        image = _image(running, container["image"])
        overrides = _overrides(task, container["name"])
        command = command_line(container, overrides, image)
        environment = {**running.environment, **container_environment(image), "ECS_TASK_ARN": task.task_arn}
        environment |= _variables(container) | _variables(overrides)
        with self._lock, log_file.open("wb") as log:
            if task.desired_status == "STOPPED":  # stopped while it was PENDING
                return False
            task.process = running.processes.start(command, image.directory, environment, stdout=log)
            task.started_at = utcnow()
            task.set_status("RUNNING")
        return True

    @staticmethod
    def _wait(task: LocalTask, log_file: Path) -> None:
        assert task.process is not None  # noqa: S101 - _start has set it
        code = host.current().processes.wait(task.process)
        task.containers[0].exitCode = code
        if task.stop_code is None:
            task.stop_code, task.stopped_reason = (
                "EssentialContainerExited",
                "Essential container in task exited",
            )
        if code != 0:
            last_lines = tail(log_file)
            task.containers[0].reason = last_lines
            task.stopped_reason += f": {last_lines.rsplit(chr(10), 1)[-1][-200:]}" if last_lines else ""

    def _send_log(self, task: LocalTask, container: dict, log_file: Path) -> None:
        options = (container.get("logConfiguration") or {}).get("options") or {}
        lines = tail(log_file, 200_000).splitlines()[-LOG_LINES:]
        if not options.get("awslogs-group") or not lines:
            return
        logs = logs_backends[self.account_id][self.region_name]
        stream = f"{options.get('awslogs-stream-prefix', 'ecs')}/{container['name']}/{task.id}"
        now = int(time.time() * 1000)
        logs.create_log_stream(options["awslogs-group"], stream)
        events = [{"timestamp": now, "message": line} for line in lines if line]
        logs.put_log_events(options["awslogs-group"], stream, events)

    def close(self) -> None:
        """Start no more tasks. The processes are ended by the process table."""
        with self._lock:
            for tasks in self.tasks.values():
                for task in tasks.values():
                    task.desired_status = "STOPPED"
        if self._slots is not None:
            self._slots.shutdown(wait=True, cancel_futures=True)


def _image(running: host.Host, name: str) -> Image:
    tag = name.rsplit(":", 1)[-1]
    if tag not in running.images:
        raise FileNotFoundError(f"{name} is not an image asset of this stack: there is nothing to run here")
    return running.images[tag]


def _overrides(task: LocalTask, container: str) -> dict[str, Any]:
    overrides = (task.overrides or {}).get("containerOverrides") or []
    return next((override for override in overrides if override.get("name") == container), {})


def _variables(owner: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: str(entry["value"]) for entry in owner.get("environment") or []}


def container_environment(image: Image) -> dict[str, str]:
    """Python finds the image's own modules first, and writes nothing into the assembly."""
    return {"PYTHONPATH": str(image.directory), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def command_line(container: dict, overrides: dict, image: Image) -> list[str]:
    """Entry point and command by Docker's rules; `python` is this interpreter."""
    entry_point = list(container.get("entryPoint") or image.entry_point)
    default = [] if container.get("entryPoint") else list(image.command)
    command = entry_point + list(overrides.get("command") or container.get("command") or default)
    if not command:
        raise ValueError(
            f"container {container['name']} has no command, and its Dockerfile has none in exec form"
        )
    if re.fullmatch(r"(.*/)?python(3(\.\d+)?)?", command[0]):
        command[0] = sys.executable
    return command
