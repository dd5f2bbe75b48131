"""A small, strict interpreter of the Amazon States Language (JSONPath).

It runs what this project's state machines use and refuses everything else by name before the first state
runs, because a field that is silently ignored is a test that silently passes. It knows nothing of moto or
boto3: the outside world is the `Services` object it is given.
"""

from local_cloud.states.definition import check_definition
from local_cloud.states.errors import Aborted, DefinitionError, StateError
from local_cloud.states.interpreter import Environment, Interpreter
from local_cloud.states.scope import Scope

__all__ = [
    "Aborted",
    "DefinitionError",
    "Environment",
    "Interpreter",
    "Scope",
    "StateError",
    "check_definition",
]
