"""What is refused, by name: SQL that Athena would refuse, or that may answer differently there.

`check_tokens` and `check_structure` look at the text and the parsed tree, `check_types` at the tree once
every column is qualified and typed.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlglot
from sqlglot import exp
from sqlglot.tokens import TokenType

from local_cloud.athena_engine.errors import QueryError
from local_cloud.athena_engine.functions import PROVEN, REFUSED, WINDOW_ONLY, split_format
from local_cloud.athena_engine.written import shown

# sqlglot reads these in any dialect; Trino's grammar has none of them.
_FOREIGN_TOKENS = {
    TokenType.DCOLON: "`::`: write cast(x AS type)",
    TokenType.ILIKE: "ILIKE: write lower(x) LIKE 'pattern'",
    TokenType.RLIKE: "RLIKE: write regexp_like(x, 'pattern')",
    TokenType.DIV: "DIV: write x / y",
    TokenType.PARAMETER: "`@`",
    TokenType.QUALIFY: "QUALIFY: filter an outer query",
    TokenType.NULLSAFE_EQ: "`<=>`: write IS NOT DISTINCT FROM",
}
_STATEMENT_PARTS = frozenset(
    {"with_", "expressions", "distinct", "from_", "joins", "where", "group", "having", "order", "limit",
     "offset", "windows"}
)  # fmt: skip
_TABLE_PARTS = frozenset({"this", "db", "catalog", "alias", "joins"})
_NODES = (
    exp.Select, exp.Union, exp.Intersect, exp.Except, exp.With, exp.CTE, exp.Subquery, exp.Table,
    exp.TableAlias, exp.Column, exp.Identifier, exp.Star, exp.Alias, exp.From, exp.Join, exp.Where, exp.Group,
    exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Distinct, exp.Literal, exp.Boolean,
    exp.Null, exp.DataType, exp.DataTypeParam, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE,
    exp.Is, exp.In, exp.Between, exp.Like, exp.Escape, exp.Paren, exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Div,
    exp.Mod, exp.DPipe, exp.Window, exp.WindowSpec, exp.Filter, exp.Values, exp.Tuple, exp.Cube, exp.Rollup,
    exp.GroupingSets, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Var,
)  # fmt: skip
_CASTS = {
    "boolean": {"boolean", "varchar", "integer", "bigint"},
    "integer": {"integer", "bigint", "double", "real", "varchar"},
    "bigint": {"integer", "bigint", "double", "real", "varchar"},
    "double": {"integer", "bigint", "double", "real"},
    "real": {"double", "real"},
    "decimal": {"double"},
    "varchar": {"varchar", "integer", "bigint", "double"},
    "null": {"boolean", "integer", "bigint", "double", "real", "varchar"},
}
_INTEGER = {"integer", "bigint"}
_NUMBER = _INTEGER | {"double", "real", "decimal"}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)


def kind(node: exp.Expr) -> str:
    """The Trino type of a typed node, without its parameters; "unknown" where none was found."""
    if isinstance(node, exp.Null):
        return "null"
    if isinstance(node, exp.Paren | exp.Alias) and isinstance(node.this, exp.Null):
        return "null"
    data_type = node.type
    if data_type is None:
        return "unknown"
    return _KINDS.get(data_type.this, "unknown")


_KINDS = {
    exp.DType.BOOLEAN: "boolean",
    exp.DType.TINYINT: "integer",
    exp.DType.SMALLINT: "integer",
    exp.DType.INT: "integer",
    exp.DType.BIGINT: "bigint",
    exp.DType.DOUBLE: "double",
    exp.DType.FLOAT: "real",
    exp.DType.DECIMAL: "decimal",
    exp.DType.VARCHAR: "varchar",
    exp.DType.TEXT: "varchar",
    exp.DType.CHAR: "varchar",
    exp.DType.BINARY: "varbinary",
    exp.DType.VARBINARY: "varbinary",
    exp.DType.ARRAY: "array",
    exp.DType.NULL: "null",
}


def function_name(node: exp.Expr) -> str:
    return str(node.name).lower() if isinstance(node, exp.Anonymous) else type(node).__name__


def arguments(node: exp.Expr) -> list[exp.Expr]:
    """A function's arguments, in order."""
    if isinstance(node, exp.Case):
        branches = [part for one in node.args["ifs"] for part in (one.this, one.args["true"])]
        found = [node.args.get("this"), *branches, node.args.get("default")]
    elif isinstance(node, exp.Anonymous | exp.Unnest):
        found = list(node.expressions)
    elif isinstance(node, exp.Log) and node.args.get("expression") is None:
        raise QueryError(f"SYNTAX_ERROR: {shown(node)}: log takes the base and the number; ln is the natural")
    else:
        found = [part for key in node.arg_types for part in _listed(node.args.get(key))]
    return [part for part in found if isinstance(part, exp.Expr) and not isinstance(part, exp.DataType)]


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def check_tokens(sql: str) -> None:
    """Refuse what is no Trino syntax although sqlglot reads it."""
    for token in sqlglot.tokenize(sql, read="athena"):
        if token.token_type in _FOREIGN_TOKENS:
            raise QueryError(f"SYNTAX_ERROR: line {token.line}: {_FOREIGN_TOKENS[token.token_type]}")


def check_structure(tree: exp.Expr, sql: str) -> None:
    """Refuse statements other than queries, and every construct that is not on the list. sql: as typed."""
    if not isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery):
        raise QueryError(f"NOT_SUPPORTED: only SELECT and WITH are run here, not {sql.split()[0]}")
    for node in tree.walk():
        if isinstance(node, exp.Func):
            _check_function_name(node)
        elif not isinstance(node, _NODES):
            raise QueryError(f"NOT_SUPPORTED: {shown(node)}: not proven equal to Athena")
        if isinstance(node, exp.Select):
            _check_select(node)
        elif isinstance(node, exp.Star) and any(node.args.values()):
            raise QueryError(f"SYNTAX_ERROR: {shown(node)}: Athena's * takes no EXCEPT, REPLACE or RENAME")
        elif isinstance(node, exp.With) and node.args.get("recursive"):
            raise QueryError("NOT_SUPPORTED: WITH RECURSIVE is not proven equal to Athena")
        elif isinstance(node, exp.Table) and (extra := set(_set_parts(node)) - _TABLE_PARTS):
            raise QueryError(f"NOT_SUPPORTED: {', '.join(sorted(extra))} of a table: {shown(node)}")


def _check_function_name(node: exp.Func) -> None:
    name = function_name(node)
    if name not in PROVEN:
        why = REFUSED.get(name, "not proven equal to Athena")
        raise QueryError(f"NOT_SUPPORTED: function {shown(node)}: {why}")
    if name in WINDOW_ONLY and not node.find_ancestor(exp.Window):
        raise QueryError(f"SYNTAX_ERROR: {shown(node)} needs OVER (...)")


def _check_select(select: exp.Select) -> None:
    if extra := set(_set_parts(select)) - _STATEMENT_PARTS:
        raise QueryError(f"NOT_SUPPORTED: {', '.join(sorted(extra))} in a SELECT: not proven equal")
    if not select.expressions:
        raise QueryError("SYNTAX_ERROR: SELECT without columns")
    distinct = select.args.get("distinct")
    if distinct is not None and distinct.args.get("on"):
        raise QueryError("SYNTAX_ERROR: Athena has no DISTINCT ON")
    group = select.args.get("group")
    if group is not None and (group.args.get("all") or group.args.get("totals")):
        raise QueryError("SYNTAX_ERROR: Athena has no GROUP BY ALL: name the columns")


def _set_parts(node: exp.Expr) -> Iterable[str]:
    return (key for key, value in node.args.items() if value not in (None, [], False))


def check_types(tree: exp.Expr) -> None:
    """Refuse what Athena's analyser refuses, and arithmetic whose answer depends on types that differ."""
    for column in tree.find_all(exp.Column):
        _check_column(column)
    for node in tree.walk():
        if isinstance(node, exp.Func):
            _check_call(node)
        elif isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod):
            _check_arithmetic(node)
        elif isinstance(node, _COMPARISONS):
            _check_alike(node, [node.left, node.right])
        elif isinstance(node, exp.Between):
            _check_alike(node, [node.this, node.args["low"], node.args["high"]])
        elif isinstance(node, exp.In):
            _check_in(node)
        elif isinstance(node, exp.Not):
            _check_is(node, node.this, {"boolean"})
        elif isinstance(node, exp.Neg):
            _check_is(node, node.this, _NUMBER)
        elif isinstance(node, exp.DPipe | exp.Like):
            for side in (node.this, node.expression):
                _check_is(node, side, {"varchar"})
        elif isinstance(node, exp.Where | exp.Having):
            _check_is(node, node.this, {"boolean"})
        elif isinstance(node, exp.SetOperation):
            _check_branches(node)
        elif isinstance(node, exp.Values):
            for column in zip(*(row.expressions for row in node.expressions), strict=False):
                _check_alike(node, list(column))


def _check_column(column: exp.Column) -> None:
    if not column.table and column.find_ancestor(exp.Where, exp.Group, exp.Having):
        raise QueryError(f"COLUMN_NOT_FOUND: Column '{column.name}' cannot be resolved")
    if kind(column) == "unknown":
        raise QueryError(f"NOT_SUPPORTED: the type of {shown(column)} is not known; cast it where it is made")


def _check_is(node: exp.Expr, operand: exp.Expr, allowed: set[str]) -> None:
    if kind(operand) not in allowed | {"null"}:
        raise QueryError(f"TYPE_MISMATCH: {shown(operand)} is {kind(operand)} in: {shown(node)}")


def _family(node: exp.Expr) -> str:
    return "number" if kind(node) in _NUMBER else kind(node)


def _check_alike(node: exp.Expr, operands: list[exp.Expr]) -> None:
    """All of one family: Athena does not compare or merge a varchar with a number."""
    families = {_family(operand) for operand in operands} - {"null"}
    if len(families) > 1 or "unknown" in families:
        named = ", ".join(f"{shown(operand)} ({kind(operand)})" for operand in operands[:4])
        raise QueryError(f"TYPE_MISMATCH: {named} in: {shown(node)}")


def _check_in(node: exp.In) -> None:
    query = node.args.get("query")
    others = node.expressions if query is None else query.unnest().selects
    _check_alike(node, [node.this, *others])
    if kind(node.this) in ("double", "real") and query is not None:
        raise QueryError(f"NOT_SUPPORTED: IN (query) over {kind(node.this)}: NaN differs: {shown(node)}")


def _check_branches(node: exp.SetOperation) -> None:
    left, right = node.left.selects, node.right.selects
    if len(left) != len(right):
        raise QueryError(f"TYPE_MISMATCH: query branches have {len(left)} and {len(right)} columns")
    for a, b in zip(left, right, strict=True):
        _check_alike(node, [a, b])


def _check_arithmetic(node: exp.Binary) -> None:
    kinds = [kind(node.left), kind(node.right)]
    for operand in (node.left, node.right):
        _check_is(node, operand, _NUMBER)
    if "double" in kinds or "null" in kinds:
        return
    if "decimal" in kinds:
        raise QueryError(
            f"NOT_SUPPORTED: DECIMAL arithmetic, of few digits in Athena; write 1e0, not 1.0: {shown(node)}"
        )
    if isinstance(node, exp.Div):
        raise QueryError(
            f"NOT_SUPPORTED: integer / integer, which Athena truncates; write 1e0 * a / b: {shown(node)}"
        )
    if "real" in kinds:
        raise QueryError(f"NOT_SUPPORTED: real arithmetic; cast to double: {shown(node)}")


def _check_call(node: exp.Func) -> None:
    if isinstance(node, exp.If) and isinstance(node.parent, exp.Case):
        return  # a branch: checked with its CASE
    name = function_name(node)
    given = arguments(node)
    if isinstance(node, exp.Cast):
        _check_cast(node)
    elif isinstance(node, exp.Case):
        _check_case(node)
    elif isinstance(node, exp.Format):
        _check_format(node)
    else:
        _check_signature(node, given, PROVEN[name])
    if isinstance(node, exp.If):
        _check_alike(node, [part for part in (node.args["true"], node.args.get("false")) if part is not None])
    if name in ("Coalesce", "Nullif", "Greatest", "Least", "Array"):
        _check_alike(node, given)
    if name in ("Round", "Substring", "RegexpLike", "ApproxQuantile") and len(given) > 1:
        _check_literal(node, given[1])
    if name == "Substring" and isinstance(given[1], exp.Literal) and int(given[1].name) < 1:
        raise QueryError(f"NOT_SUPPORTED: substr from a position below 1: {shown(node)}")


def _check_literal(node: exp.Func, argument: exp.Expr) -> None:
    inner = argument.this if isinstance(argument, exp.Neg | exp.Cast) else argument
    if not isinstance(inner, exp.Literal):
        raise QueryError(f"NOT_SUPPORTED: {shown(argument)} has to be a literal in: {shown(node)}")


def _check_signature(node: exp.Func, given: list[exp.Expr], letters: str) -> None:
    required = letters.split("?")[0].rstrip("+")
    plain = letters.replace("?", "")
    repeats = plain.endswith("+")
    plain = plain.rstrip("+")
    if len(given) == 1 and isinstance(given[0], exp.Star):
        return
    if given and isinstance(given[0], exp.Distinct):
        given = [*given[0].expressions, *given[1:]]
    if len(given) < len(required) or (len(given) > len(plain) and not repeats):
        raise QueryError(f"FUNCTION_NOT_FOUND: unexpected number of arguments: {shown(node)}")
    for position, argument in enumerate(given):
        _check_argument(node, argument, plain[min(position, len(plain) - 1)])


def _check_argument(node: exp.Func, argument: exp.Expr, letter: str) -> None:
    found = kind(argument.this if isinstance(argument, exp.Order) else argument)
    allowed = {
        "b": {"boolean"},
        "i": _INTEGER,
        "x": _INTEGER | {"double"},
        "d": _NUMBER,
        "t": {"varchar"},
        "o": _NUMBER | {"varchar", "boolean"},
        "a": {"array"},
        "*": _NUMBER | {"varchar", "boolean", "varbinary", "array", "unknown"},
    }[letter]
    if found in allowed | {"null"}:
        return
    if found in ("decimal", "real"):
        raise QueryError(
            f"NOT_SUPPORTED: {found} argument {shown(argument)}; cast it to double: {shown(node)}"
        )
    raise QueryError(f"TYPE_MISMATCH: {shown(argument)} is {found} in: {shown(node)}")


def _check_cast(node: exp.Cast) -> None:
    if node.args.get("format") or node.args.get("action"):
        raise QueryError(f"SYNTAX_ERROR: {shown(node)}")
    target = _KINDS.get(node.to.this, "unknown")
    if node.to.expressions and target != "decimal":
        raise QueryError(f"NOT_SUPPORTED: a type with a length: {shown(node)}")
    if isinstance(node.this, exp.Literal):
        return
    if target not in _CASTS.get(kind(node.this), ()):
        raise QueryError(f"NOT_SUPPORTED: cast from {kind(node.this)} to {shown(node.to)}: {shown(node)}")


def _check_case(node: exp.Case) -> None:
    conditions = [one.this for one in node.args["ifs"]]
    results = [one.args["true"] for one in node.args["ifs"]]
    if node.args.get("default") is not None:
        results.append(node.args["default"])
    if node.args.get("this") is not None:
        _check_alike(node, [node.args["this"], *conditions])
    else:
        for condition in conditions:
            _check_is(node, condition, {"boolean"})
    _check_alike(node, results)


def _check_format(node: exp.Format) -> None:
    pattern = node.this
    pieces = split_format(pattern.name) if isinstance(pattern, exp.Literal) else None
    if pieces is None:
        raise QueryError(f"NOT_SUPPORTED: format string of {shown(node)}; use %s, %d, %.2f, %e and %%")
    specs = [spec for _, spec in pieces if spec]
    if len(specs) != len(node.expressions):
        raise QueryError(f"INVALID_FUNCTION_ARGUMENT: {len(specs)} specifications, "
                         f"{len(node.expressions)} arguments: {shown(node)}")  # fmt: skip
    fits = {"s": {"varchar", *_INTEGER}, "d": _INTEGER, "f": {"double"}, "e": {"double"}}
    for spec, argument in zip(specs, node.expressions, strict=True):
        _check_is(node, argument, fits[spec[-1]])
