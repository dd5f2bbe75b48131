"""Lambda runs the real handler from the asset's folder, and fails as on AWS."""

import json
from types import SimpleNamespace

from local_cloud.moto_backends import lambda_worker
from tests.local_cloud.conftest import machine


def invoke(cloud, name: str, event: dict) -> tuple[dict, str | None]:
    answer = cloud.client("lambda").invoke(
        FunctionName=cloud.outputs[name], Payload=json.dumps(event).encode()
    )
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")


def state(cloud, name: str = "Function", **fields) -> dict:
    parameters = {"FunctionName": cloud.outputs[name], "Payload.$": "$"}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": parameters,
        "End": True,
        **fields,
    }


def test_the_handler_runs_in_a_warm_process(cloud):
    first, _ = invoke(cloud, "Function", {"a": 1})
    second, error = invoke(cloud, "Function", {"a": 2})
    assert error is None
    assert second["echo"] == {"a": 2}
    assert second["value"] == "from the template"
    assert second["pid"] == first["pid"]
    assert second["calls"] == first["calls"] + 1
    assert 0 < second["left"] <= 20_000
    assert (
        "handling {'a': 2}" in next((cloud.logs / "lambda").glob(f"{cloud.outputs['Function']}*")).read_text()
    )


def test_an_exception_is_the_functions_error(cloud):
    payload, error = invoke(cloud, "Function", {"raise": "no bricks"})
    assert error == "Unhandled"
    assert payload["errorType"] == "ValueError"
    assert payload["errorMessage"] == "no bricks"
    assert any("handler.py" in line for line in payload["stackTrace"])


def test_what_json_cannot_say_is_an_error(cloud):
    payload, _ = invoke(cloud, "Function", {"unserialisable": True})
    assert payload["errorType"] == "Runtime.MarshalError"


def test_a_function_that_exits_is_started_again(cloud):
    payload, error = invoke(cloud, "Function", {"exit": 3})
    assert (payload["errorType"], error) == ("Runtime.ExitError", "Unhandled")
    assert invoke(cloud, "Function", {"a": 1})[0]["calls"] == 1


def test_a_timeout_kills_the_process(cloud):
    before, _ = invoke(cloud, "Slow", {})
    payload, error = invoke(cloud, "Slow", {"sleep": 60})
    assert error == "Unhandled"
    assert payload["errorType"] == "Sandbox.Timedout"
    assert "1.00 seconds" in payload["errorMessage"]
    assert invoke(cloud, "Slow", {})[0]["pid"] != before["pid"]


def test_an_import_error_names_the_module(cloud):
    payload, error = invoke(cloud, "Broken", {})
    assert (payload["errorType"], error) == ("Runtime.ImportModuleError", "Unhandled")
    assert "no_such_module" in payload["errorMessage"]


def test_a_module_that_is_not_in_the_package_is_not_found_elsewhere(cloud, tmp_path):
    """An editable install of this repository would otherwise lend its modules to every function."""
    code = cloud._host.private / "outside"
    code.mkdir()
    (code / "handler.py").write_text("import local_cloud.states\ndef handler(event, context): return 1\n")
    from local_cloud.assets import zip_folder

    client = cloud.client("lambda")
    role, name = cloud.outputs["RoleArn"], "outside"
    package = {"ZipFile": zip_folder(code)}
    client.create_function(
        FunctionName=name, Runtime="python3.11", Role=role, Handler="handler.handler", Code=package
    )
    payload = json.loads(client.invoke(FunctionName=name)["Payload"].read())
    assert payload["errorType"] == "Runtime.ImportModuleError"


def test_the_optimised_integration_maps_result_and_error(cloud, machines):
    ended = machines.run(
        machine(L=state(cloud, ResultSelector={"e.$": "$.Payload.echo", "s.$": "$.StatusCode"})), {"a": 1}
    )
    assert json.loads(ended["output"]) == {"e": {"a": 1}, "s": 200}
    failed = machines.run(machine(L=state(cloud)), {"raise": "no bricks"})
    assert (failed["status"], failed["error"]) == ("FAILED", "ValueError")
    assert json.loads(failed["cause"])["errorMessage"] == "no bricks"
    timed_out = machines.run(machine(L=state(cloud, "Slow")), {"sleep": 60})
    assert timed_out["error"] == "Sandbox.Timedout"


def test_an_error_of_the_handler_can_be_caught_by_its_name(cloud, machines):
    caught = state(cloud, Catch=[{"ErrorEquals": ["ValueError"], "ResultPath": "$.e", "Next": "H"}])
    ended = machines.run(machine(L=caught, H={"Type": "Pass", "End": True}), {"raise": "x"})
    assert json.loads(ended["output"])["e"]["Error"] == "ValueError"


def test_a_function_that_does_not_exist(cloud, machines):
    parameters = {"FunctionName": "nobody", "Payload": {}}
    ended = machines.run(machine(L=state(cloud) | {"Parameters": parameters}))
    assert ended["error"] == "Lambda.ResourceNotFoundException"


def test_the_functions_own_arn_as_resource(cloud, machines):
    arn = cloud.client("lambda").get_function(FunctionName=cloud.outputs["Function"])["Configuration"][
        "FunctionArn"
    ]
    ended = machines.run(machine(L={"Type": "Task", "Resource": arn, "End": True}), {"a": 5})
    assert json.loads(ended["output"])["echo"] == {"a": 5}


def test_calls_at_the_same_time_run_at_the_same_time(cloud, machines):
    inner = machine(L=state(cloud, ResultSelector={"pid.$": "$.Payload.pid"}))
    ended = machines.run(
        machine(M={"Type": "Map", "ItemsPath": "$.i", "ItemProcessor": inner, "End": True}),
        {"i": [{"sleep": 0.3}] * 2},
    )
    assert len({result["pid"] for result in json.loads(ended["output"])}) == 2


def test_the_interpreters_own_modules_belong_to_it_wherever_they_link_to(tmp_path, monkeypatch):
    """Debian's standard library holds a link to /etc/python3.11/sitecustomize.py."""
    standard, elsewhere = tmp_path / "lib", tmp_path / "etc"
    for folder in (standard, elsewhere):
        folder.mkdir()
    (elsewhere / "site.py").touch()
    (standard / "site.py").symlink_to(elsewhere / "site.py")
    monkeypatch.setattr(lambda_worker.sysconfig, "get_path", lambda name: str(standard))
    loaded = {
        "sitecustomize": SimpleNamespace(__file__=str(standard / "site.py")),
        "stray": SimpleNamespace(__file__=str(elsewhere / "site.py")),
    }
    monkeypatch.setattr(lambda_worker.sys, "modules", loaded)
    assert list(lambda_worker.foreign_modules(str(tmp_path / "package"))) == [
        f"stray ({elsewhere / 'site.py'})"
    ]
