"""The process around a Lambda handler. Run as a script, with nothing of this project imported.

Protocol: it prints {"ready": true} once the handler is imported; then, for each line of JSON on stdin, one
line on stdout. What the handler itself prints goes to the log.
"""

import importlib
import json
import os
import sys
import sysconfig
import time
import traceback


class Context:
    """The context object a handler is given."""

    def __init__(self, request):
        self.aws_request_id = request["id"]
        self._deadline = time.time() + request["seconds"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.function_version = "$LATEST"
        self.invoked_function_arn = f"arn:aws:lambda:local:123456789012:function:{self.function_name}"
        self.log_group_name = f"/aws/lambda/{self.function_name}"
        self.log_stream_name = "local"

    def get_remaining_time_in_millis(self):
        return max(0, int((self._deadline - time.time()) * 1000))


def foreign_modules(root):
    """Modules that come neither from the function's package nor from the installed packages.

    They would be missing on AWS; here an editable install or the working directory provides them. What lies
    in the standard library's folder is the interpreter's own, wherever a link leads: that of Debian's
    sitecustomize leads to /etc.
    """
    standard = sysconfig.get_path("stdlib") + os.sep
    allowed = tuple(os.path.realpath(path) + os.sep for path in (root, sys.prefix, sys.base_prefix))
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if not path or name in ("__main__", "__mp_main__") or path.startswith(standard):
            continue
        if not os.path.realpath(path).startswith(allowed):
            yield f"{name} ({path})"


def load_handler():
    module, _, function = os.environ["_HANDLER"].rpartition(".")
    handler = getattr(importlib.import_module(module.replace("/", ".")), function)
    foreign = list(foreign_modules(os.environ["LAMBDA_TASK_ROOT"]))
    if foreign:
        raise ImportError("not in the function's package: " + ", ".join(foreign))
    return handler


def failure(error, kind=None, request_id=""):
    details = {"errorMessage": str(error), "errorType": kind or type(error).__name__}
    details |= {"requestId": request_id, "stackTrace": traceback.format_tb(error.__traceback__)}
    traceback.print_exception(error)
    return {"error": details}


def answer(handler, line):
    request = json.loads(line)
    try:
        value = handler(request["event"], Context(request))
    except Exception as error:
        return failure(error, request_id=request["id"])
    try:
        return {"result": json.dumps(value)}
    except (TypeError, ValueError) as error:
        return failure(error, "Runtime.MarshalError", request["id"])


def main():
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def reply(message):
        replies.write(json.dumps(message) + "\n")
        replies.flush()

    try:
        handler = load_handler()
    except Exception as error:
        name = os.environ["_HANDLER"].rpartition(".")[0]
        kind = "Runtime.ImportModuleError" if isinstance(error, ImportError) else "Runtime.HandlerNotFound"
        reply(failure(type(error)(f"Unable to import module '{name}': {error}"), kind))
        return
    reply({"ready": True})
    for line in sys.stdin:
        reply(answer(handler, line))


if __name__ == "__main__":
    main()
