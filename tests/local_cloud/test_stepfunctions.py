"""The Step Functions API as its callers see it."""

import json
from itertools import pairwise

import pytest
from botocore.exceptions import ClientError

from tests.local_cloud.conftest import machine, until

PASS = {"Type": "Pass", "End": True}
WAIT = {"Type": "Wait", "Seconds": 600, "End": True}


def test_history_has_states_in_order_with_times(machines):
    execution = machines.start(machine(A=PASS | {"Next": "B", "End": False}, B={"Type": "Succeed"}), {"x": 1})
    machines.finish(execution)
    events = machines.events(execution)
    assert [event["type"] for event in events] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "SucceedStateEntered",
        "SucceedStateExited",
        "ExecutionSucceeded",
    ]
    assert events[1]["stateEnteredEventDetails"] == {"name": "A", "input": '{"x":1}'}
    assert [event["id"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert all(earlier["timestamp"] <= later["timestamp"] for earlier, later in pairwise(events))


def test_a_failed_execution_says_so_everywhere(machines):
    execution = machines.start(machine(F={"Type": "Fail", "Error": "Blocked", "Cause": "NO-GO"}))
    ended = machines.finish(execution)
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "Blocked", "NO-GO")
    assert "output" not in ended
    last = machines.events(execution)[-1]
    assert last["type"] == "ExecutionFailed"
    assert last["executionFailedEventDetails"] == {"error": "Blocked", "cause": "NO-GO"}


def test_a_name_is_used_once(machines):
    arn = machines.create(machine(P=PASS))
    first = machines.sfn.start_execution(stateMachineArn=arn, name="debug-0123", input="{}")
    machines.finish(first["executionArn"])
    with pytest.raises(ClientError) as caught:
        machines.sfn.start_execution(stateMachineArn=arn, name="debug-0123", input="{}")
    assert caught.value.response["Error"]["Code"] == "ExecutionAlreadyExists"


def test_the_same_start_of_a_running_execution_is_that_execution(machines):
    arn = machines.create(machine(W=WAIT))

    def start(data: str) -> str:
        return machines.sfn.start_execution(stateMachineArn=arn, name="one", input=data)["executionArn"]

    first = start("{}")
    assert start("{}") == first
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        start('{"other": 1}')
    machines.sfn.stop_execution(executionArn=first)


def test_stop_and_list_executions(machines):
    arn = machines.create(machine(W=WAIT))
    running = machines.sfn.start_execution(stateMachineArn=arn, name="w", input="{}")["executionArn"]
    listed = machines.sfn.list_executions(stateMachineArn=arn, statusFilter="RUNNING")["executions"]
    assert [execution["name"] for execution in listed] == ["w"]
    machines.sfn.stop_execution(executionArn=running)
    assert machines.finish(running)["status"] == "ABORTED"
    assert machines.sfn.list_executions(stateMachineArn=arn)["executions"][0]["status"] == "ABORTED"
    assert machines.events(running)[-1]["type"] == "ExecutionAborted"


REFUSED = [
    (PASS | {"Pameters": {}}, r"\$\.S: Pameters is not supported"),
    ({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True}, "sqs:sendMessage"),
    (
        {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.waitForTaskToken", "End": True},
        "waitForTaskToken",
    ),
    ({"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:iam:createUser", "End": True}, "iam:createUser"),
    (
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::ecs:runTask.sync",
            "Parameters": {"TaskDefinition": "t", "Overrides": {"ContainerOverrides": [{"Nme": "x"}]}},
            "End": True,
        },
        "Nme",
    ),
    (
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::athena:startQueryExecution.sync",
            "Parameters": {"WorkGroup": "w"},
            "End": True,
        },
        "QueryString is required",
    ),
]


@pytest.mark.parametrize(("state", "message"), REFUSED)
def test_create_state_machine_refuses_by_name(machines, state, message):
    with pytest.raises(ClientError, match=message) as caught:
        machines.create(machine(S=state))
    assert caught.value.response["Error"]["Code"] == "InvalidDefinition"


def test_update_state_machine_refuses_too(machines):
    arn = machines.create(machine(S=PASS))
    with pytest.raises(ClientError, match="Foo"):
        machines.sfn.update_state_machine(
            stateMachineArn=arn, definition=json.dumps(machine(S=PASS | {"Foo": 1}))
        )


def test_a_parameter_of_the_wrong_type_fails_as_on_aws(machines):
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::athena:startQueryExecution.sync",
        "Parameters": {"QueryString.$": "$.n", "WorkGroup": "tiny"},
        "End": True,
    }
    ended = machines.run(machine(S=state), {"n": 5})
    assert ended["error"] == "States.Runtime"
    assert "'QueryString' must be a STRING" in ended["cause"]


def test_sns_publish_takes_any_json(cloud, machines):
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sns:publish",
        "Parameters": {
            "TopicArn": cloud.outputs["Topic"],
            "Message": {"why.$": "$.why"},
            "Subject": "blocked",
        },
        "End": True,
    }
    assert "MessageId" in json.loads(machines.run(machine(S=state), {"why": "NO-GO"})["output"])


def test_aws_sdk_calls_and_their_error_names(machines):
    def call(action: str, **parameters) -> dict:
        resource = f"arn:aws:states:::aws-sdk:s3:{action}"
        return machines.run(
            machine(S={"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True})
        )

    put = call("putObject", Bucket="tiny-data", Key="sdk/_SUCCESS.json", Body='{"a":1}', IfNoneMatch="*")
    assert put["status"] == "SUCCEEDED", put
    got = json.loads(call("getObject", Bucket="tiny-data", Key="sdk/_SUCCESS.json")["output"])
    assert json.loads(got["Body"]) == {"a": 1}
    again = call("putObject", Bucket="tiny-data", Key="sdk/_SUCCESS.json", Body="{}", IfNoneMatch="*")
    assert again["error"] == "S3.S3Exception"
    assert call("getObject", Bucket="tiny-data", Key="sdk/nothing")["error"] == "S3.NoSuchKeyException"


def test_a_distributed_map_reads_and_writes_s3(cloud, machines):
    s3 = cloud.client("s3")
    s3.put_object(Bucket="tiny-data", Key="chunks.jsonl", Body=b'{"n": 1}\n{"n": 2}\n{"n": 3}\n')
    state = {
        "Type": "Map",
        "Label": "Chunks",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSONL"},
            "Parameters": {"Bucket": "tiny-data", "Key.$": "$.key"},
        },
        "ItemBatcher": {"MaxItemsPerBatch": 2},
        "ItemProcessor": machine(P=PASS)
        | {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}},
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "tiny-data", "Prefix": "map"},
        },
        "End": True,
    }
    execution = machines.start(machine(M=state), {"key": "chunks.jsonl"})
    out = json.loads(machines.finish(execution)["output"])
    manifest = json.loads(
        s3.get_object(Bucket="tiny-data", Key=out["ResultWriterDetails"]["Key"])["Body"].read()
    )
    written = manifest["ResultFiles"]["SUCCEEDED"][0]["Key"]
    rows = json.loads(cloud.object_path("tiny-data", written).read_text())
    assert [len(json.loads(row["Output"])["Items"]) for row in rows] == [2, 1]
    run = machines.sfn.describe_map_run(mapRunArn=out["MapRunArn"])
    assert (run["status"], run["itemCounts"]["succeeded"], run["executionCounts"]["total"]) == (
        "SUCCEEDED",
        3,
        2,
    )
    assert machines.sfn.list_map_runs(executionArn=execution)["mapRuns"][0]["mapRunArn"] == out["MapRunArn"]
    assert [event["type"] for event in machines.events(execution)].count("MapRunSucceeded") == 1


def test_a_missing_item_list_fails_the_execution(machines):
    state = {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "Parameters": {"Bucket": "tiny-data", "Key": "no-such-list.json"},
        },
        "ItemProcessor": machine(P=PASS)
        | {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}},
        "End": True,
    }
    assert machines.run(machine(M=state))["error"] == "States.ItemReaderFailed"


def test_2000_items_one_at_a_time_finish(machines):
    state = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "MaxConcurrency": 1,
        "ItemProcessor": machine(P={"Type": "Pass", "Parameters": {"n.$": "$"}, "End": True})
        | {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}},
        "ResultSelector": {"count.$": "States.ArrayLength($)", "last.$": "$[-1].n"},
        "End": True,
    }
    ended = machines.run(machine(M=state), {"items": list(range(2000))})
    assert json.loads(ended["output"]) == {"count": 2000, "last": 1999}


def test_stopping_an_execution_ends_a_wait_at_once(machines):
    execution = machines.start(machine(W=WAIT))
    until(lambda: len(machines.events(execution)) > 1)
    machines.sfn.stop_execution(executionArn=execution)
    assert machines.finish(execution, seconds=2)["status"] == "ABORTED"
