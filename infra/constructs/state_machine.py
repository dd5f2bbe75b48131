"""The state machine: plan, cache, inject, closure, reconcile, canaries, checks, verdict, gate, 4d.

A plan too large for a Lambda is made by a task (Plan, PlanSize, PlanTask, ReadPlan).

An execution that SUCCEEDED means that the machine worked; whether the run is good stands in its output,
`verdict`: "GO" with `status` "PUBLISHED" (state Done), or "NO-GO" with `status` "BLOCKED" (state Blocked).
An execution that FAILED means that the machine broke: nothing is known of the run, and a redrive, or after
refused input (error InputError) a new start, is due. So a NO-GO never looks like an outage, and an outage
never like a verdict. The selection function (4d) and `_SUCCESS.json` are reached through the gate's GO alone.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.constructs.functions import Functions
from infra.constructs.network import IsolatedNetwork
from infra.constructs.state_machine_role import StateMachineRole
from infra.constructs.states import Checks, FargateTasks, invoke, query
from infra.constructs.task import Task
from infra.settings import Settings

REQUEST = {"request.$": "$.plan.request"}
ASKED = {
    "asked": {
        "checks.$": "$.queries.checks",
        "canaries.$": "$.canaries.checks",
        "earlier_run.$": "$.queries.earlier_run",
    }
}


class Machine(Construct):
    """The STANDARD state machine; its input is a RunRequest, its executions are named by run_id."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: Settings,
        bucket: s3.IBucket,
        functions: Functions,
        task: Task,
        network: IsolatedNetwork,
        role: StateMachineRole,
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, id)
        self._settings, self._functions = settings, functions
        fargate = FargateTasks(self, settings, bucket, task, network)
        minutes, short = settings.functions.timeout_minutes, settings.functions.short_timeout_minutes
        chain = (
            self._plan(fargate, minutes)
            .next(fargate.state("Cache", "cache", settings.fanout.cache_concurrency,
                                settings.tasks.cache_timeout_minutes))
            .next(fargate.state("Inject", "inject", settings.fanout.inject_concurrency,
                                settings.tasks.inject_timeout_minutes))
            .next(fargate.closure(settings.tasks.closure_timeout_minutes))
            .next(invoke(self, "Reconcile", functions.reconcile, REQUEST, "$.reconcile", minutes))
            .next(invoke(self, "ListCanaries", functions.list_queries, {**REQUEST, "canaries": True},
                         "$.canaries", short))
            .next(Checks(self, "Canary", "Canaries", "$.canaries.checks", settings.athena).state)
            .next(invoke(self, "ListQueries", functions.list_queries, REQUEST, "$.queries", short))
            .next(Checks(self, "Check", "Checks", "$.queries.checks", settings.athena).state)
            .next(invoke(self, "Verdict", functions.verdict,
                         {**REQUEST, **ASKED, "judged.$": "$.reconcile.judged"}, "$.verdict", short))
            .next(self._gate())
        )  # fmt: skip
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_chainable(chain),
            role=role.role,
            timeout=cdk.Duration.hours(settings.fanout.run_timeout_hours),
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=False),
        )
        self.machine.node.add_dependency(role.policy)
        role.allow_children(self.machine)

    def _plan(self, fargate: FargateTasks, minutes: int) -> sfn.Chain:
        """4a in the Lambda; a plan too large for it is made by a task, and the Lambda reads its plan.json."""
        plan = invoke(self, "Plan", self._functions.plan, None, "$.plan", minutes)
        read = invoke(self, "ReadPlan", self._functions.plan, None, "$.plan", minutes)
        made = fargate.plan(self._settings.tasks.plan_timeout_minutes).next(read)
        size = sfn.Choice(self, "PlanSize").when(sfn.Condition.boolean_equals("$.plan.planned", False), made)
        return plan.next(size.afterwards(include_otherwise=True))

    def _gate(self) -> sfn.Choice:
        """Whatever is not a plain GO is blocked."""
        go = sfn.Condition.string_equals("$.verdict.verdict", "GO")
        return sfn.Choice(self, "Gate").when(go, self._publish()).otherwise(self._block())

    def _publish(self) -> sfn.IChainable:
        functions, minutes = self._functions, self._settings.functions.short_timeout_minutes
        judged = {**REQUEST, **ASKED}
        selected = {**judged, "query_execution_id.$": "$.selection_query.query_execution_id"}
        return (
            query(self, "SelectionFunction", "$.queries.selection_function", self._settings.athena,
                  "$.selection_query")
            .next(invoke(self, "WriteSelection", functions.write_selection, selected, "$.selection", minutes))
            .next(invoke(self, "Publish", functions.publish, judged, "$.published", minutes))
            .next(sfn.Pass(self, "Summary", parameters=_outcome(
                {"status": "PUBLISHED", "verdict": "GO", "selection.$": "$.selection",
                 "published.$": "$.published"})))
            .next(sfn.Succeed(self, "Done"))
        )  # fmt: skip

    def _block(self) -> sfn.IChainable:
        refusal = sfn.Pass(self, "Refusal", parameters=_outcome({"status": "BLOCKED", "verdict": "NO-GO"}))
        return refusal.next(sfn.Succeed(self, "Blocked"))


def _outcome(outcome: dict[str, str]) -> dict[str, str]:
    """The output of an execution: who reads it need not know the states."""
    return {
        **outcome,
        "reasons.$": "$.verdict.reasons",
        "checks.$": "$.verdict.checks",
        "counts.$": "$.reconcile",
        "request.$": "$.plan.request",
        "expected_rows.$": "$.plan.expected_rows",
        "config_hash.$": "$.plan.config_hash",
    }
