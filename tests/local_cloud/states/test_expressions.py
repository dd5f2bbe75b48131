"""Paths, intrinsics and Choice rules."""

import hashlib

import pytest

from local_cloud.states import DefinitionError, StateError
from tests.local_cloud.states.harness import check, machine, run, value

DATA = {"x": "v", "n": 3, "a": [{"b": 5}, {"b": 6}, {"c": 7}], "odd key": {"it's": 1}, "t": True, "z": None}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", DATA),
        ("$.x", "v"),
        ("$.a[0].b", 5),
        ("$.a[-1].c", 7),
        ("$.a[*].b", [5, 6]),
        ("$.a[0:2]", [{"b": 5}, {"b": 6}]),
        ("$.a[1:]", [{"b": 6}, {"c": 7}]),
        ("$['odd key']", {"it's": 1}),
        ("$$.Execution.Name", "run-1"),
        ("$$.State.Name", "P"),
    ],
)
def test_paths(path, expected):
    assert value(path, DATA) == expected


@pytest.mark.parametrize("path", ["$.nothing", "$.a[9]", "$.x.y", "$.n[0]", "$$.Execution.Nothing"])
def test_a_path_to_nothing_is_an_error(path):
    with pytest.raises(StateError) as caught:
        value(path, DATA)
    assert caught.value.error == "States.ParameterPathFailure"


@pytest.mark.parametrize("path", ["$..b", "$.a[?(@.b>5)]", "x", "$.a[", "$.a b"])
def test_other_paths_are_refused_by_name(path):
    with pytest.raises(DefinitionError) as caught:
        value(path, DATA)
    assert path[-2:] in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("States.Format('a-{}-{}', $.x, $.n)", "a-v-3"),
        (r"States.Format('select \'{}\' from t', $.x)", "select 'v' from t"),
        (r"States.Format('\{\} is {} and \\ stays', $.n)", "{} is 3 and \\ stays"),
        ("States.Format('{}', $.a)", '[{"b":5},{"b":6},{"c":7}]'),
        ("States.Format('{} {} {}', $.t, $.z, 1.5)", "true null 1.5"),
        ("States.Format('(a, b) {}', States.Format('[{}]', $.x))", "(a, b) [v]"),
        ("States.StringToJson('{\"a\": 1}')", {"a": 1}),
        ("States.JsonToString($.a)", '[{"b":5},{"b":6},{"c":7}]'),
        ("States.Array($.x, 2, true, null)", ["v", 2, True, None]),
        ("States.Array()", []),
        ("States.ArrayLength($.a)", 3),
        ("States.ArrayGetItem($.a, 1)", {"b": 6}),
        ("States.ArrayPartition(States.Array(1, 2, 3), 2)", [[1, 2], [3]]),
        ("States.ArrayContains(States.Array(1, 2), 2)", True),
        ("States.ArrayRange(1, 5, 2)", [1, 3, 5]),
        ("States.ArrayRange(5, 1, -2)", [5, 3, 1]),
        ("States.ArrayUnique(States.Array(1, 1, 2))", [1, 2]),
        ("States.MathAdd(1, -2)", -1),
        ("States.StringSplit('a,b;c', ',;')", ["a", "b", "c"]),
        ("States.Base64Decode(States.Base64Encode($.x))", "v"),
        ("States.Hash($.x, 'SHA-256')", hashlib.sha256(b"v").hexdigest()),
        ("States.JsonMerge($.a[0], $.a[2], false)", {"b": 5, "c": 7}),
        ("States.MathRandom(1, 2)", 1),
    ],
)
def test_intrinsics(expression, expected):
    assert value(expression, DATA) == expected


def test_uuids_differ():
    assert value("States.UUID()") != value("States.UUID()")


@pytest.mark.parametrize(
    "expression",
    [
        "States.Format('{}')",
        "States.Format('x', 1)",
        "States.ArrayGetItem($.a, 9)",
        "States.StringToJson('no')",
        "States.JsonMerge($.a[0], $.a[1], true)",
    ],
)
def test_intrinsics_that_fail(expression):
    with pytest.raises(StateError) as caught:
        value(expression, DATA)
    assert caught.value.error == "States.IntrinsicFailure"


@pytest.mark.parametrize(
    "expression",
    ["States.Frobnicate(1)", "States.UUID(1)", "States.Format('x'", "States.Array(1) x", "States.Array(x)"],
)
def test_intrinsics_that_do_not_exist_are_refused_up_front(expression):
    with pytest.raises(DefinitionError, match="P: "):
        check(machine(P={"Type": "Pass", "Parameters": {"v.$": expression}, "End": True}))


def chosen(rule: dict, data: dict) -> bool:
    states = {
        "C": {"Type": "Choice", "Choices": [{**rule, "Next": "Yes"}], "Default": "No"},
        "Yes": {"Type": "Pass", "Result": True, "End": True},
        "No": {"Type": "Pass", "Result": False, "End": True},
    }
    return run(machine(**states), data)


RULES = [
    ({"StringEquals": "v"}, "v", "w"),
    ({"StringLessThan": "b"}, "a", "b"),
    ({"StringMatches": "a*.txt"}, "a-1.txt", "b.txt"),
    ({"StringMatches": r"a\*"}, "a*", "ab"),
    ({"NumericEquals": 1}, 1.0, True),
    ({"NumericGreaterThan": 2}, 3, 2),
    ({"NumericGreaterThanEquals": 2}, 2, "3"),
    ({"NumericLessThanEquals": 2}, 2, None),
    ({"BooleanEquals": True}, True, 1),
    ({"TimestampLessThan": "2026-01-02T00:00:00Z"}, "2026-01-01T23:00:00-00:30", "2026-01-02"),
    ({"IsNull": True}, None, 0),
    ({"IsNumeric": True}, 1, True),
    ({"IsString": False}, 1, "1"),
    ({"IsBoolean": True}, False, 0),
    ({"IsTimestamp": True}, "2026-01-01T00:00:00Z", "2026"),
    ({"StringEqualsPath": "$.same"}, "s", "t"),
]


@pytest.mark.parametrize(("rule", "matching", "other"), RULES)
def test_choice_operators(rule, matching, other):
    rule = {"Variable": "$.v", **rule}
    assert chosen(rule, {"v": matching, "same": "s"})
    assert not chosen(rule, {"v": other, "same": "s"})


def test_and_or_not_and_presence():
    present = {"Variable": "$.v", "IsPresent": True}
    rule = {"And": [present, {"Not": {"Or": [{"Variable": "$.v", "NumericEquals": 1}]}}]}
    assert chosen(rule, {"v": 2})
    assert not chosen(rule, {"v": 1})
    assert not chosen(rule, {})


def test_a_choice_about_nothing_fails_the_execution():
    with pytest.raises(StateError) as caught:
        chosen({"Variable": "$.v", "StringEquals": "x"}, {})
    assert caught.value.error == "States.Runtime"


def test_a_choice_without_default_and_match():
    states = machine(
        C={"Type": "Choice", "Choices": [{"Variable": "$.v", "NumericEquals": 1, "Next": "E"}]},
        E={"Type": "Succeed"},
    )
    with pytest.raises(StateError) as caught:
        run(states, {"v": 2})
    assert caught.value.error == "States.NoChoiceMatched"
