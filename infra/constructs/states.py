"""The states by kind: a Lambda call, an Athena query, a distributed Map over chunks, the checks.

Plain JSONPath throughout (the local interpreter knows no more), and SQL travels as data, never in
States.Format. Every Task has a timeout and says which of its errors may pass.
"""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from infra.constructs.network import IsolatedNetwork
from infra.constructs.task import Task
from infra.paths import MAP_RESULTS
from infra.settings import Athena, Fanout, Settings
from pipeline.events import BAD_INPUT, CLOSURE_PHASE, PLAN_PHASE, TASK_CHUNK, TASK_PHASE, TASK_RUN
from pipeline.schema import DATABASE

# RunTask refused for a while: throttled, no (Spot) capacity, vCPU quota reached.
THROTTLED = [
    "ECS.AmazonECSException",
    "ECS.InvalidParameterException",
    "ECS.ThrottlingException",
    "ECS.ServerException",
    "ECS.LimitExceededException",
]
ATHENA_BUSY = [
    "Athena.TooManyRequestsException",
    "Athena.ThrottlingException",
    "Athena.InternalServerException",
    "Athena.AmazonAthenaException",
]


def invoke(
    scope: Construct,
    id: str,
    function: lambda_.IFunction,
    payload: dict[str, Any] | None,
    result_path: str,
    minutes: int,
) -> tasks.LambdaInvoke:
    """Call a Lambda (payload None: the state's whole input); its answer goes to `result_path`."""
    state = tasks.LambdaInvoke(
        scope,
        id,
        lambda_function=function,
        payload=sfn.TaskInput.from_object(payload) if payload else None,
        payload_response_only=True,
        result_path=result_path,
        retry_on_service_exceptions=True,
        # A little more than the function's own timeout, whose message is the better one.
        task_timeout=_minutes(minutes + 1),
    )
    # pipeline.errors.TransientError: Lambda names an error after its Python class.
    state.add_retry(
        errors=["TransientError"], interval=cdk.Duration.seconds(5), max_attempts=3, backoff_rate=2
    )
    return state


def query(
    scope: Construct, id: str, sql_path: str, settings: Athena, result_path: str
) -> tasks.AthenaStartQueryExecution:
    """Run the SQL at `sql_path` and wait; {query_execution_id} goes to `result_path`."""
    state = tasks.AthenaStartQueryExecution(
        scope,
        id,
        integration_pattern=sfn.IntegrationPattern.RUN_JOB,
        query_string=sfn.JsonPath.string_at(sql_path),
        query_execution_context=tasks.QueryExecutionContext(database_name=DATABASE),
        work_group=settings.workgroup,
        result_selector={"query_execution_id.$": "$.QueryExecution.QueryExecutionId"},
        result_path=result_path,
        task_timeout=_minutes(settings.query_timeout_minutes),
    )
    state.add_retry(
        errors=ATHENA_BUSY,
        interval=cdk.Duration.seconds(5),
        max_attempts=settings.attempts,
        backoff_rate=2,
        jitter_strategy=sfn.JitterType.FULL,
    )
    return state


class Checks:
    """`Run<Names>`: each query of the array at `path`; one that errors is a result like the others.

    A query's result takes the place of its SQL: no state carries both (262,144 bytes).
    """

    def __init__(self, scope: Construct, one: str, many: str, path: str, settings: Athena) -> None:
        name = {"name.$": "$.name"}
        run = query(scope, f"Run{one}", "$.sql", settings, "$.query")
        ran = sfn.Pass(
            scope,
            f"{one}Ran",
            parameters={**name, "query_execution_id.$": "$.query.query_execution_id"},
        )
        # The error as one string: its Cause may be absent, as in a timeout.
        broke = sfn.Pass(
            scope, f"{one}Errored", parameters={**name, "error.$": "States.JsonToString($.error)"}
        )
        run.add_catch(broke, errors=["States.ALL"], result_path="$.error")
        self.state = sfn.Map(
            scope,
            f"Run{many}",
            items_path=path,
            max_concurrency=settings.check_concurrency,
            result_path=path,
        ).item_processor(run.next(ran))


class FargateTasks:
    """Distributed Maps over the chunks of $.plan.chunks_key, one task a chunk; and one task for a run."""

    def __init__(
        self, scope: Construct, settings: Settings, bucket: s3.IBucket, task: Task, network: IsolatedNetwork
    ) -> None:
        self._scope, self._settings, self._bucket = scope, settings, bucket
        self._task, self._network = task, network

    def state(self, name: str, phase: str, concurrency: int, minutes: int) -> sfn.DistributedMap:
        """`<name>Bricks`, whose children are `<name>Chunk`."""
        state = sfn.DistributedMap(
            self._scope,
            f"{name}Bricks",
            label=f"{name}Bricks",
            map_execution_type=sfn.StateMachineType.STANDARD,
            item_reader=sfn.S3JsonItemReader(
                bucket=self._bucket, key=sfn.JsonPath.string_at("$.plan.chunks_key")
            ),
            item_selector={"request.$": "$.plan.request", "chunk.$": "$$.Map.Item.Value"},
            max_concurrency=concurrency,
            tolerated_failure_percentage=self._settings.fanout.tolerated_failure_percentage,
            result_writer_v2=sfn.ResultWriterV2(bucket=self._bucket, prefix=MAP_RESULTS),
            result_path=sfn.JsonPath.DISCARD,
        )
        # CDK 2.275 demands execution_type below and then warns that it has no effect.
        ignored = "@aws-cdk/aws-stepfunctions:propertyIgnored"
        cdk.Annotations.of(state).acknowledge_warning(ignored, "map_execution_type says the same")
        return state.item_processor(
            self._of_chunk(f"{name}Chunk", phase, minutes),
            mode=sfn.ProcessorMode.DISTRIBUTED,
            execution_type=sfn.ProcessorType.STANDARD,
        )

    def plan(self, minutes: int) -> sfn.Chain:
        """`PlanTask`: 4a of a run that is too large for a Lambda."""
        return self._of_run("PlanTask", PLAN_PHASE, minutes)

    def closure(self, minutes: int) -> sfn.Chain:
        """`Closure`: a sample of the run rendered again, in one task."""
        return self._of_run("Closure", CLOSURE_PHASE, minutes)

    def _of_run(self, id: str, phase: str, minutes: int) -> sfn.Chain:
        request = sfn.JsonPath.json_to_string(sfn.JsonPath.object_at("$.plan.request"))
        return self._tried(id, {TASK_PHASE: phase, TASK_RUN: request}, minutes)

    def _of_chunk(self, id: str, phase: str, minutes: int) -> sfn.Chain:
        environment = {
            TASK_PHASE: phase,
            TASK_RUN: sfn.JsonPath.json_to_string(sfn.JsonPath.object_at("$.request")),
            TASK_CHUNK: sfn.JsonPath.json_to_string(sfn.JsonPath.object_at("$.chunk")),
        }
        return self._tried(id, environment, minutes)

    def _tried(self, id: str, environment: dict[str, str], minutes: int) -> sfn.Chain:
        """`<id>`, and for what it fails of `<id>Again`, with retries: but not for bad input, `<id>BadInput`.

        A Retry knows an error by its name, and every exit code is States.TaskFailed; so the first failure is
        caught and its cause looked at. Whatever is no bad input ends in a Task, where a redrive resumes; a
        run whose input was refused is started anew when the input is mended.
        """
        first = self._task_state(id, environment, minutes)
        again = self._task_state(f"{id}Again", environment, minutes)
        _retry_throttled(first, self._settings.fanout)
        _retry_throttled(again, self._settings.fanout)
        _retry_failed(again, self._settings.fanout)
        refused = sfn.Fail(self._scope, f"{id}BadInput", error="InputError", cause_path="$.failure.Cause")
        # The cause is the description of the task in compact JSON; the code is never its last field.
        bad_input = sfn.Condition.string_matches("$.failure.Cause", f'*"ExitCode":{BAD_INPUT},*')
        cause = sfn.Choice(self._scope, f"{id}Failure").when(bad_input, refused).otherwise(again)
        first.add_catch(cause, errors=["States.TaskFailed"], result_path="$.failure")
        return sfn.Chain.custom(first, [first, again], again)

    def _task_state(self, id: str, environment: dict[str, str], minutes: int) -> tasks.EcsRunTask:
        return tasks.EcsRunTask(
            self._scope,
            id,
            integration_pattern=sfn.IntegrationPattern.RUN_JOB,
            cluster=self._task.cluster,
            task_definition=self._task.definition,
            launch_target=self._launch_target(),
            subnets=self._network.subnets,
            security_groups=[self._network.task_group],
            assign_public_ip=False,
            container_overrides=[self._overrides(environment)],
            propagated_tag_source=ecs.PropagatedTagSource.TASK_DEFINITION,
            result_path=sfn.JsonPath.DISCARD,  # 10 KB of task description a chunk
            task_timeout=_minutes(minutes),
        )

    def _launch_target(self) -> tasks.EcsFargateLaunchTarget:
        weights = {
            "FARGATE_SPOT": self._settings.tasks.spot_weight,
            "FARGATE": self._settings.tasks.on_demand_weight,
        }
        return tasks.EcsFargateLaunchTarget(
            platform_version=ecs.FargatePlatformVersion.VERSION1_4,
            capacity_provider_options=tasks.CapacityProviderOptions.custom(
                capacity_provider_strategy=[
                    ecs.CapacityProviderStrategy(capacity_provider=provider, weight=weight)
                    for provider, weight in weights.items()
                    if weight
                ]
            ),
        )

    def _overrides(self, environment: dict[str, str]) -> tasks.ContainerOverride:
        return tasks.ContainerOverride(
            container_definition=self._task.container,
            environment=[
                tasks.TaskEnvironmentVariable(name=name, value=value) for name, value in environment.items()
            ],
        )


def _retry_throttled(state: tasks.EcsRunTask, fanout: Fanout) -> None:
    """Patiently."""
    state.add_retry(
        errors=THROTTLED,
        interval=cdk.Duration.seconds(fanout.throttle_interval_seconds),
        max_attempts=fanout.throttle_attempts,
        backoff_rate=fanout.throttle_backoff,
        max_delay=cdk.Duration.minutes(10),
        jitter_strategy=sfn.JitterType.FULL,
    )


def _retry_failed(state: tasks.EcsRunTask, fanout: Fanout) -> None:
    """What infrastructure or Spot broke; the first retry was the state itself."""
    state.add_retry(
        errors=["States.TaskFailed"],
        interval=cdk.Duration.seconds(fanout.failure_interval_seconds),
        max_attempts=fanout.failure_attempts - 1,
        backoff_rate=2,
        jitter_strategy=sfn.JitterType.FULL,
    )


def _minutes(minutes: int) -> sfn.Timeout:
    return sfn.Timeout.duration(cdk.Duration.minutes(minutes))
