"""The local cloud: moto's server in this process, our backends behind it, the synthesized stack in it."""

from __future__ import annotations

import compileall
import contextlib
import json
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from local_cloud import moto_backends  # noqa: F401 - imports moto as it should be, before all others

# isort: split
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.athena.models import athena_backends
from moto.cloudformation.models import cloudformation_backends
from moto.ecs.models import ecs_backends
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer
from moto.stepfunctions.models import stepfunctions_backends

from local_cloud import assets, environment, host
from local_cloud.errors import DeployError
from local_cloud.honesty import NOT_EMULATED
from local_cloud.moto_backends.extension_points import replaced
from local_cloud.moto_backends.s3 import object_path
from local_cloud.resources import ResourceFailed, UnsupportedResource, accepted_types, check_template
from local_cloud.signals import sigterm_exits

REGION = "us-east-1"
"""moto resolves Fn::GetAZs to the zones of this Region; an environment-agnostic stack fits any."""


class LocalCloud:
    """A context manager: deployed inside the `with`, gone afterwards, its objects still in `storage`."""

    def __init__(
        self,
        assembly: Path,
        stack: str,
        storage: Path,
        environment: dict[str, str] | None = None,
        task_slots: int | None = None,
    ) -> None:
        self.assembly, self.stack = Path(assembly).resolve(), stack
        self.storage = Path(storage).resolve()
        self.outputs: dict[str, str] = {}
        self.endpoint_url = ""
        self.not_emulated: tuple[str, ...] = NOT_EMULATED
        self._extra = dict(environment or {})
        self._task_slots = task_slots or os.cpu_count() or 1
        self._exit = contextlib.ExitStack()
        self._clients: dict[str, Any] = {}
        self._clients_lock = threading.Lock()

    def __enter__(self) -> LocalCloud:
        try:
            with contextlib.ExitStack() as entered:
                self._start(entered)
                self._deploy()
                self._exit = entered.pop_all()
        except (ClientError, ResourceFailed, UnsupportedResource) as error:
            raise DeployError(f"stack {self.stack}: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def client(self, service: str) -> Any:
        """A boto3 client of this cloud. One for each service: they are thread-safe."""
        with self._clients_lock:
            if service not in self._clients:
                session = boto3.Session("local", "local", region_name=REGION)
                self._clients[service] = session.client(  # type: ignore[call-overload]
                    service,
                    endpoint_url=self.endpoint_url,
                    config=Config(proxies={}, max_pool_connections=64, retries={"total_max_attempts": 2}),
                )
            return self._clients[service]

    def object_path(self, bucket: str, key: str) -> Path:
        """The file that holds an object's bytes."""
        return object_path(self.storage, bucket, key)

    def adopt(self, bucket: str) -> None:
        """Make objects of files that were put into a bucket's folder while the cloud runs."""
        s3_backends[host.ACCOUNT]["aws"].adopt_files(bucket)

    @property
    def logs(self) -> Path:
        """The folder of the logs of tasks and Lambdas."""
        return self.storage / ".local_cloud" / "logs"

    def _start(self, exits: contextlib.ExitStack) -> None:
        """The server and all that must be undone, in this order and back."""
        self.outputs, self.not_emulated, self._clients = {}, NOT_EMULATED, {}
        private = self.storage / ".local_cloud"
        exits.enter_context(host.alone(private))
        for name in ("parts", "partial", "code"):  # left over if an earlier session was killed
            shutil.rmtree(private / name, ignore_errors=True)
            (private / name).mkdir(parents=True)
        exits.enter_context(sigterm_exits())
        exits.enter_context(_quiet_server())
        exits.enter_context(replaced())
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        exits.callback(server.stop)
        self.endpoint_url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        exits.enter_context(environment.only(environment.aws_variables(self.endpoint_url, REGION)))
        variables = environment.child_environment(self.endpoint_url, REGION, self._extra)
        self._host = host.Host(REGION, self.storage, private, self._task_slots, variables, self.client)
        host.set_current(self._host)
        exits.callback(host.set_current, None)
        exits.callback(self._stop)

    def _stop(self) -> None:
        """Everything that runs: executions first, so that they start nothing new."""
        executions = stepfunctions_backends[host.ACCOUNT][REGION]
        executions.stop_all(seconds=0)
        self._host.processes.close()
        ecs_backends[host.ACCOUNT][REGION].close()
        athena_backends[host.ACCOUNT][REGION].close()
        executions.stop_all(seconds=10)
        for client in self._clients.values():
            client.close()

    def _deploy(self) -> None:
        manifest = json.loads((self.assembly / "manifest.json").read_text())
        self.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
        for artifact in _deployment_order(manifest, self.stack):
            self._publish_assets(artifact)
            self._create_stack(artifact)

    def _publish_assets(self, artifact: str) -> None:
        path = self.assembly / f"{artifact}.assets.json"
        if not path.exists():
            return
        images = dict(assets.image_assets(path, host.ACCOUNT, REGION))
        self._host.images.update(images)
        for image in images.values():  # as its Dockerfile does: else every task compiles all of it again
            compileall.compile_dir(image.directory, quiet=2)
        buckets: set[str] = {bucket["Name"] for bucket in self.client("s3").list_buckets()["Buckets"]}
        for asset in assets.file_assets(path, host.ACCOUNT, REGION):
            if asset.bucket not in buckets:
                shutil.rmtree(self.storage / asset.bucket, ignore_errors=True)  # an earlier session's assets
                self.client("s3").create_bucket(Bucket=asset.bucket)
                buckets.add(asset.bucket)
            self.client("s3").put_object(Bucket=asset.bucket, Key=asset.key, Body=asset.body())
            if asset.zipped:
                self._host.packages[asset.key] = asset.path.resolve()
                compileall.compile_dir(asset.path, quiet=2)

    def _create_stack(self, artifact: str) -> None:
        text = (self.assembly / f"{artifact}.template.json").read_text()
        template = json.loads(text)
        check_template(template)
        reasons = accepted_types(template)
        self.not_emulated += tuple(f"{kind}: accepted without effect: {why}" for kind, why in reasons.items())
        # Not through the server, which would turn the reason of a failure into "Internal Server Error".
        stack = cloudformation_backends[host.ACCOUNT][REGION].create_stack(artifact, text, parameters={})
        if stack.status != "CREATE_COMPLETE":
            raise DeployError(f"stack {artifact} is {stack.status}")
        self.outputs |= {output["OutputKey"]: output["OutputValue"] for output in stack.outputs or []}


def _deployment_order(manifest: dict[str, Any], stack: str) -> list[str]:
    """The stack's artifact after the stacks it depends on."""
    stacks = {
        name: artifact
        for name, artifact in manifest["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    if stack not in stacks:
        raise DeployError(f"the assembly has no stack {stack!r}, only {', '.join(sorted(stacks))}")
    order: list[str] = []

    def visit(name: str) -> None:
        if name in stacks and name not in order:
            for dependency in stacks[name].get("dependencies", []):
                visit(dependency)
            order.append(name)

    visit(stack)
    return order


@contextlib.contextmanager
def _quiet_server() -> Iterator[None]:
    """No line for each request."""
    logger = logging.getLogger("werkzeug")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
