"""The Fargate task of 4b, 4c, closure and a large 4a: cluster, image, task definition and its two roles."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs import permissions
from infra.paths import CACHE, HOSTS, ROOT, RUNS, SKY
from infra.settings import Tasks
from pipeline.code_version import CODE_VERSION, code_hash
from pipeline.events import DATA_BUCKET

# Git's rules: all at the top is left out, then the rooms of the image come back, without what is no source.
IMAGE_EXCLUDE = (
    "/*",
    "!/closure",
    "!/fargate",
    "!/physics",
    "!/survey",
    "!/pipeline",
    "!/athena_sql",
    "!/requirements",
    "/requirements/*",
    "!/requirements/task.txt",
    "__pycache__",
    "*.py[cod]",
    "*.nb[ci]",
    ".*",
)
CONTAINER = "task"
PLATFORMS = {"ARM64": ecr_assets.Platform.LINUX_ARM64, "X86_64": ecr_assets.Platform.LINUX_AMD64}
SCRATCH = {"tmp": "/tmp", "numba": "/var/cache/numba"}  # noqa: S108  (the writable paths of the image)


class Task(Construct):
    """One chunk a task, or for closure one run; the state machine names them in the environment."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: Tasks,
        bucket: s3.IBucket,
        sky_buckets: tuple[str, ...],
        vpc: ec2.IVpc,
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, id)
        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            vpc=vpc,
            enable_fargate_capacity_providers=True,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        self.role = self._role("Role", "What the code in the task may do")
        self._grant(bucket, sky_buckets)
        self.definition = ecs.FargateTaskDefinition(
            self,
            "Definition",
            cpu=settings.cpu,
            memory_limit_mib=settings.memory_mib,
            ephemeral_storage_gib=settings.ephemeral_gib,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.of(settings.architecture),
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
            task_role=self.role,
            execution_role=self._role("ExecutionRole", "What Fargate does to start it: image and logs"),
        )
        self.container = self._container(settings, bucket, log_group)

    def _role(self, id: str, description: str) -> iam.Role:
        principal = iam.ServicePrincipal("ecs-tasks.amazonaws.com")
        return iam.Role(self, id, assumed_by=principal, description=description)

    def _grant(self, bucket: s3.IBucket, sky_buckets: tuple[str, ...]) -> None:
        """4a: hosts -> manifest. 4b: sky -> cache/. 4c: cache/ and manifest -> stamps, metrics, receipts.

        Closure: runs/ -> the table closure.
        """
        self.role.add_to_policy(permissions.read_objects(bucket, CACHE, HOSTS, RUNS, SKY))
        self.role.add_to_policy(permissions.write_objects(bucket, f"{CACHE}*", f"{RUNS}*"))
        self.role.add_to_policy(permissions.list_keys(bucket, CACHE, RUNS, SKY))
        for number, name in enumerate(sky_buckets):
            sky = s3.Bucket.from_bucket_name(self, f"Sky{number}", name)
            self.role.add_to_policy(permissions.read_objects(sky, ""))
            self.role.add_to_policy(permissions.list_keys(sky, ""))

    def _container(
        self, settings: Tasks, bucket: s3.IBucket, log_group: logs.ILogGroup
    ) -> ecs.ContainerDefinition:
        container = self.definition.add_container(
            CONTAINER,
            container_name=CONTAINER,
            image=ecs.ContainerImage.from_docker_image_asset(self._image(settings)),
            command=["python", "-m", "fargate.main"],
            environment={DATA_BUCKET: bucket.bucket_name, CODE_VERSION: code_hash(ROOT)},
            memory_limit_mib=settings.memory_mib,
            user="10001:10001",
            readonly_root_filesystem=True,
            stop_timeout=cdk.Duration.seconds(settings.stop_seconds),
            logging=ecs.LogDrivers.aws_logs(stream_prefix="task", log_group=log_group),
        )
        for name, path in SCRATCH.items():
            self.definition.add_volume(name=name)
            container.add_mount_points(
                ecs.MountPoint(source_volume=name, container_path=path, read_only=False)
            )
        return container

    def _image(self, settings: Tasks) -> ecr_assets.DockerImageAsset:
        return ecr_assets.DockerImageAsset(
            self,
            "Image",
            directory=str(ROOT),
            file="fargate/Dockerfile",
            exclude=list(IMAGE_EXCLUDE),
            ignore_mode=cdk.IgnoreMode.GIT,
            platform=PLATFORMS[settings.architecture],
            build_args={"BASE_IMAGE": settings.base_image},
        )
