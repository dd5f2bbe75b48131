"""Phase 4d: completeness by lens, source and observing conditions, after a GO."""

from __future__ import annotations

from typing import Any

from pipeline import catalogue
from pipeline.athena import fetch
from pipeline.events import RunRequest
from pipeline.gate import Asked
from pipeline.parquet import from_rows, to_bytes
from pipeline.schema import SELECTION_FUNCTION
from pipeline.storage import RunLayout
from pipeline.store import Store, publish
from pipeline.trust import confirm, confirmed_go

AFTER_A_GO = "4d runs after a GO only"


def write_selection(
    store: Store,
    athena: Any,
    glue: Any,
    request: RunRequest,
    query_execution_id: str,
    asked: Asked,
) -> dict[str, Any]:
    """Write the query's result as the run's `selection_function`; {"cells": n}.

    asked: the gate's queries, by which the engine confirms the GO.
    """
    confirm(athena, request, confirmed_go(store, request.layout, AFTER_A_GO), asked)
    columns, rows = fetch(athena, query_execution_id)
    cells = write_cells(store, request.layout, columns, rows)
    catalogue.register(glue, store, [request.layout.partition(SELECTION_FUNCTION.name)])
    return {"cells": cells}


def write_cells(store: Store, layout: RunLayout, columns: list[str], rows: list[tuple[Any, ...]]) -> int:
    """Write cells under the storage contract; their number. InputError unless the run's GO holds."""
    confirmed_go(store, layout, AFTER_A_GO)
    table = from_rows(SELECTION_FUNCTION, [dict(zip(columns, row, strict=True)) for row in rows])
    publish(store, layout.partition(SELECTION_FUNCTION.name).part(0), to_bytes(table))
    return len(table)
