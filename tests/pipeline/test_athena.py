from __future__ import annotations

from pipeline.athena import fetch


class FakeAthena:
    """Two pages of results as the service gives them: only the first page has the header row."""

    def __init__(self, pages):
        self.pages = pages

    def get_paginator(self, name):
        assert name == "get_query_results"
        return self

    def paginate(self, QueryExecutionId):
        assert QueryExecutionId == "q"
        return iter(self.pages)


def _page(*rows):
    types = {"s": "varchar", "n": "bigint", "x": "double", "ok": "boolean"}
    info = [{"Name": name, "Type": type_} for name, type_ in types.items()]
    data = [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in rows]
    return {"ResultSet": {"ResultSetMetadata": {"ColumnInfo": info}, "Rows": data}}


def test_values_are_converted_by_type_null_is_none_and_only_the_first_page_has_a_header():
    header = ("s", "n", "x", "ok")
    pages = [
        _page(header, ("PASS", "17280", "3.5E-7", "true")),
        _page((None, "9007199254740993", "Infinity", "false")),
    ]
    columns, rows = fetch(FakeAthena(pages), "q")
    assert columns == list(header)
    assert rows == [("PASS", 17280, 3.5e-7, True), (None, 9007199254740993, float("inf"), False)]
