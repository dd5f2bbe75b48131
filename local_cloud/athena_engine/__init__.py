"""Athena SQL on this machine: sqlglot translates it, DuckDB runs it, and what is not proven equal is refused.

Not a second Athena. `rules` says what is accepted; `rewrite` and `functions` hold each place where the two
engines differ; tests/local_cloud/athena_engine/test_probes.py holds the evidence, one expression a line.
"""

from local_cloud.athena_engine.catalogue import Catalogue, FolderCatalogue, GlueCatalogue
from local_cloud.athena_engine.engine import Engine, Result
from local_cloud.athena_engine.errors import QueryError

__all__ = ["Catalogue", "Engine", "FolderCatalogue", "GlueCatalogue", "QueryError", "Result"]
