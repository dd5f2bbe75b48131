"""The service integrations of Step Functions that run here, made of plain boto3 calls.

Results and error names are those that AWS gives. A resource outside the tables is refused by name when the
state machine is created.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError
from botocore.model import OperationModel

from local_cloud.parameters import check_names, from_response, operation, to_request
from local_cloud.states import DefinitionError, StateError

OPTIMISED = {
    "lambda": {"invoke"},
    "ecs": {"runTask.sync"},
    "athena": {
        "startQueryExecution",
        "startQueryExecution.sync",
        "getQueryExecution",
        "getQueryResults",
        "stopQueryExecution",
    },
    "sns": {"publish"},
}
"""Integrations with a resource of the form arn:aws:states:::service:action."""

SDK = {
    "athena": {"startQueryExecution", "getQueryExecution", "getQueryResults", "stopQueryExecution"},
    "cloudwatch": {"putMetricData"},
    "ecs": {"describeTasks", "listTasks", "stopTask"},
    "glue": {"batchCreatePartition", "createPartition", "getPartition", "getPartitions", "getTable"},
    "s3": {"copyObject", "deleteObject", "getObject", "headObject", "listObjectsV2", "putObject"},
    "sfn": {"describeExecution", "listExecutions", "startExecution"},
    "sns": {"publish"},
}
"""arn:aws:states:::aws-sdk:service:action, where the call is the API and nothing more."""

_LABELS = {"ecs": "ECS", "sns": "SNS", "s3": "S3", "cloudwatch": "CloudWatch"}
Wait = Callable[[Future], Any]


def check_task(resource: Any, parameters: Any) -> None:
    """Refuse, by name, a Task that could not be run here."""
    service, action, _ = split_resource(resource)
    if action is None:
        return
    model = operation(_boto_name(service), action.removesuffix(".sync"))
    shape = model.input_shape
    if (service, action) in (("lambda", "invoke"), ("sns", "publish")):
        parameters = {key: "" if key in _FREE else value for key, value in parameters.items()}
    if parameters:
        check_names(parameters, shape)


_FREE = {"Payload", "Message"}  # any JSON, whatever the API's own type


def split_resource(resource: Any) -> tuple[str, str | None, bool]:
    """(service, action, is it an aws-sdk call); a Lambda function's own ARN has no action."""
    parts = resource.split(":") if isinstance(resource, str) else []
    if parts[:3] == ["arn", "aws", "lambda"]:
        return "lambda", None, False
    if parts[:5] == ["arn", "aws", "states", "", ""]:
        if len(parts) == 8 and parts[5] == "aws-sdk" and parts[7] in SDK.get(parts[6], ()):
            return parts[6], parts[7], True
        if len(parts) == 7 and parts[6] in OPTIMISED.get(parts[5], ()):
            return parts[5], parts[6], False
    raise DefinitionError(f"resource {resource!r} is not supported by this interpreter")


def _boto_name(service: str) -> str:
    return "stepfunctions" if service == "sfn" else service


class Integrations:
    """Runs Tasks against whatever endpoint `client` reaches.

    `finished` gives, for the ARN of an ECS task or the id of an Athena query, a future that is done when the
    service has finished it: a local service can say so at once, without polling.
    """

    def __init__(self, client: Callable[[str], Any], finished: Callable[[str], Future]) -> None:
        self._client = client
        self._finished = finished
        self._calls = ThreadPoolExecutor(64, thread_name_prefix="lambda-invoke")

    def close(self) -> None:
        """Forget calls that nobody waits for any more."""
        self._calls.shutdown(wait=False, cancel_futures=True)

    def read_object(self, bucket: str, key: str) -> bytes:
        return self._client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()

    def write_object(self, bucket: str, key: str, body: bytes) -> None:
        self._client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    def call(self, resource: str, parameters: Any, wait: Wait) -> Any:
        """Run one Task and return its result."""
        service, action, sdk = split_resource(resource)
        if action is None:
            return self._invoke({"FunctionName": resource, "Payload": parameters}, wait)["Payload"]
        if sdk:
            return self._api(service, action, parameters, sdk=True)
        if service == "lambda":
            return self._invoke(parameters, wait)
        if action == "runTask.sync":
            return self._run_task(parameters, wait)
        if action == "startQueryExecution.sync":
            return self._run_query(parameters, wait)
        if service == "sns":
            parameters = {**parameters, "Message": _message(parameters.get("Message"))}
        return self._api(service, action, parameters)

    def _api(self, service: str, action: str, parameters: Any, sdk: bool = False) -> Any:
        model = operation(_boto_name(service), action)
        client = self._client(_boto_name(service))
        method = getattr(client, _python_name(client, model.name))
        try:
            response = method(**to_request(parameters, model.input_shape))
        except ClientError as error:
            raise _client_error(service, model, error, sdk) from error
        except ParamValidationError as error:
            label = _LABELS.get(service, service.capitalize())
            raise StateError(f"{label}.ValidationException", str(error)) from error
        return from_response(response, model.output_shape)

    def _invoke(self, parameters: dict, wait: Wait) -> dict:
        """lambda:invoke. A timeout of the state stops the waiting, not the function, as on AWS."""
        payload = json.dumps(parameters.get("Payload", {})).encode()
        name = parameters["FunctionName"]
        try:
            body, failed = wait(self._calls.submit(self._invoke_blocking, name, payload))
        except ClientError as error:
            raise StateError(f"Lambda.{error.response['Error']['Code']}", str(error)) from error
        if failed:
            details = json.loads(body)
            raise StateError(details.get("errorType") or "Lambda.Unknown", body)
        return {
            "ExecutedVersion": "$LATEST",
            "Payload": json.loads(body) if body else None,
            "StatusCode": 200,
        }

    def _invoke_blocking(self, name: str, payload: bytes) -> tuple[str, bool]:
        response = self._client("lambda").invoke(FunctionName=name, Payload=payload)
        return response["Payload"].read().decode(), "FunctionError" in response

    def _run_task(self, parameters: dict, wait: Wait) -> Any:
        started = self._api("ecs", "runTask", {**parameters, "StartedBy": "AWS Step Functions"})
        if started["Failures"] or not started["Tasks"]:
            raise StateError("ECS.AmazonECSException", json.dumps(started["Failures"]))
        task = started["Tasks"][0]
        try:
            wait(self._finished(task["TaskArn"]))
        except Exception:
            stop = {
                "Cluster": task["ClusterArn"],
                "Task": task["TaskArn"],
                "Reason": "Stopped by Step Functions",
            }
            self._api("ecs", "stopTask", stop)
            raise
        described = self._api(
            "ecs", "describeTasks", {"Cluster": task["ClusterArn"], "Tasks": [task["TaskArn"]]}
        )
        task = described["Tasks"][0]
        if any(container.get("ExitCode") != 0 for container in task["Containers"]):
            raise StateError("States.TaskFailed", json.dumps(task, separators=(",", ":")))
        return task

    def _run_query(self, parameters: dict, wait: Wait) -> Any:
        query = self._api("athena", "startQueryExecution", parameters)
        try:
            wait(self._finished(query["QueryExecutionId"]))
        except Exception:
            self._api("athena", "stopQueryExecution", query)
            raise
        result = self._api("athena", "getQueryExecution", query)
        if result["QueryExecution"]["Status"]["State"] != "SUCCEEDED":
            raise StateError("States.TaskFailed", json.dumps(result))
        return result


def _python_name(client: Any, operation_name: str) -> str:
    return next(name for name, api in client.meta.method_to_api_mapping.items() if api == operation_name)


def _message(message: Any) -> str:
    """sns:publish takes any JSON and sends its text."""
    return message if isinstance(message, str) else json.dumps(message, separators=(",", ":"))


def _client_error(service: str, model: OperationModel, error: ClientError, sdk: bool) -> StateError:
    """Error names: Service.Code for optimised calls, those of the Java SDK (…Exception) for aws-sdk calls."""
    code = error.response["Error"]["Code"]
    label = _LABELS.get(service, service.capitalize())
    if sdk:
        known = {shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes}
        code = code if code in known or code.endswith("Exception") else label
        code = code if code.endswith("Exception") else f"{code}Exception"
    return StateError(f"{label}.{code}", error.response["Error"].get("Message", str(error)))
