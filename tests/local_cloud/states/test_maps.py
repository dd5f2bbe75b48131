"""Map states: a failed item fails the Map; tolerance, batches, readers and writers as on AWS."""

import json
import threading

import pytest

from local_cloud.states import StateError
from tests.local_cloud.states.harness import FakeServices, dumps, machine, run

CONFIG = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
PASS = {"Type": "Pass", "End": True}
BOOM = machine(
    C={
        "Type": "Choice",
        "Choices": [{"Variable": "$.bad", "BooleanEquals": True, "Next": "F"}],
        "Default": "P",
    },
    F={"Type": "Fail", "Error": "Boom", "Cause": "x"},
    P=PASS,
)
READER = {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": "b", "Key.$": "$.key"}}
WRITER = {
    "Resource": "arn:aws:states:::s3:putObject",
    "Parameters": {"Bucket": "b", "Prefix": "results/run-1"},
}


def distributed(processor: dict = BOOM, **fields) -> dict:
    return machine(
        M={"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor | CONFIG, "End": True, **fields}
    )


def items(good: int, bad: int) -> dict:
    return {"items": [{"bad": number < bad} for number in range(good + bad)]}


def test_results_keep_the_order_of_the_items():
    inline = machine(M={"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": machine(P=PASS), "End": True})
    assert run(inline, {"items": list(range(50))}) == list(range(50))
    assert run(distributed(machine(P=PASS)), {"items": list(range(50))}) == list(range(50))


def test_one_failed_item_fails_the_map():
    with pytest.raises(StateError) as caught:
        run(distributed(), items(good=9, bad=1))
    assert caught.value.error == "States.ExceedToleratedFailureThreshold"


def test_one_failed_item_fails_an_inline_map_with_its_own_error():
    inline = machine(M={"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": BOOM, "End": True})
    with pytest.raises(StateError) as caught:
        run(inline, items(good=9, bad=1))
    assert caught.value.error == "Boom"


@pytest.mark.parametrize(
    ("tolerance", "bad", "fails"),
    [
        ({"ToleratedFailurePercentage": 10}, 1, False),
        ({"ToleratedFailurePercentage": 10}, 2, True),
        ({"ToleratedFailureCount": 2}, 2, False),
        ({"ToleratedFailureCount": 2}, 3, True),
        ({"ToleratedFailureCount": 0}, 1, True),
        ({"ToleratedFailureCount": 5, "ToleratedFailurePercentage": 10}, 2, True),
        ({"ToleratedFailurePercentagePath": "$.tolerated"}, 3, False),
    ],
)
def test_tolerance(tolerance, bad, fails):
    data = items(good=10 - bad, bad=bad) | {"tolerated": 30}
    if fails:
        with pytest.raises(StateError, match=f"{bad} of 10|threshold"):
            run(distributed(**tolerance), data)
    else:
        assert len(run(distributed(**tolerance), data)) == 10 - bad


def test_a_failed_batch_counts_all_its_items():
    broken = distributed(machine(F={"Type": "Fail", "Error": "Boom"}), ItemBatcher={"MaxItemsPerBatch": 3})
    with pytest.raises(StateError, match="3 of 3 items"):
        run(broken | {}, {"items": [1, 2, 3]})


def test_the_map_can_be_caught_and_retried():
    catch = [{"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "ResultPath": "$.e", "Next": "H"}]
    definition = distributed(Catch=catch)
    definition["States"]["H"] = PASS
    assert run(definition, items(1, 1))["e"]["Error"] == "States.ExceedToleratedFailureThreshold"


def test_2000_items_one_at_a_time():
    running, most, lock = 0, 0, threading.Lock()

    def work(parameters):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1
        return parameters

    processor = machine(T={"Type": "Task", "Resource": "arn:work:x", "End": True})
    result = run(
        distributed(processor, MaxConcurrency=1), {"items": list(range(2000))}, FakeServices(work=work)
    )
    assert result == list(range(2000))
    assert most == 1


def test_max_concurrency_is_reached():
    together = threading.Barrier(3, timeout=10)
    processor = machine(T={"Type": "Task", "Resource": "arn:work:x", "End": True})
    services = FakeServices(work=lambda parameters: together.wait() * 0)
    assert run(distributed(processor, MaxConcurrency=3), {"items": [1] * 6}, services) == [0] * 6


def test_item_selector_and_the_context_of_a_child():
    selector = {
        "i.$": "$$.Map.Item.Index",
        "v.$": "$$.Map.Item.Value",
        "all.$": "$.shared",
        "run.$": "$$.Execution.Name",
    }
    inner = machine(
        P={"Type": "Pass", "Parameters": {"in.$": "$", "child.$": "$$.Execution.Id"}, "End": True}
    )
    out = run(distributed(inner, ItemSelector=selector, Label="L"), {"items": ["a"], "shared": 7})
    assert out[0]["in"] == {"i": 0, "v": "a", "all": 7, "run": "run-1"}
    assert out[0]["child"].startswith("arn:aws:states:local:1:execution:m/L:")


def test_item_batcher_by_count_and_by_bytes():
    batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"tier.$": "$.tier"}}
    out = run(distributed(machine(P=PASS), ItemBatcher=batcher), {"items": [1, 2, 3], "tier": "debug"})
    assert out == [
        {"BatchInput": {"tier": "debug"}, "Items": [1, 2]},
        {"BatchInput": {"tier": "debug"}, "Items": [3]},
    ]
    by_bytes = run(
        distributed(machine(P=PASS), ItemBatcher={"MaxInputBytesPerBatch": 60}), {"items": ["x" * 20] * 4}
    )
    assert [len(batch["Items"]) for batch in by_bytes] == [2, 2]
    assert all(len(json.dumps(batch)) <= 60 for batch in by_bytes)


@pytest.mark.parametrize(
    ("config", "body"),
    [
        ({}, dumps([1, 2, 3])),
        ({"InputType": "JSON", "ItemsPointer": "/a/b"}, dumps({"a": {"b": [1, 2, 3]}})),
        ({"InputType": "JSONL"}, b"1\n2\n\n3\n"),
        ({"InputType": "JSONL", "MaxItems": 3}, b"1\n2\n3\n4\n"),
    ],
)
def test_item_reader(config, body):
    services = FakeServices()
    services.objects["b", "k.json"] = body
    definition = distributed(machine(P=PASS), ItemReader=READER | {"ReaderConfig": config})
    del definition["States"]["M"]["ItemsPath"]
    assert run(definition, {"key": "k.json"}, services) == [1, 2, 3]


@pytest.mark.parametrize("body", [b"{", b'{"not": "a list"}', None])
def test_an_unreadable_item_list_is_an_error_not_an_empty_map(body):
    services = FakeServices()
    if body is not None:
        services.objects["b", "k.json"] = body
    with pytest.raises(StateError) as caught:
        run(distributed(ItemReader=READER), {"key": "k.json"}, services)
    assert caught.value.error == "States.ItemReaderFailed"


def test_items_that_are_no_array():
    with pytest.raises(StateError, match="array"):
        run(distributed(), {"items": {"a": 1}})


def _written(services: FakeServices, suffix: str):
    found = [body for (_, key), body in services.objects.items() if key.endswith(suffix)]
    assert len(found) == 1, sorted(services.objects)
    return found[0].decode()


def test_result_writer_writes_what_aws_writes():
    services = FakeServices()
    out = run(distributed(ResultWriter=WRITER, ToleratedFailureCount=1), items(2, 1), services)
    key = out["ResultWriterDetails"]["Key"]
    assert key == f"results/run-1/{out['MapRunArn'].rsplit(':', 1)[1]}/manifest.json"
    manifest = json.loads(services.objects["b", key])
    assert manifest["DestinationBucket"] == "b"
    assert [len(manifest["ResultFiles"][status]) for status in ("SUCCEEDED", "FAILED", "PENDING")] == [
        1,
        1,
        0,
    ]
    entry = manifest["ResultFiles"]["SUCCEEDED"][0]
    assert len(services.objects["b", entry["Key"]]) == entry["Size"]
    succeeded = json.loads(_written(services, "SUCCEEDED_0.json"))
    assert [json.loads(row["Output"]) for row in succeeded] == [{"bad": False}] * 2
    failed = json.loads(_written(services, "FAILED_0.json"))[0]
    assert (failed["Status"], failed["Error"], failed["Cause"]) == ("FAILED", "Boom", "x")
    assert json.loads(failed["Input"]) == {"bad": True}


def test_result_writer_writes_before_the_map_fails():
    services = FakeServices()
    with pytest.raises(StateError):
        run(distributed(ResultWriter=WRITER, MaxConcurrency=1), items(2, 1), services)
    assert json.loads(_written(services, "FAILED_0.json"))[0]["Error"] == "Boom"
    assert len(json.loads(_written(services, "PENDING_0.json"))) == 2


def test_result_writer_flattens_into_json_lines():
    config = {"OutputType": "JSONL", "Transformation": "FLATTEN"}
    services = FakeServices()
    writer = WRITER | {"WriterConfig": config}
    run(distributed(machine(P=PASS), ResultWriter=writer), {"items": [[1, 2], [3]]}, services)
    assert _written(services, "SUCCEEDED_0.jsonl") == "1\n2\n3"


def test_a_map_inside_a_map():
    inner = machine(N={"Type": "Map", "ItemProcessor": machine(Q=PASS), "End": True})
    assert run(distributed(inner), {"items": [[1, 2], [3]]}) == [[1, 2], [3]]
