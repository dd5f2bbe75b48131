"""What a definition may not say: each refused with the path to the state and the name of the field."""

import copy

import pytest

from local_cloud.states import DefinitionError
from tests.local_cloud.states.harness import check, machine

PASS = {"Type": "Pass", "End": True}
TASK = {"Type": "Task", "Resource": "arn:a:x", "End": True}
DISTRIBUTED = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **machine(Inner=PASS)}
MAP = {"Type": "Map", "ItemProcessor": DISTRIBUTED, "End": True}
READER = {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": "b", "Key": "k"}}
WRITER = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix": "p"}}
CATCH = {"ErrorEquals": ["States.ALL"], "Next": "S"}

REFUSED = [
    (PASS | {"Pameters": {}}, "S: Pameters is not supported"),
    (PASS | {"Assign": {}}, "Assign"),
    (PASS | {"QueryLanguage": "JSONata"}, "JSONata"),
    (PASS | {"ResultPath": "$.a[0]"}, "reference path"),
    (PASS | {"Next": "Nowhere", "End": False}, "Nowhere"),
    (PASS | {"End": False}, "Next or End"),
    (PASS | {"Next": "S"}, "Next or End"),
    ({"Type": "Frob"}, "Frob"),
    ({"Type": "Task", "End": True}, "Resource"),
    (TASK | {"Resource": "lambda"}, "'lambda'"),
    (TASK | {"HeartbeatSeconds": 1}, "HeartbeatSeconds"),
    (TASK | {"TimeoutSeconds": 1, "TimeoutSecondsPath": "$.t"}, "not both"),
    (TASK | {"Parameters": {"a": [{"b.$": "$..c"}]}}, "..c"),
    (TASK | {"Retry": [{"ErrorEquals": ["a"], "Jitter": 1}]}, "Jitter"),
    (TASK | {"Retry": [{"ErrorEquals": []}]}, "ErrorEquals"),
    (TASK | {"Retry": [{"ErrorEquals": ["a"], "BackoffRate": 0.5}]}, "BackoffRate"),
    (TASK | {"Catch": [CATCH | {"Output": 1}]}, "Output"),
    (TASK | {"Catch": [CATCH | {"Next": "Gone"}]}, "Gone"),
    (TASK | {"Catch": [{"ErrorEquals": ["States.ALL", "x"], "Next": "S"}]}, "alone"),
    ({"Type": "Choice", "Choices": [{"Variable": "$.a", "StringLike": "x", "Next": "S"}]}, "StringLike"),
    (
        {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": True, "IsString": True, "Next": "S"}]},
        "exactly one",
    ),
    ({"Type": "Wait", "Seconds": 1, "Timestamp": "2026-01-01T00:00:00Z", "End": True}, "exactly one"),
    (
        {"Type": "Parallel", "Branches": [machine(P=PASS | {"Foo": 1})], "End": True},
        r"S.Branches\[0\].P: Foo",
    ),
    (MAP | {"Iterator": {}}, "Iterator"),
    (MAP | {"ItemReader": READER | {"ReaderConfig": {"InputType": "CSV"}}}, "CSV"),
    (MAP | {"ItemReader": READER | {"Resource": "arn:aws:states:::s3:listObjectsV2"}}, "listObjectsV2"),
    (MAP | {"ItemReader": READER | {"ReaderConfig": {"CSVHeaders": []}}}, "CSVHeaders"),
    (MAP | {"ItemBatcher": {"BatchInput": {}}}, "MaxItemsPerBatch"),
    (MAP | {"ItemBatcher": {"MaxItems": 1}}, "MaxItems"),
    (MAP | {"ResultWriter": WRITER | {"WriterConfig": {"Transformation": "ZIP"}}}, "ZIP"),
    (MAP | {"ResultWriter": WRITER | {"Parameters": {"Prefix": "p"}}}, "Bucket"),
]


@pytest.mark.parametrize(("state", "message"), REFUSED)
def test_refused_by_name(state, message):
    with pytest.raises(DefinitionError, match=message):
        check(machine(S=state))


def test_the_message_has_the_path_to_a_state_inside_a_map():
    broken = copy.deepcopy(MAP)
    broken["ItemProcessor"]["States"]["Inner"]["Reesult"] = 1
    with pytest.raises(
        DefinitionError, match=r"\$\.S\.ItemProcessor\.Inner: Reesult is not supported in a Pass state"
    ):
        check(machine(S=broken))


def test_fields_of_a_distributed_map_are_refused_in_an_inline_one():
    inline = MAP | {"ItemProcessor": machine(Inner=PASS), "ItemReader": READER}
    with pytest.raises(DefinitionError, match="ItemReader needs ProcessorConfig Mode DISTRIBUTED"):
        check(machine(S=inline))


def test_express_children_are_refused():
    express = copy.deepcopy(MAP)
    express["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] = "EXPRESS"
    with pytest.raises(DefinitionError, match="EXPRESS"):
        check(machine(S=express))


def test_state_names_are_unique_in_the_whole_machine():
    with pytest.raises(DefinitionError, match="unique"):
        check(machine(S=MAP | {"ItemProcessor": {**DISTRIBUTED, **machine(S=PASS)}}))


def test_unknown_fields_of_the_machine_and_a_wrong_start():
    with pytest.raises(DefinitionError, match="Foo"):
        check(machine(S=PASS) | {"Foo": 1})
    with pytest.raises(DefinitionError, match="StartAt 'Gone'"):
        check(machine(S=PASS) | {"StartAt": "Gone"})


def test_everything_together_is_accepted():
    full = MAP | {
        "Comment": "c",
        "Label": "L",
        "ItemReader": READER | {"ReaderConfig": {"InputType": "JSONL", "MaxItems": 5}},
        "ItemSelector": {"v.$": "$$.Map.Item.Value"},
        "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"t.$": "$.t"}},
        "ResultWriter": WRITER | {"WriterConfig": {"OutputType": "JSONL", "Transformation": "COMPACT"}},
        "MaxConcurrencyPath": "$.n",
        "ToleratedFailurePercentage": 1,
        "Retry": [{"ErrorEquals": ["a"], "JitterStrategy": "FULL", "MaxDelaySeconds": 5}],
        "Catch": [CATCH],
        "ResultPath": None,
    }
    check(machine(S=full))
