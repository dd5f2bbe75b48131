"""Choice rules: typed comparisons, in which a value of another type is simply no match."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from local_cloud.states.errors import DefinitionError, StateError
from local_cloud.states.paths import parse_path, read_path

_COMPARE = re.compile(r"(String|Numeric|Boolean|Timestamp)(Equals|(?:Less|Greater)Than(?:Equals)?)(Path)?")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
_COMBINE = ("And", "Or", "Not")
_NOT_AN_OPERATOR = {"Variable", "Next", "Comment"}


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def timestamp(value: Any) -> datetime | None:
    """An RFC 3339 time as Step Functions accepts it, or None."""
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


_TYPED: dict[str, Callable[[Any], Any]] = {
    "String": lambda value: value if isinstance(value, str) else None,
    "Numeric": _number,
    "Boolean": lambda value: value if isinstance(value, bool) else None,
    "Timestamp": timestamp,
}
_IS: dict[str, Callable[[Any], bool]] = {
    "IsNull": lambda value: value is None,
    "IsString": lambda value: isinstance(value, str),
    "IsNumeric": lambda value: _number(value) is not None,
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": lambda value: timestamp(value) is not None,
}


def check_rule(rule: Any, nested: bool = False) -> None:
    """Refuse a rule with an unknown operator, or with more or fewer than one."""
    if not isinstance(rule, dict):
        raise DefinitionError(f"a choice rule must be an object, not {rule!r}")
    if nested and "Next" in rule:
        raise DefinitionError("'Next' may only stand in the outermost choice rule")
    operators = [key for key in rule if key not in _NOT_AN_OPERATOR]
    if len(operators) != 1:
        raise DefinitionError(f"a choice rule needs exactly one operator, not {operators}")
    _check_operator(rule, operators[0])


def _check_operator(rule: dict, name: str) -> None:
    if name in _COMBINE:
        for part in [rule["Not"]] if name == "Not" else rule[name]:
            check_rule(part, nested=True)
        return
    comparison = _COMPARE.fullmatch(name)
    if not (comparison or name in _IS or name in ("IsPresent", "StringMatches")):
        raise DefinitionError(f"choice operator {name!r} is not supported by this interpreter")
    if comparison and comparison[1] == "Boolean" and comparison[2] != "Equals":
        raise DefinitionError(f"choice operator {name!r} does not exist")
    if "Variable" not in rule:
        raise DefinitionError(f"choice operator {name!r} needs a Variable")
    parse_path(rule["Variable"])
    if comparison and comparison[3]:
        parse_path(rule[name])


def holds(rule: dict, data: Any, context: dict) -> bool:
    """Whether a choice rule matches."""
    if "And" in rule:
        return all(holds(part, data, context) for part in rule["And"])
    if "Or" in rule:
        return any(holds(part, data, context) for part in rule["Or"])
    if "Not" in rule:
        return not holds(rule["Not"], data, context)
    name = next(key for key in rule if key not in _NOT_AN_OPERATOR)
    if name == "IsPresent":
        return _is_present(rule["Variable"], data, context) == rule[name]
    return _compare(name, _read(rule["Variable"], data, context), rule[name], data, context)


def _is_present(path: str, data: Any, context: dict) -> bool:
    try:
        read_path(path, data, context)
    except StateError:
        return False
    return True


def _read(path: str, data: Any, context: dict) -> Any:
    try:
        return read_path(path, data, context)
    except StateError as error:
        raise StateError("States.Runtime", f"Invalid path '{path}': {error.cause}") from None


def _compare(name: str, value: Any, expected: Any, data: Any, context: dict) -> bool:
    if name in _IS:
        return _IS[name](value) == expected
    if name == "StringMatches":
        return isinstance(value, str) and _wildcard(expected).fullmatch(value) is not None
    match = _COMPARE.fullmatch(name)
    if match is None:
        raise StateError("States.Runtime", f"unknown choice operator {name}")
    if match[3]:
        expected = _read(expected, data, context)
    left, right = _TYPED[match[1]](value), _TYPED[match[1]](expected)
    return left is not None and right is not None and _OPERATORS[match[2]](left, right)


def _wildcard(pattern: str) -> re.Pattern[str]:
    parts = re.findall(r"\\.|\*|[^\\*]+", pattern)
    text = "".join(
        ".*" if part == "*" else re.escape(part[1:] if part[0] == "\\" else part) for part in parts
    )
    return re.compile(text, re.DOTALL)
