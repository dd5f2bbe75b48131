"""Typed Trino trees into trees that DuckDB evaluates to the same answers."""

from __future__ import annotations

from sqlglot import exp

from local_cloud.athena_engine.functions import split_format
from local_cloud.athena_engine.rules import kind

_FLOATING = {"double", "real"}
_INTEGER = {"integer", "bigint"}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_NULL_UNLESS_FINITE = (exp.Corr, exp.RegrSlope, exp.RegrIntercept)


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A call of a DuckDB function."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def rewrite(tree: exp.Expr) -> None:
    """Replace in place, innermost first, every construct whose answer would differ."""
    for node in reversed(list(tree.walk())):
        replacement = _replacement(node)
        if replacement is not None:
            replacement.type = node.type
            node.replace(replacement)


def _replacement(node: exp.Expr) -> exp.Expr | None:
    if isinstance(node, exp.Between) and _floating(node.this, node.args["low"], node.args["high"]):
        value, low, high = node.this, node.args["low"], node.args["high"]
        above = _by_ieee(exp.GTE(this=value.copy(), expression=low.copy()))
        below = _by_ieee(exp.LTE(this=value.copy(), expression=high.copy()))
        return exp.Paren(this=exp.And(this=above, expression=below))
    if isinstance(node, _COMPARISONS) and _floating(node.left, node.right):
        return _by_ieee(node.copy())
    if isinstance(node, exp.AggFunc | exp.Filter | exp.Window) or _is_named(node, "geometric_mean"):
        return _aggregate(node)
    if isinstance(node, exp.Cast):
        return _cast(node)
    if isinstance(node, exp.Format):
        return _format(node)
    return _scalar(node)


def _is_named(node: exp.Expr, name: str) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() == name


def _floating(*operands: exp.Expr) -> bool:
    return any(kind(operand) in _FLOATING for operand in operands)


def _by_ieee(comparison: exp.Binary) -> exp.Expr:
    """Trino compares by IEEE 754: NaN equals nothing and is neither above nor below; DuckDB sorts it last."""
    sides = [side.copy() for side in (comparison.left, comparison.right) if not _never_nan(side)]
    if not sides:
        return comparison
    is_nan = call("isnan", sides[0])
    for side in sides[1:]:
        is_nan = exp.Or(this=is_nan, expression=call("isnan", side))
    answer = exp.Boolean(this=isinstance(comparison, exp.NEQ))
    missing = exp.Or(
        this=exp.Is(this=comparison.left.copy(), expression=exp.Null()),
        expression=exp.Is(this=comparison.right.copy(), expression=exp.Null()),
    )
    return exp.Case(
        ifs=[exp.If(this=missing, true=exp.Null()), exp.If(this=is_nan, true=answer)], default=comparison
    )


def _never_nan(side: exp.Expr) -> bool:
    inner = side
    while isinstance(inner, exp.Paren | exp.Neg | exp.Cast):
        inner = inner.this
    return isinstance(inner, exp.Literal) or kind(side) not in _FLOATING


def _aggregate(node: exp.Expr) -> exp.Expr | None:
    """An aggregate, taken together with its FILTER and OVER, or None where it is right as it is."""
    if isinstance(node.parent, exp.Filter | exp.Window) and node.arg_key == "this":
        return None  # its wrapper is rewritten
    inner = node
    while isinstance(inner, exp.Filter | exp.Window):
        inner = inner.this
    if isinstance(inner, _NULL_UNLESS_FINITE):
        return call("finite_or_null", node.copy())
    if isinstance(inner, exp.CountIf):  # DuckDB's is NULL over no rows, and of 128 bits
        one = exp.Case(ifs=[exp.If(this=inner.this.copy(), true=exp.Literal.number(1))])
        return _with_inner(node, exp.Count(this=one))
    if isinstance(inner, exp.Sum) and kind(inner) in _INTEGER:
        return exp.Cast(this=node.copy(), to=exp.DataType.build("bigint"))  # DuckDB sums to 128 bits
    if isinstance(inner, exp.Max) and kind(inner) in _FLOATING:
        return _max_without_nan(node)
    if isinstance(inner, exp.ArgMax | exp.ArgMin):
        name = "arg_max_null" if isinstance(inner, exp.ArgMax) else "arg_min_null"
        return _with_inner(node, call(name, inner.this.copy(), inner.expression.copy()))
    if isinstance(inner, exp.ApproxQuantile):
        return _percentile(node, inner)
    return None


def _with_inner(node: exp.Expr, replacement: exp.Expr) -> exp.Expr:
    """The node with its innermost aggregate exchanged, FILTER and OVER kept."""
    if not isinstance(node, exp.Filter | exp.Window):
        return replacement
    outer = node.copy()
    inner = outer
    while isinstance(inner, exp.Filter | exp.Window):
        inner = inner.this
    inner.replace(replacement)
    return outer


def _innermost(node: exp.Expr) -> exp.Expr:
    while isinstance(node, exp.Filter | exp.Window):
        node = node.this
    return node


def _max_without_nan(node: exp.Expr) -> exp.Expr:
    """Trino's max passes over NaN unless there is nothing else."""
    value = _innermost(node).this
    number = exp.Case(ifs=[exp.If(this=exp.Not(this=call("isnan", value.copy())), true=value.copy())])
    return exp.Coalesce(this=_with_inner(node, exp.Max(this=number)), expressions=[node.copy()])


def _percentile(node: exp.Expr, inner: exp.ApproxQuantile) -> exp.Expr:
    """The exact order statistic that Athena's digest approximates."""
    values = exp.Filter(
        this=call("list", inner.this.copy()),
        expression=exp.Where(this=exp.Not(this=exp.Is(this=inner.this.copy(), expression=exp.Null()))),
    )
    if isinstance(node, exp.Filter):
        admitted = exp.Paren(this=node.expression.this.copy())
        both = exp.And(this=values.expression.this.copy(), expression=admitted)
        values.set("expression", exp.Where(this=both))
    return call("trino_percentile", values, inner.args["quantile"].copy())


def _cast(node: exp.Cast) -> exp.Expr | None:
    """Trino rounds half away from zero when a double becomes an integer, DuckDB half to even."""
    if not node.to.is_type(*exp.DataType.INTEGER_TYPES) or kind(node.this) not in _FLOATING:
        return None
    return type(node)(this=call("round", node.this.copy()), to=node.to.copy())


def _format(node: exp.Format) -> exp.Expr:
    """format('a %d b', n) as 'a ' || java_format_bigint('%d', n) || ' b'."""
    types = {"d": "bigint", "f": "double", "e": "double", "s": "varchar"}
    pieces: list[exp.Expr] = []
    values = iter(node.expressions)
    for text, spec in split_format(node.this.name) or []:
        pieces.append(exp.Literal.string(text))
        if spec:
            type_name = types[spec[-1]]
            value = exp.Cast(this=next(values).copy(), to=exp.DataType.build(type_name))
            pieces.append(call(f"java_format_{type_name}", exp.Literal.string(spec), value))
    joined = pieces[0]
    for piece in pieces[1:]:
        joined = exp.DPipe(this=joined, expression=piece)
    return exp.Paren(this=joined)


def _scalar(node: exp.Expr) -> exp.Expr | None:
    if isinstance(node, exp.Ln):
        return call("trino_ln", node.this.copy())
    if isinstance(node, exp.Log):
        return call("trino_log", node.this.copy(), node.expression.copy())
    if isinstance(node, exp.Trunc):
        return call("trino_trunc", node.this.copy())
    if isinstance(node, exp.Sign) and node.type is not None:
        return exp.Cast(this=call("sign", node.this.copy()), to=node.type.copy())
    if isinstance(node, exp.Ceil | exp.Floor | exp.Round) and kind(node.this) in _INTEGER:
        return node.this.copy() if not node.args.get("decimals") else None
    if isinstance(node, exp.ArraySize):
        return exp.Cast(this=call("len", node.this.copy()), to=exp.DataType.build("bigint"))
    if isinstance(node, exp.WidthBucket):
        edges = [node.args[key].copy() for key in ("min_value", "max_value")]
        doubles = [exp.Cast(this=one, to=exp.DataType.build("double")) for one in (node.this.copy(), *edges)]
        return call("trino_width_bucket", *doubles, node.args["num_buckets"].copy())
    return None
