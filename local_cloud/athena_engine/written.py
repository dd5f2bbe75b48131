"""What a construct looks like in the query as it was typed: messages name that, not what sqlglot makes of it
(`median(x)` is PERCENTILE_CONT to it, `a ^ b` BITWISE_XOR).
"""

from __future__ import annotations

import re

from sqlglot import exp

_KEY = "written"
_LONGEST = 80
_CLOSED_BY = {"(": ")", "[": "]"}
_CALL = re.compile(r"[A-Za-z_]\w*\s*\(\s*(?:DISTINCT\s+)?$", re.IGNORECASE)


def remember(tree: exp.Expr, sql: str) -> None:
    """Give every node whose place in `sql` is known the text there; copies of a node keep it."""
    spans: dict[int, tuple[int, int]] = {}
    for node in reversed(list(tree.walk(bfs=False))):  # children before their parents
        span = _span(node, sql, spans)
        if span is not None:
            spans[id(node)] = span
            node.meta[_KEY] = sql[span[0] : span[1]]


def shown(node: exp.Expr) -> str:
    """The node as it was typed, or as Athena would write it, short enough for a message."""
    text = " ".join(node.meta.get(_KEY, node.sql("athena").replace('"', "")).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _span(node: exp.Expr, sql: str, spans: dict[int, tuple[int, int]]) -> tuple[int, int] | None:
    """[start, end) of a node: a name or literal has its place, a function begins with its name, and operators
    reach from one operand to the other. Keywords have no place in sqlglot's tree.
    """
    if "start" in node.meta:
        return node.meta["start"], _closed(sql, node.meta["start"], node.meta["end"] + 1, "(")
    inside = [spans.get(id(child)) for child in node.iter_expressions()]
    known = [span for span in inside if span is not None]
    if not known:
        return None
    start, end = min(first for first, _ in known), max(last for _, last in known)
    if isinstance(node, exp.Bracket):
        return start, _closed(sql, start, spans[id(node.this)][1] if id(node.this) in spans else end, "[")
    if isinstance(node, exp.Binary | exp.Column):
        return (start, _closed(sql, start, end)) if len(known) == len(inside) else None
    call = _CALL.search(sql, max(0, start - _LONGEST), start) if isinstance(node, exp.Func) else None
    return (call.start(), _closed(sql, call.start(), end)) if call else None


def _closed(sql: str, start: int, end: int, opens: str = "") -> int:
    """The end of what begins at `start`, once the brackets are closed that are open at `end`, or that open
    right there (one of `opens`).
    """
    waiting: list[str] = []
    for at in range(start, len(sql)):
        if at >= end and not waiting and not (at == end and sql[at] in tuple(opens)):
            break
        if sql[at] in _CLOSED_BY:
            waiting.append(_CLOSED_BY[sql[at]])
        elif waiting and sql[at] == waiting[-1]:
            waiting.pop()
            end = max(end, at + 1)
    return end
