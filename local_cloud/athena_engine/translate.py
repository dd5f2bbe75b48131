"""Athena SQL to DuckDB SQL: parse, check, qualify, type, check again, bind the tables, rewrite."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.errors import ParseError, SqlglotError, UnsupportedError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema
from sqlglot.tokens import TokenType

from local_cloud.athena_engine.catalogue import Catalogue, Columns, TableInfo
from local_cloud.athena_engine.errors import QueryError
from local_cloud.athena_engine.functions import RETURNS
from local_cloud.athena_engine.rewrite import rewrite
from local_cloud.athena_engine.rules import check_structure, check_tokens, check_types
from local_cloud.athena_engine.scan import Scan
from local_cloud.athena_engine.written import remember

CATALOG = "awsdatacatalog"
INFORMATION_SCHEMA: Mapping[str, Columns] = {
    "columns": (
        ("table_catalog", "varchar"),
        ("table_schema", "varchar"),
        ("table_name", "varchar"),
        ("column_name", "varchar"),
        ("ordinal_position", "bigint"),
        ("column_default", "varchar"),
        ("is_nullable", "varchar"),
        ("data_type", "varchar"),
    ),
    "tables": (
        ("table_catalog", "varchar"),
        ("table_schema", "varchar"),
        ("table_name", "varchar"),
        ("table_type", "varchar"),
    ),
}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MISSING = re.compile(r"Required keyword: .* missing for <class '(?:\w+\.)*(\w+)'>")
logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it warns of is refused here, by name


@dataclass(frozen=True)
class Translation:
    """DuckDB SQL over relations called scan_<i>, and what each of them is."""

    sql: str
    scans: tuple[Scan | str, ...]  # a str names a table of information_schema


_KNOWN: dict[tuple[str, tuple[str, ...], str], Translation] = {}
_MOST_KNOWN = 512


def translate(sql: str, parameters: Sequence[str], catalogue: Catalogue) -> Translation:
    """The query for DuckDB; QueryError where Athena would refuse it or its answer might differ.

    A query that was translated over tables of the same columns is remembered: it takes longer than DuckDB's
    answer to most of the gate's.
    """
    key = (sql, tuple(parameters), catalogue.default_database)
    made = _over(_KNOWN[key], catalogue) if key in _KNOWN else None
    if made is None:
        made = _translate(sql, parameters, catalogue)
        _KNOWN[key] = made
        if len(_KNOWN) > _MOST_KNOWN:
            _KNOWN.pop(next(iter(_KNOWN)), None)
    return made


def _over(known: Translation, catalogue: Catalogue) -> Translation | None:
    """The same over a catalogue's tables as they are; None if one of them has other columns, or is gone."""
    scans: list[Scan | str] = []
    for scan in known.scans:
        if isinstance(scan, Scan):
            try:
                table = catalogue.table(scan.table.name)
            except KeyError:
                return None
            if (table.columns, table.partition_keys) != (scan.table.columns, scan.table.partition_keys):
                return None
            scans.append(replace(scan, table=table))
        else:
            scans.append(scan)
    return Translation(known.sql, tuple(scans))


def _translate(sql: str, parameters: Sequence[str], catalogue: Catalogue) -> Translation:
    try:
        check_tokens(sql)
        bound = _bind(sql, parameters)
        tree = _parse(bound)
        remember(tree, bound)
        check_structure(tree, bound)
        tables = _tables_of(tree, catalogue)
        _name_columns(tree)
        schema = MappingSchema(_schema(tables), dialect="athena")
        _having_into_where(tree)
        tree = qualify(
            tree,
            schema=schema,
            dialect="athena",
            db=catalogue.default_database,
            expand_alias_refs=False,
            validate_qualify_columns=True,
        )
        _having_out_of_where(tree)
        tree = annotate_types(tree, schema=schema, dialect="athena", expression_metadata=_METADATA)
        check_types(tree)
        scans = _replace_tables(tree, tables)
        rewrite(tree)
        return Translation(tree.sql("duckdb", unsupported_level=ErrorLevel.RAISE), tuple(scans))
    except UnsupportedError as error:
        raise QueryError(f"NOT_SUPPORTED: {_first_line(error)}") from error
    except ParseError as error:
        raise QueryError(f"SYNTAX_ERROR: {_place(error)}") from error
    except SqlglotError as error:
        raise QueryError(f"SYNTAX_ERROR: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in _COLOUR.sub("", str(error)).splitlines() if line.strip()]
    return lines[0] if lines else repr(error)


def _place(error: ParseError) -> str:
    """Line, column and text where a query stops being one."""
    if not error.errors or not error.errors[0].get("line"):
        return _first_line(error)
    first = error.errors[0]
    missing = _MISSING.match(first["description"])
    what = f"something is missing in {missing[1].upper()}" if missing else "unexpected"
    return f"line {first['line']}, column {first['col']}: {what}, at `{first['highlight']}`"


def _parse(sql: str) -> exp.Expr:
    statements = [one for one in sqlglot.parse(sql, read="athena", error_level=ErrorLevel.RAISE) if one]
    if len(statements) != 1:
        raise QueryError(f"SYNTAX_ERROR: {len(statements)} statements; Athena runs one at a time")
    return statements[0]


def _bind(sql: str, parameters: Sequence[str]) -> str:
    """Each `?` by the text of its parameter, which has to be one literal, as Athena's ExecutionParameters."""
    marks = [one for one in sqlglot.tokenize(sql, read="athena") if one.token_type == TokenType.PLACEHOLDER]
    if len(marks) != len(parameters):
        raise QueryError(f"INVALID_PARAMETER_USAGE: {len(marks)} `?` and {len(parameters)} parameters")
    for mark, text in reversed(list(zip(marks, parameters, strict=True))):
        sql = f"{sql[: mark.start]}{_literal(text)}{sql[mark.end + 1 :]}"
    return sql


def _literal(text: str) -> str:
    node = _parse(f"SELECT {text}").expressions[0]
    inner = node.this if isinstance(node, exp.Neg) else node
    if not isinstance(inner, exp.Literal | exp.Boolean | exp.Null):
        raise QueryError(f"INVALID_PARAMETER_USAGE: {text}: give a literal; strings in single quotes")
    return str(node.sql("athena"))


def _tables_of(tree: exp.Expr, catalogue: Catalogue) -> dict[tuple[str, str], TableInfo]:
    """The tables that the query reads, by (database, name); QueryError for one that does not exist."""
    found: dict[tuple[str, str], TableInfo] = {}
    for scope in traverse_scope(tree):
        for source in scope.sources.values():
            if isinstance(source, exp.Table):
                database, name = (source.db or catalogue.default_database).lower(), source.name.lower()
                if (database, name) not in found:
                    found[database, name] = _table(source, database, name, catalogue)
    return found


def _table(node: exp.Table, database: str, name: str, catalogue: Catalogue) -> TableInfo:
    if not isinstance(node.this, exp.Identifier):
        raise QueryError(f"NOT_SUPPORTED: table function {node.sql('athena')}")
    missing = QueryError(f"TABLE_NOT_FOUND: Table '{CATALOG}.{database}.{name}' does not exist")
    if (node.catalog or CATALOG).lower() != CATALOG:
        raise QueryError(f"CATALOG_NOT_FOUND: Catalog '{node.catalog}' does not exist")
    if database == "information_schema":
        if name not in INFORMATION_SCHEMA:
            raise missing
        return TableInfo(name, INFORMATION_SCHEMA[name], (), ())
    if database != catalogue.default_database:
        raise QueryError(f"SCHEMA_NOT_FOUND: Schema '{database}' does not exist")
    try:
        return catalogue.table(name)
    except KeyError:
        raise missing from None


def _schema(tables: Mapping[tuple[str, str], TableInfo]) -> dict[str, dict[str, dict[str, str]]]:
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for (database, name), table in tables.items():
        schema.setdefault(database, {})[name] = dict((*table.columns, *table.partition_keys))
    return schema


def _name_columns(tree: exp.Expr) -> None:
    """Unnamed columns are called _col<position> in Athena."""
    for select in tree.find_all(exp.Select):
        for position, item in enumerate(select.expressions):
            if not isinstance(item, exp.Alias | exp.Column | exp.Star):
                item.replace(exp.alias_(item.copy(), f"_col{position}"))


def _having_into_where(tree: exp.Expr) -> None:
    """sqlglot leaves HAVING unqualified, for in some dialects it may name aliases. Trino's may not: like
    WHERE, it sees the sources' columns only, so it is qualified as a part of WHERE and taken out again."""
    for select in tree.find_all(exp.Select):
        having, where = select.args.get("having"), select.args.get("where")
        if having is not None:
            marked = exp.Paren(this=having.this.copy())
            marked.meta["having"] = True
            rest = where.this.copy() if where is not None else exp.true()
            select.set("where", exp.Where(this=exp.And(this=exp.Paren(this=rest), expression=marked)))
            select.set("having", None)


def _having_out_of_where(tree: exp.Expr) -> None:
    for select in tree.find_all(exp.Select):
        where = select.args.get("where")
        both = where.this if where is not None else None
        if isinstance(both, exp.And) and both.expression.meta.get("having"):
            rest = both.left.this
            select.set("having", exp.Having(this=both.expression.this.copy()))
            select.set("where", None if rest == exp.true() else exp.Where(this=rest.copy()))


def _replace_tables(tree: exp.Expr, tables: Mapping[tuple[str, str], TableInfo]) -> list[Scan | str]:
    scans: list[Scan | str] = []
    for scope in traverse_scope(tree):
        for alias, (_, source) in scope.selected_sources.items():
            if not isinstance(source, exp.Table):
                continue
            columns = frozenset(column.name for column in scope.columns if column.table == alias)
            table = tables[source.db, source.name]
            if source.db == "information_schema":
                scans.append(source.name)
            else:
                scans.append(Scan(table, columns, _admitted(scope.expression, alias, table)))
            name = exp.to_identifier(f"scan_{len(scans) - 1}", quoted=True)
            source.replace(exp.Table(this=name, alias=source.args["alias"].copy()))
    return scans


def _admitted(select: exp.Expr, alias: str, table: TableInfo) -> dict[str, frozenset[str]]:
    """Partition values that `WHERE key = 'value' AND ...` (or IN) leaves; other keys are absent."""
    where = select.args.get("where")
    keys = {name for name, _ in table.partition_keys}
    admitted: dict[str, frozenset[str]] = {}
    for term in _conjuncts(where.this) if where else ():
        column = term.this if isinstance(term, exp.EQ | exp.In) else None
        if not isinstance(column, exp.Column) or column.table != alias or column.name not in keys:
            continue
        values = term.expressions if isinstance(term, exp.In) else [term.expression]
        if values and all(isinstance(value, exp.Literal) for value in values):
            admitted[column.name] = frozenset(value.name for value in values)
    return admitted


def _conjuncts(condition: exp.Expr) -> list[exp.Expr]:
    if isinstance(condition, exp.Paren):
        return _conjuncts(condition.this)
    if isinstance(condition, exp.And):
        return [*_conjuncts(condition.left), *_conjuncts(condition.right)]
    return [condition]


def _literal_type(annotator, node: exp.Literal) -> None:
    """In Trino 1.5 is a DECIMAL(2, 1); only 1.5e0 is a double."""
    if node.is_string:
        annotator._set_type(node, exp.DType.VARCHAR)
    elif "e" in node.name.lower():
        annotator._set_type(node, exp.DType.DOUBLE)
    elif "." in node.name:
        annotator._set_type(node, exp.DType.DECIMAL)
    else:
        annotator._set_type(node, exp.DType.INT if abs(int(node.name)) < 2**31 else exp.DType.BIGINT)


def _metadata() -> dict[type[exp.Expr], dict[str, object]]:
    """sqlglot's rules for the types of expressions, with the gaps filled."""
    by_name = {name: exp.DType[type_name] for type_name, names in RETURNS.items() for name in names}
    nodes = {getattr(exp, name): {"returns": dtype} for name, dtype in by_name.items() if hasattr(exp, name)}
    return {
        **sqlglot.Dialect.get_or_raise("athena").EXPRESSION_METADATA,
        **nodes,
        exp.Literal: {"annotator": _literal_type},
        exp.Anonymous: {"annotator": lambda self, e: self._set_type(e, by_name.get(e.name.lower()))},
        exp.ArgMax: {"annotator": lambda self, e: self._annotate_by_args(e, "this")},
        exp.ArgMin: {"annotator": lambda self, e: self._annotate_by_args(e, "this")},
        exp.ApproxQuantile: {"annotator": lambda self, e: self._annotate_by_args(e, "this")},
        exp.Trunc: {"annotator": lambda self, e: self._set_type(e, exp.DType.DOUBLE)},
    }


_METADATA = _metadata()
