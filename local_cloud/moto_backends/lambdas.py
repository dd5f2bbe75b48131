"""Lambda: the real handler in a warm process, one process for each call that runs at the same time."""

from __future__ import annotations

import functools
import json
import queue
import sys
import threading
import zipfile
from io import BytesIO
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any
from uuid import uuid4

from moto.awslambda.models import LambdaBackend, LambdaFunction

from local_cloud import host

WORKER = Path(__file__).with_name("lambda_worker.py")
INIT_SECONDS = 120
"""Time to import a handler. On AWS 10 s, but this machine may be importing in many processes at once."""


class Sandbox:
    """One process with the handler loaded: a line of JSON in, a line of JSON out."""

    def __init__(self, function: LambdaFunction, code: Path) -> None:
        running = host.current()
        environment = {**running.environment, **_environment(function, code)}
        command = [sys.executable, "-P", str(WORKER)]
        with running.log_file("lambda", f"{function.function_name}.log").open("ab") as log:
            self._process: Popen = running.processes.start(
                command, code, environment, stdin=PIPE, stdout=PIPE, stderr=log
            )
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, name=f"lambda-{function.function_name}", daemon=True).start()
        self.start_error = self._ready()

    def _read(self) -> None:
        stdout = self._process.stdout
        for line in stdout or ():
            self._lines.put(line)
        self._lines.put(b"")

    def _ready(self) -> dict | None:
        answer = self._answer(INIT_SECONDS)
        return None if answer == {"ready": True} else answer

    def _answer(self, seconds: float) -> dict:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            self.close()
            return _error("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds")
        if not line:
            code = host.current().processes.wait(self._process)
            return _error("Runtime.ExitError", f"Runtime exited with error: exit status {code}")
        return json.loads(line)

    def call(self, event: Any, seconds: float) -> dict:
        """{"result": text} or {"error": {...}}."""
        request = {"id": str(uuid4()), "event": event, "seconds": seconds}
        stdin = self._process.stdin
        if stdin is None:
            raise RuntimeError("the worker has no stdin")
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            return self._answer(0)
        return self._answer(seconds)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """Kill the process."""
        host.current().processes.kill(self._process)


def _error(kind: str, message: str) -> dict:
    return {"error": {"errorType": kind, "errorMessage": message}}


def _environment(function: LambdaFunction, code: Path) -> dict[str, str]:
    variables = {name: str(value) for name, value in (function.environment_vars or {}).items()}
    own = {
        "_HANDLER": function.handler,
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size or 128),
        "LAMBDA_TASK_ROOT": str(code),
        "PYTHONPATH": str(code),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return {**own, **variables}


class LocalFunction:
    """A function's sandboxes: idle ones are used again, and at most `limit` calls run at once."""

    def __init__(self, function: LambdaFunction, code: Path, limit: int) -> None:
        self._function, self._code = function, code
        self._idle: queue.LifoQueue[Sandbox] = queue.LifoQueue()
        self._running = threading.BoundedSemaphore(limit)

    def call(self, event: Any) -> dict:
        """Call the handler; a sandbox that failed to answer is not used again."""
        with self._running:
            sandbox = self._sandbox()
            if sandbox.start_error:
                sandbox.close()
                return sandbox.start_error
            answer = sandbox.call(event, float(self._function.timeout or 3))
            if sandbox.alive:
                self._idle.put(sandbox)
            return answer

    def _sandbox(self) -> Sandbox:
        while True:
            try:
                sandbox = self._idle.get_nowait()
            except queue.Empty:
                return Sandbox(self._function, self._code)
            if sandbox.alive:
                return sandbox


class LocalLambda(LambdaBackend):
    """moto's backend with real invocations instead of Docker's."""

    __module__ = LambdaBackend.__module__  # moto finds a service's urls.py by its backend's module name

    def create_function(self, spec: dict[str, Any]) -> LambdaFunction:
        function = super().create_function(spec)
        running = host.current()
        local = LocalFunction(function, _code(function), max(2, running.task_slots))
        # Every caller in moto (the API, SNS, EventBridge) ends in this method.
        function.invoke = functools.partial(_invoke, local)
        return function

    def invoke(
        self, function_name: str, qualifier: str | None, body: Any, headers: Any, response_headers: Any
    ) -> str | bytes | None:
        if headers.get("X-Amz-Invocation-Type") == "DryRun":
            return b""
        if headers.get("X-Amz-Invocation-Type") == "Event":
            function = self.get_function(function_name, qualifier)
            threading.Thread(target=function.invoke, args=(body, headers, {}), daemon=True).start()
            return b""
        return super().invoke(function_name, qualifier, body, headers, response_headers)


def _invoke(local: LocalFunction, body: Any, headers: Any, response_headers: dict) -> bytes:
    answer = local.call(json.loads(body or "{}"))
    if "error" in answer:
        response_headers["x-amz-function-error"] = "Unhandled"
        return json.dumps(answer["error"]).encode()
    return answer["result"].encode()


def _code(function: LambdaFunction) -> Path:
    """The folder of a function's code: its asset in the assembly, or an unpacked inline archive."""
    running = host.current()
    packages = running.packages
    if function.code.get("S3Key") in packages:
        return packages[function.code["S3Key"]]
    if not getattr(function, "code_bytes", b""):
        raise ValueError(f"function {function.function_name} has no code that can run here (an image?)")
    folder = running.private / "code" / function.function_name
    with zipfile.ZipFile(BytesIO(function.code_bytes)) as archive:
        archive.extractall(folder)
    return folder
