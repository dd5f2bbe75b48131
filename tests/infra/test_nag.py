"""cdk-nag's AwsSolutions: what it finds and we accept is listed here with the reason."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.xdist_group("infra")

_KEYS = "objects of the one data bucket below a prefix: keys hold run ids and content hashes"

# (rule, construct path) as regular expressions -> why it stays open.
ACCEPTED = {
    (r"IAM5\[Resource::<StorageData\w+\.Arn>/\S+\]", r".*"): _KEYS,
    (r"IAM5\[Resource::\S+:table/darkhalo/\*\]", r".*"): "the tables of our own database, and no other",
    (r"IAM5\[Resource::\S+:task-definition/\S+:\*\]", r"MachineRole/.*"): "revisions of our own task",
    (r"IAM5\[Resource::\S+:task/<TaskCluster\w+>/\*\]", r"MachineRole/.*"): "tasks have no fixed names",
    (r"IAM5\[Resource::\S+:execution:<Machine\w+\.Name>/\*\]", r"MachineRole/.*"): "a Map's children",
    (r"IAM5\[Resource::\*\]", r"MachineRole/Policy/.*"): "log delivery and X-Ray know no resources",
    (r"IAM5\[Resource::\*\]", r"Task/ExecutionRole/.*"): "ecr:GetAuthorizationToken knows no resource",
    (r"ECS2", r"Task/Definition/.*"): "the bucket's name is no secret; Parameter Store would be a detour",
    (r"L1", r"Functions/.*"): "the Python of requirements/*.txt and of the image, and its managed layer",
}


def _matches(violation: tuple[str, str], accepted: tuple[str, str]) -> bool:
    rule, path = violation
    return bool(
        re.fullmatch(f"AwsSolutions-{accepted[0]}", rule)
        and re.fullmatch(f"DarkHaloScope/{accepted[1]}", path)
    )


def test_no_finding_beyond_the_accepted(nag_violations: set[tuple[str, str]]) -> None:
    unlisted = {v for v in nag_violations if not any(_matches(v, accepted) for accepted in ACCEPTED)}
    assert unlisted == set()


def test_every_accepted_finding_still_occurs(nag_violations: set[tuple[str, str]]) -> None:
    stale = {a for a in ACCEPTED if not any(_matches(v, a) for v in nag_violations)}
    assert stale == set(), "mended: take it off the list"
