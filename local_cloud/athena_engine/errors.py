"""What a query may end with besides a result."""

from __future__ import annotations


class QueryError(Exception):
    """Athena would refuse or fail this query, or this engine cannot prove that its answer is Athena's."""
