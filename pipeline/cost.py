"""What a run takes: seconds, bytes and dollars, from constants that say where they come from.

The estimate of a plan; the bill differs. Prices: us-west-2 list prices of 2026
(aws.amazon.com/fargate/pricing, /step-functions/pricing, /s3/pricing, /athena/pricing, /cloudwatch/pricing).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# Seconds of one vCPU. BRICK: ten files of 75 MB in all at 60 MB/s from S3, and reading 36 stamps (0.07 s of
# CPU, benchmarks/README.md). ROW: 0.7 ms of rendering and writing, 0.4 of noise, 0.1 of
# the upload (benchmarks/README.md). START: image pull and imports of a task, billed.
BRICK_SECONDS, ROW_SECONDS, START_SECONDS = 1.3, 0.0012, 30.0
CACHE_BRICK_SECONDS = 2.5  # 4b: 75 MB in and out again

# Bytes, measured (benchmarks/README.md); stamps grow with their pixels.
MANIFEST_BYTES, METRICS_BYTES, IMAGE_BYTES_64 = 105, 225, 45_900  # an image each row, a raw one each host

VCPU_HOUR, GB_HOUR = 0.03238, 0.00356  # Fargate on ARM
SPOT_PRICE = 0.4  # of On-Demand; 50-70 % less is typical
SPOT_SHARE = 0.75  # infra/settings.py: spot_weight 3 to on_demand_weight 1
TASK_GB = 4.0
CONCURRENCY = 100  # infra/settings.py: inject_concurrency
TRANSITION = 0.025 / 1000  # Step Functions, STANDARD
S3_GET, S3_PUT = 0.0004 / 1000, 0.005 / 1000
S3_GB_MONTH = 0.023  # Standard
ATHENA_TB = 5.0
LOG_GB = 0.50
ENDPOINT_HOUR = 0.01  # one interface endpoint in one zone: three of them in two zones
# The gate: number of queries, and the bytes they read together over those of metrics and manifest, measured
# on a million rows (benchmarks/README.md). Athena bills 10 MB a query at least, and so much for each canary.
CHECKS, CHECKS_READ, LEAST_SCAN = 31, 0.95, 10e6
_TRANSITIONS_A_CHILD, _FILES_A_BRICK, _LOG_BYTES_A_TASK = 3, 10, 50_000


@dataclass(frozen=True)
class Estimate:
    """Rows and bytes as planned; task_hours: of vCPU; hours: of the clock; dollars by line."""

    bytes: dict[str, int]
    task_hours: float
    hours: float
    dollars: dict[str, float]

    @property
    def dollars_a_month(self) -> float:
        """Of keeping the tables; the cached bricks are shared by all runs and not counted."""
        return sum(self.bytes.values()) / 1e9 * S3_GB_MONTH

    def as_json(self) -> dict[str, object]:
        lines = {name: round(value, 2) for name, value in self.dollars.items()}
        return {
            "bytes": self.bytes,
            "task_hours": round(self.task_hours, 2),
            "hours": round(self.hours, 2),
            "dollars": lines,
            "dollars_total": round(sum(lines.values()), 2),
            "dollars_a_month": round(self.dollars_a_month, 2),
        }


def estimate(
    rows: int, hosts: int, bricks: int, n_pix: int, chunk_seconds: list[float], at_once: int = CONCURRENCY
) -> Estimate:
    """The cost of a plan. bricks: brick readings, a divided brick counts more than once; at_once: tasks."""
    n = len(chunk_seconds)
    cache_seconds = bricks * CACHE_BRICK_SECONDS + n * START_SECONDS
    inject_seconds = sum(chunk_seconds) + n * START_SECONDS
    task_hours = (cache_seconds + inject_seconds) / 3600
    slots = min(at_once, max(n, 1))
    longest = max(chunk_seconds, default=0.0) + START_SECONDS
    clock = max(inject_seconds / slots, longest) + cache_seconds / slots + 300
    size = {
        "manifest": rows * MANIFEST_BYTES,
        "metrics": rows * METRICS_BYTES,
        "stamps": round((rows + hosts) * IMAGE_BYTES_64 * (n_pix / 64) ** 2),
    }
    return Estimate(size, task_hours, clock / 3600, _dollars(task_hours, clock / 3600, n, bricks, size))


def _dollars(task_hours: float, hours: float, n: int, bricks: int, size: dict[str, int]) -> dict[str, float]:
    rate = VCPU_HOUR + TASK_GB * GB_HOUR
    mean_price = SPOT_SHARE * SPOT_PRICE + 1.0 - SPOT_SHARE
    parts = math.ceil(size["stamps"] / 16e6)
    gets = 2 * bricks * _FILES_A_BRICK
    puts = bricks * _FILES_A_BRICK + parts + 6 * n
    scanned = CHECKS_READ * (size["metrics"] + size["manifest"])
    return {
        "fargate": task_hours * rate * mean_price,
        "step functions": (2 * n * _TRANSITIONS_A_CHILD + 40) * TRANSITION,
        "s3 requests": gets * S3_GET + puts * S3_PUT,
        "athena": (max(scanned, CHECKS * LEAST_SCAN) + CHECKS * LEAST_SCAN) / 1e12 * ATHENA_TB,
        "logs": 2 * n * _LOG_BYTES_A_TASK / 1e9 * LOG_GB,
        "endpoints": 6 * ENDPOINT_HOUR * math.ceil(hours),
    }
