"""The state machine's role, written by hand.

CDK's own grants are switched off (`without_policy_updates`): for Athena they give s3:GetObject on `*` and
Lake Formation on `*`, for ECS every task of the account.
"""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.constructs import permissions as may
from infra.constructs.task import Task
from infra.paths import ATHENA_RESULTS, MAP_RESULTS, RUNS

# These actions know no resource: AWS offers nothing narrower than "*" for them.
_DELIVERY = (
    "CreateLogDelivery",
    "GetLogDelivery",
    "UpdateLogDelivery",
    "DeleteLogDelivery",
    "ListLogDeliveries",
    "PutResourcePolicy",
    "DescribeResourcePolicies",
    "DescribeLogGroups",
)
_TRACING = ("PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets")


class StateMachineRole(Construct):
    """What the state machine may do; `allow_children` once the machine exists."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        bucket: s3.IBucket,
        workgroup_arn: str,
        functions: Sequence[lambda_.IFunction],
        task: Task,
    ) -> None:
        super().__init__(scope, id)
        self._role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        self.policy = iam.Policy(self, "Policy", roles=[self._role])
        self.policy.add_statements(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"], resources=[f.function_arn for f in functions]
            ),
            *_athena(self, bucket, workgroup_arn),
            *_tasks(self, task),
            *_maps(bucket),
            iam.PolicyStatement(actions=[f"logs:{action}" for action in _DELIVERY], resources=["*"]),
            iam.PolicyStatement(actions=[f"xray:{action}" for action in _TRACING], resources=["*"]),
        )

    @property
    def role(self) -> iam.IRole:
        return self._role.without_policy_updates()

    def allow_children(self, machine: sfn.StateMachine) -> None:
        """A distributed Map starts the machine's children; its own policy, since it names the machine.

        CDK's equal policy hangs in the air, as it may not touch the role; it is taken out of the tree.
        """
        machine.node.try_remove_child("DistributedMapPolicy")
        stack = cdk.Stack.of(self)
        children = stack.format_arn(
            service="states",
            resource="execution",
            resource_name=f"{machine.state_machine_name}/*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        policy = iam.Policy(self, "ChildrenPolicy", roles=[self._role])
        policy.add_statements(
            iam.PolicyStatement(actions=["states:StartExecution"], resources=[machine.state_machine_arn]),
            iam.PolicyStatement(
                actions=["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
                resources=[children],
            ),
        )


def _athena(scope: Construct, bucket: s3.IBucket, workgroup_arn: str) -> list[iam.PolicyStatement]:
    """The queries run with this role's rights on the catalogue and the data."""
    catalog = cdk.Stack.of(scope).format_arn(
        service="athena", resource="datacatalog", resource_name="AwsDataCatalog"
    )
    return [
        may.run_queries(workgroup_arn),
        iam.PolicyStatement(actions=["athena:GetDataCatalog"], resources=[catalog]),
        may.read_catalogue(scope),
        may.locate(bucket),
        may.list_keys(bucket, RUNS, ATHENA_RESULTS, MAP_RESULTS),
        may.read_objects(bucket, RUNS, ATHENA_RESULTS),
        may.write_objects(bucket, f"{ATHENA_RESULTS}*"),
    ]


def _tasks(scope: Construct, task: Task) -> list[iam.PolicyStatement]:
    stack = cdk.Stack.of(scope)
    in_cluster = {"ArnEquals": {"ecs:cluster": task.cluster.cluster_arn}}
    arn = stack.format_arn
    definitions = arn(service="ecs", resource="task-definition", resource_name=f"{task.definition.family}:*")
    running = arn(service="ecs", resource="task", resource_name=f"{task.cluster.cluster_name}/*")
    roles = [role.role_arn for role in (task.definition.task_role, task.definition.execution_role) if role]
    return [
        iam.PolicyStatement(
            actions=["ecs:RunTask"],
            resources=[definitions],
            conditions=in_cluster,
        ),
        iam.PolicyStatement(
            actions=["ecs:StopTask", "ecs:DescribeTasks"],
            resources=[running],
            conditions=in_cluster,
        ),
        # The task definition's tags are propagated to its tasks, for the bill.
        iam.PolicyStatement(
            actions=["ecs:TagResource"],
            resources=[running],
            conditions={"StringEquals": {"ecs:CreateAction": "RunTask"}},
        ),
        iam.PolicyStatement(
            actions=["iam:PassRole"],
            resources=roles,
            conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
        # The rule by which Step Functions hears that a task has stopped; its name is AWS's.
        iam.PolicyStatement(
            actions=["events:PutTargets", "events:PutRule", "events:DescribeRule"],
            resources=[
                arn(service="events", resource="rule", resource_name="StepFunctionsGetEventsForECSTaskRule")
            ],
        ),
    ]


def _maps(bucket: s3.IBucket) -> list[iam.PolicyStatement]:
    """Reader: the chunk list (below runs/, granted above). Writer: the result files."""
    return [
        may.write_objects(bucket, f"{MAP_RESULTS}/*"),
        may.read_objects(bucket, f"{MAP_RESULTS}/"),
        iam.PolicyStatement(
            actions=["s3:ListMultipartUploadParts"],
            resources=[bucket.arn_for_objects(f"{p}*") for p in (f"{MAP_RESULTS}/", ATHENA_RESULTS)],
        ),
    ]
