"""Log groups: every one has a retention, and goes with the stack, since runs keep their own records."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.settings import Retention


def log_group(scope: Construct, id: str, retention: Retention, name: str | None = None) -> logs.LogGroup:
    """A log group; `name` only where a service demands a prefix."""
    return logs.LogGroup(
        scope,
        id,
        log_group_name=name,
        retention=next(day for day, count in _DAYS.items() if count == retention.logs_days),
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )


_DAYS = {
    logs.RetentionDays.ONE_DAY: 1,
    logs.RetentionDays.THREE_DAYS: 3,
    logs.RetentionDays.FIVE_DAYS: 5,
    logs.RetentionDays.ONE_WEEK: 7,
    logs.RetentionDays.TWO_WEEKS: 14,
    logs.RetentionDays.ONE_MONTH: 30,
    logs.RetentionDays.TWO_MONTHS: 60,
    logs.RetentionDays.THREE_MONTHS: 90,
    logs.RetentionDays.SIX_MONTHS: 180,
    logs.RetentionDays.ONE_YEAR: 365,
}
