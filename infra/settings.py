"""Everything that an operator may want to turn, grouped; the constructs hold no numbers of their own.

Prices and limits behind the defaults: us-west-2, 2026, docs/ and `darkhalo estimate`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Environment:
    """Which deployment this is."""

    name: str = "production"
    termination_protection: bool = True  # `cdk destroy` refuses until this is turned off

    @property
    def tags(self) -> dict[str, str]:
        """On every resource, for the bill."""
        return {"project": "dark-halo-scope", "environment": self.name}


@dataclass(frozen=True)
class Tasks:
    """The Fargate task of phases 4b and 4c and of closure."""

    cpu: int = 1024  # units: 1 vCPU, since the numba kernels run on one thread
    memory_mib: int = 4096  # a brick's three bands with invvar and psfsize are about 600 MiB decoded
    ephemeral_gib: int = 21  # the least that Fargate lets one ask for
    stop_seconds: int = 30  # between SIGTERM and SIGKILL; the task aborts at once, nothing to save
    plan_timeout_minutes: int = 60  # the train manifest takes some minutes
    cache_timeout_minutes: int = 60  # one chunk; the survey's servers can be slow
    inject_timeout_minutes: int = 120  # one chunk of some 50 bricks at 0.15 s an injection takes 5 minutes
    closure_timeout_minutes: int = 60  # 69 rows at 0.2 s, and the download of as many parts of stamps
    # Shares of Spot and On-Demand. Spot costs 30 to 50 %, a loss is one States.TaskFailed and one retry.
    spot_weight: int = 3
    on_demand_weight: int = 1
    # Digest-pin for production: "...:3.11-slim@sha256:<digest>". The image's other inputs are pinned by hash.
    base_image: str = "public.ecr.aws/docker/library/python:3.11-slim"
    # "ARM64" or "X86_64": the image bakes its kernels for every processor that Fargate has of this kind.
    architecture: str = "ARM64"


@dataclass(frozen=True)
class Fanout:
    """How wide the distributed Maps run, and what they bear."""

    cache_concurrency: int = 50  # kind to the survey's servers
    inject_concurrency: int = 100  # 1 vCPU each: keep below the account's Fargate vCPU quota (6 when new)
    # Bad bricks are rows, not failures: a chunk that still fails after its retries is infrastructure, and a
    # Map that tolerated it would count as succeeded, out of a redrive's reach, with rows missing.
    tolerated_failure_percentage: int = 0
    throttle_interval_seconds: int = 60  # RunTask launches 20 tasks/s and is throttled above its burst of 100
    throttle_backoff: float = 1.1
    throttle_attempts: int = 60
    failure_attempts: int = (
        2  # more, of a task that exits non-zero (but for bad input) or that Spot took away
    )
    failure_interval_seconds: int = 10
    run_timeout_hours: int = 72  # the whole execution; train takes 7 h at one brick a task


@dataclass(frozen=True)
class Functions:
    """The Lambdas."""

    memory_mib: int = 1024
    plan_memory_mib: int = 4096  # holds the host catalogue and the manifest of a chunk
    timeout_minutes: int = 15  # Lambda's own limit, for plan and reconcile, which walk a whole run
    short_timeout_minutes: int = 5
    # AWS's managed layer "SDK for pandas": pyarrow, numpy, pandas, awswrangler. Versions differ a little by
    # Region; https://aws-sdk-pandas.readthedocs.io/en/stable/layers.html lists them.
    layer_account: str = "336392948345"
    layer_name: str = "AWSSDKPandas-Python311-Arm64"
    layer_version: int = 30


@dataclass(frozen=True)
class Athena:
    """The workgroup."""

    workgroup: str = "darkhalo"
    bytes_scanned_cutoff: int = 200 * 1024**3  # a query: about $1, ten times the whole metrics table of train
    query_timeout_minutes: int = 30  # Athena's own limit of a DML query
    check_concurrency: int = 5  # checks at once: the account's limit of active queries is 20 when new
    attempts: int = 5  # of a query that Athena throttled or dropped


@dataclass(frozen=True)
class Retention:
    """How long things are kept. Runs, hosts and the cache are kept for ever."""

    athena_results_days: int = 14
    map_results_days: int = 30
    noncurrent_days: int = 30
    access_logs_days: int = 90
    logs_days: int = 30  # one of CloudWatch's: 1, 3, 5, 7, 14, 30, 60, 90 ...


@dataclass(frozen=True)
class Network:
    """The isolated VPC: no way to the internet, so the sky is another bucket or already in the cache."""

    cidr: str = "10.42.0.0/16"
    availability_zones: int = 2
    # Buckets in the same Region, besides our own, that phase 4b may read: mirrors of the survey.
    sky_buckets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """All groups; one instance makes one stack."""

    environment: Environment = field(default_factory=Environment)
    tasks: Tasks = field(default_factory=Tasks)
    fanout: Fanout = field(default_factory=Fanout)
    functions: Functions = field(default_factory=Functions)
    athena: Athena = field(default_factory=Athena)
    retention: Retention = field(default_factory=Retention)
    network: Network = field(default_factory=Network)
