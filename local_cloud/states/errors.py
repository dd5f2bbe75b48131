"""What can go wrong: in a definition (before it runs), in a state (as on AWS), or from outside."""

TERMINAL = frozenset({"States.Runtime", "States.DataLimitExceeded"})
"""Errors that `States.ALL` does not match on AWS."""


class DefinitionError(ValueError):
    """The definition asks for something this interpreter does not do; the message names state and field."""


class StateError(Exception):
    """An error with the name and cause that Step Functions would report."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


class Aborted(Exception):
    """The execution, or the Map or Parallel state around this work, was stopped. No Catch ever sees it."""


def matches(names: list[str], error: str) -> bool:
    """Whether a Retry or Catch that lists `names` applies to `error`.

    `States.TaskFailed` stands for every error but `States.Timeout`; neither wildcard matches terminal errors.
    """
    if error in names:
        return True
    if error in TERMINAL:
        return False
    return "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout")
