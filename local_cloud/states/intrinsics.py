"""The `States.*` functions: a parser that accepts exactly their grammar, and the functions themselves."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from local_cloud.states.errors import DefinitionError, StateError
from local_cloud.states.paths import parse_path, read_path

_NUMBER = re.compile(r"true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_NAME = re.compile(r"States\.(\w+)\s*\(")
_PLACEHOLDER = re.compile(r"\\(.)|(\{\})")


@dataclass(frozen=True)
class Literal:
    """A constant; `source` keeps a string's escapes, which States.Format needs to tell `{}` from `\\{\\}`."""

    value: Any
    source: str = ""


@dataclass(frozen=True)
class Path:
    """A JSONPath argument."""

    path: str


@dataclass(frozen=True)
class Call:
    """A function call with its arguments."""

    name: str
    arguments: tuple[Literal | Path | Call, ...]


Node = Literal | Path | Call


@lru_cache(maxsize=1024)
def parse_intrinsic(text: str) -> Call:
    """Parse one whole intrinsic; refuse unknown functions, wrong arity and trailing text by name."""
    try:
        call, end = _parse_call(text, 0)
    except IndexError:
        raise DefinitionError(f"intrinsic {text!r} ends too early") from None
    if text[end:].strip():
        raise DefinitionError(f"intrinsic {text!r}: unexpected {text[end:]!r}")
    return call


def _parse_call(text: str, position: int) -> tuple[Call, int]:
    match = _NAME.match(text, position)
    if match is None:
        raise DefinitionError(f"{text!r}: expected a States function at {text[position:]!r}")
    name = match[1]
    if name not in FUNCTIONS:
        raise DefinitionError(f"intrinsic function States.{name} is not supported by this interpreter")
    arguments, end = _parse_arguments(text, match.end())
    _, fewest, most = FUNCTIONS[name]
    if not fewest <= len(arguments) <= most:
        raise DefinitionError(f"{text!r}: States.{name} does not take {len(arguments)} arguments")
    return Call(name, arguments), end


def _parse_arguments(text: str, position: int) -> tuple[tuple[Node, ...], int]:
    arguments: list[Node] = []
    position = _skip_spaces(text, position)
    while text[position] != ")":
        if arguments:
            if text[position] != ",":
                raise DefinitionError(f"{text!r}: expected ',' or ')' at {text[position:]!r}")
            position = _skip_spaces(text, position + 1)
        node, position = _parse_argument(text, position)
        arguments.append(node)
        position = _skip_spaces(text, position)
    return tuple(arguments), position + 1


def _skip_spaces(text: str, position: int) -> int:
    while text[position] == " ":
        position += 1
    return position


def _parse_argument(text: str, position: int) -> tuple[Node, int]:
    if text[position] == "'":
        return _parse_string(text, position + 1)
    if text[position] == "$":
        return _parse_path_argument(text, position)
    if text.startswith("States.", position):
        return _parse_call(text, position)
    match = _NUMBER.match(text, position)
    if match is None:
        raise DefinitionError(f"{text!r}: cannot read the argument at {text[position:]!r}")
    return Literal(json.loads(match[0])), match.end()


def _parse_string(text: str, start: int) -> tuple[Literal, int]:
    end = start
    while text[end] != "'":
        end += 2 if text[end] == "\\" else 1
    source = text[start:end]
    return Literal(re.sub(r"\\(.)", r"\1", source), source), end + 1


def _parse_path_argument(text: str, start: int) -> tuple[Path, int]:
    end, depth = start, 0
    while depth or text[end] not in ",)":
        depth += (text[end] == "[") - (text[end] == "]")
        end += 1
    path = text[start:end].strip()
    parse_path(path)
    return Path(path), end


def evaluate(text: str, data: Any, context: dict) -> Any:
    """Evaluate an intrinsic against a state's input and the context object."""
    try:
        return _evaluate(parse_intrinsic(text), data, context)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise StateError("States.IntrinsicFailure", f"{text}: {error}") from error


def _evaluate(node: Node, data: Any, context: dict) -> Any:
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Path):
        return read_path(node.path, data, context)
    values = [_evaluate(argument, data, context) for argument in node.arguments]
    if node.name == "Format" and isinstance(node.arguments[0], Literal):
        values[0] = node.arguments[0].source
    return FUNCTIONS[node.name][0](*values)


def _format(template: str, *values: Any) -> str:
    remaining = iter(values)

    def replace(match: re.Match[str]) -> str:
        return match[1] if match[1] else _as_text(next(remaining))

    try:
        text = _PLACEHOLDER.sub(replace, template)
    except (StopIteration, RuntimeError):
        raise ValueError("more {} than arguments") from None
    if next(remaining, None) is not None:
        raise ValueError("more arguments than {}")
    return text


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _partition(values: list, size: int) -> list[list]:
    if size < 1:
        raise ValueError("the chunk size must be positive")
    return [values[i : i + size] for i in range(0, len(values), size)]


def _unique(values: list) -> list:
    return [value for i, value in enumerate(values) if value not in values[:i]]


def _array_range(first: int, last: int, step: int) -> list[int]:
    values = list(range(first, last + (1 if step > 0 else -1), step))
    if len(values) > 1000:
        raise ValueError("States.ArrayRange makes at most 1,000 values")
    return values


def _merge(first: dict, second: dict, deep: bool) -> dict:
    if deep:
        raise ValueError("Step Functions offers only the shallow merge: the third argument must be false")
    return {**first, **second}


def _hash(value: Any, algorithm: str) -> str:
    names = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
    return hashlib.new(names[algorithm], _as_text(value).encode(), usedforsecurity=False).hexdigest()


def _random(start: int, end: int, seed: int | None = None) -> int:
    generator = random.Random(seed)  # noqa: S311 - a service function, not a secret
    return generator.randrange(start, end)


def _split(text: str, separators: str) -> list[str]:
    return [part for part in re.split("[" + re.escape(separators) + "]", text) if part]


FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "Array": (lambda *values: list(values), 0, 1000),
    "ArrayContains": (lambda values, value: value in values, 2, 2),
    "ArrayGetItem": (lambda values, index: values[index], 2, 2),
    "ArrayLength": (len, 1, 1),
    "ArrayPartition": (_partition, 2, 2),
    "ArrayRange": (_array_range, 3, 3),
    "ArrayUnique": (_unique, 1, 1),
    "Base64Decode": (lambda text: base64.b64decode(text).decode(), 1, 1),
    "Base64Encode": (lambda text: base64.b64encode(text.encode()).decode(), 1, 1),
    "Format": (_format, 1, 1000),
    "Hash": (_hash, 2, 2),
    "JsonMerge": (_merge, 3, 3),
    "JsonToString": (lambda value: json.dumps(value, separators=(",", ":")), 1, 1),
    "MathAdd": (lambda first, second: first + second, 2, 2),
    "MathRandom": (_random, 2, 3),
    "StringSplit": (_split, 2, 2),
    "StringToJson": (json.loads, 1, 1),
    "UUID": (lambda: str(uuid.uuid4()), 0, 0),
}
"""Each function with the fewest and most arguments it takes."""
