"""Two answers of Athena that moto leaves incomplete: why a query failed, and results page by page."""

from __future__ import annotations

import json
from typing import Any

from moto.athena.responses import AthenaResponse

_original_get_query_execution = AthenaResponse.get_query_execution
PAGE = 1000
"""Rows in a page of results, on AWS as here."""


def get_query_execution(self: AthenaResponse) -> str:
    """moto's answer with the reason of a failure and the statistics."""
    answer = json.loads(_original_get_query_execution(self))
    execution = answer["QueryExecution"]
    query: Any = self.athena_backend.executions[execution["QueryExecutionId"]]
    if query.reason:
        execution["Status"]["StateChangeReason"] = query.reason
    execution["EngineVersion"] = query.workgroup.configuration["EngineVersion"]
    execution["Statistics"].update(
        DataScannedInBytes=query.bytes_scanned,
        EngineExecutionTimeInMillis=query.milliseconds,
        TotalExecutionTimeInMillis=query.milliseconds,
    )
    return json.dumps(answer)


def get_query_results(self: AthenaResponse) -> str:
    """One page of the result: moto would send all of it, and hide that AWS does not."""
    result = self.athena_backend.get_query_results(self._get_param("QueryExecutionId")).to_dict()
    start = int(self._get_param("NextToken") or 0)
    stop = start + int(self._get_param("MaxResults") or PAGE)
    rows = result["ResultSet"]["Rows"]
    result["ResultSet"]["Rows"] = rows[start:stop]
    if stop < len(rows):
        result["NextToken"] = str(stop)
    return json.dumps(result)
