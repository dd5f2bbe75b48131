"""The gate's checks: their SQL, how it is rendered for a run, what its one row means, and the verdict.

A check is a file of athena_sql/checks, headed by what it asks and what to do when it fails. Whatever follows
from the schema (which columns, which NULLs, which ranges) is generated from it here, never written twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from pipeline import closure_rates, night_sky, sky_limits
from pipeline.breaches import control_breaches, mask_breaches, null_breach, range_breach
from pipeline.errors import InputError
from pipeline.schema import (
    BANDS,
    CLOSURE,
    DATABASE,
    MANIFEST,
    METRICS,
    SKY,
    STAMPS,
    Table,
)
from pipeline.sql import sql_double, sql_text
from pipeline.storage import RunLayout, check_run_id, check_tier_name

STATUSES = ("PASS", "FAIL", "WARN", "INCONCLUSIVE", "NOT_EXERCISED")
ANSWER = ("status", "statistic", "bound", "n", "message")
HEADERS = ("name", "asks", "statistic", "bound", "needs", "stops", "on failure")

TRINO_TYPES = {
    "string": "varchar",
    "bigint": "bigint",
    "int": "integer",
    "double": "double",
    "float": "real",
    "boolean": "boolean",
    "binary": "varbinary",
}


@dataclass(frozen=True)
class Check:
    """One check: the headers of its file and its SQL, placeholders unfilled."""

    name: str
    asks: str
    statistic: str
    bound: str
    needs: str
    stops: str
    on_failure: str
    sql: str


@dataclass(frozen=True)
class CheckResult:
    """The answer of one check: a row of the table check_results."""

    name: str
    status: str
    critical: bool
    statistic: float | None
    bound: float | None
    n: int | None
    message: str


@dataclass(frozen=True)
class Verdict:
    """GO or NO-GO, with a sentence for each reason against."""

    verdict: str
    reasons: tuple[str, ...]


# ---------------------------------------------------------------- files


def load_checks() -> tuple[Check, ...]:
    """Every check, by name. InputError for a file that lacks a header or is named otherwise than it says."""
    folder = files("athena_sql") / "checks"
    texts = {
        entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".sql")
    }
    return tuple(parse_check(name, texts[name]) for name in sorted(texts))


def parse_check(file_name: str, text: str) -> Check:
    """A check from the text of its file; a header goes on over the comment lines that follow it."""
    headers: dict[str, str] = {}
    current = ""
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        content = line[2:].strip()
        key, colon, value = content.partition(":")
        if colon and key in HEADERS:
            current = key
            headers[current] = value.strip()
        elif not content:
            current = ""  # a blank comment line ends the headers; what follows is for the reader of the file
        elif current:
            headers[current] += " " + content
    missing = [key for key in HEADERS if not headers.get(key)]
    if missing:
        raise InputError(
            f"athena_sql/checks/{file_name}: header {', '.join(missing)} missing; add `-- <header>: ...`"
        )
    if headers["name"] + ".sql" != file_name:
        raise InputError(
            f"athena_sql/checks/{file_name}: its name says {headers['name']}; rename one of the two"
        )
    return Check(**{key.replace(" ", "_"): headers[key] for key in HEADERS}, sql=text)


# ---------------------------------------------------------------- SQL


def render(
    check: Check, layout: RunLayout, expected_rows: int, promised: Mapping[str, str],
    columns: frozenset[str] | None = None,
) -> str:  # fmt: skip
    """The SQL of a check for a run that was planned with `expected_rows` rows.

    promised: what the run's tier states, from pipeline.promises.
    columns: those of metrics that are judged column by column, where a foreign table has not all of them.
    """
    if expected_rows < 0:
        raise InputError(f"expected_rows is {expected_rows}; give the number of rows of the manifest")
    own = {
        **_of_run(layout),
        "expected_rows": str(expected_rows),
        **_of_schema(columns),
        **_of_closure(),
        **_of_noise(),
        **sky_limits.placeholders(check.name),
    }
    sql = check.sql.replace("${outside}", _part("outside"))  # it has placeholders of its own
    return _fill(check.name, sql, {**own, **promised})


def _part(name: str) -> str:
    """SQL that several checks share."""
    return (files("athena_sql") / "parts" / f"{name}.sql").read_text("utf-8").rstrip()


def selection_function_sql(layout: RunLayout) -> str:
    """The SQL of phase 4d: the rows of the table selection_function of a run."""
    text = (files("athena_sql") / "selection_function" / "selection_function.sql").read_text("utf-8")
    return _fill("selection_function", text, _of_run(layout))


def _fill(name: str, text: str, values: dict[str, str]) -> str:
    # without comments and indentation: all queries have to fit in one state of the state machine
    lines = (line.strip() for line in text.splitlines())
    sql = "\n".join(line for line in lines if not line.startswith("--"))
    try:
        return Template(sql).substitute(values)
    except (KeyError, ValueError) as error:
        raise InputError(
            f"athena_sql: {name}.sql: placeholder {error} is not known; see pipeline/checks.py"
        ) from error


def _of_run(layout: RunLayout) -> dict[str, str]:
    return {
        "tier": sql_text(check_tier_name(layout.tier)),
        "run_id": sql_text(check_run_id(layout.run_id)),
        "database": DATABASE,
    }


@cache
def _of_schema(present: frozenset[str] | None) -> dict[str, str]:
    columns = [column for column in METRICS.columns if present is None or column.name in present]
    nulls = [(column.name, condition) for column in columns if (condition := null_breach(column))]
    ranges = [(column.name, condition) for column in columns if (condition := range_breach(column))]
    in_controls = [
        (f"{name} in controls", condition)
        for name, condition in control_breaches()
        if present is None or name in present
    ]
    masks = [
        (name, condition) for name, condition in mask_breaches()
        if present is None or {"bad_pixel_frac", name.split()[-1]} <= present
    ]  # fmt: skip
    return {
        "schema_columns": schema_columns(),
        **_counters("nulls", nulls),
        **_counters("ranges", ranges + in_controls + masks),
        "disagreement": " OR ".join(
            f"m.{name} IS DISTINCT FROM p.{name}" for name in METRICS.names if name in MANIFEST.names
        ),
        "mask_fractions": _largest(
            name
            for name in METRICS.names
            if name.endswith("mask_frac") or name.startswith("mask_")
            if present is None or name in present
        ),
        "manifest_columns": ", ".join(name for name in METRICS.names if name in MANIFEST.names),
    }


def _largest(names: Iterable[str]) -> str:
    return f"greatest({', '.join(f'coalesce(cast({name} AS double), 0e0)' for name in names)}, 0e0)"


def _of_closure() -> dict[str, str]:
    """The bounds and rates of the closure test: pipeline/closure_rates.py is their one place."""
    bounds = closure_rates.BOUNDS

    def fine(quantity: str, names: Iterable[str]) -> str:
        return " AND ".join(f"abs({name}) <= {sql_double(bounds[quantity])}" for name in names)

    return {
        "closure_flux_fine": fine("flux", (f"closure_flux_{b}" for b in BANDS)),
        "closure_l2_fine": fine("l2", (f"closure_l2_{b}" for b in BANDS)),
        "closure_moment_fine": fine("moment", (f"closure_moment_{b}" for b in BANDS)),
        "closure_centroid_fine": fine("centroid_arcsec", (f"closure_centroid_{b}_arcsec" for b in BANDS)),
        "closure_magnification_fine": fine("magnification", ("closure_magnification",)),
        "closure_core_fine": fine("core", ("closure_core",)),
        "closure_noise_fine": fine("noise", (f"closure_noise_{b}" for b in BANDS)),
        "closure_l2_columns": ", ".join(f"closure_l2_{b}" for b in BANDS),
        "closure_numbers": " + ".join(
            f"coalesce({column.name}, 0e0)" for column in CLOSURE.columns if column.type == "double"
        ),
        "closure_null_rate": sql_double(closure_rates.NULL_RATE),
        "closure_false_alarm": sql_double(closure_rates.FALSE_ALARM),
        "closure_miss": sql_double(closure_rates.MISS),
    }


def _of_noise() -> dict[str, str]:
    """By band, what psfdepth x psfsize^2 is multiplied with to give the gain of the added light's noise."""
    return {f"gain_of_depth_{band}": sql_double(value) for band, value in night_sky.GAIN_OF_DEPTH.items()}


def schema_columns(*more: Table) -> str:
    """The columns that the judged tables must have, as rows of SQL's VALUES; those of `more`, too."""
    return ",\n    ".join(_schema_values((MANIFEST, METRICS, STAMPS, CLOSURE, SKY, *more)))


def _schema_values(tables: Iterable[Table]) -> list[str]:
    return [
        f"({sql_text(table.name)}, {sql_text(name)}, {sql_text(kind)})"
        for table in tables
        for name, kind in (
            *((column.name, TRINO_TYPES[column.type]) for column in table.columns),
            *((key, "varchar") for key in table.partition_keys),
        )
    ]


def _counters(prefix: str, conditions: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Placeholders <prefix>_flags (of a row), _total, _sums and _found: test, add, count, name."""
    columns = [f"{prefix[0]}{number}" for number in range(len(conditions))]  # short, as they stand five times
    flags = (
        f"CASE WHEN {condition} THEN 1 ELSE 0 END AS {name}"
        for name, (_, condition) in zip(columns, conditions, strict=True)
    )
    found = (
        f"CASE WHEN {name} > 0 THEN {sql_text(label + ' ')} || cast({name} AS varchar) || ', ' ELSE '' END"
        for name, (label, _) in zip(columns, conditions, strict=True)
    )
    return {
        f"{prefix}_flags": ", ".join(flags),
        f"{prefix}_sums": ", ".join(f"sum({name}) AS {name}" for name in columns),
        f"{prefix}_total": " + ".join(columns),
        f"{prefix}_found": " || ".join(found),
    }


# ---------------------------------------------------------------- answers


def result_from_row(
    check_name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], critical: bool
) -> CheckResult:
    """The result in a query's answer. Anything but exactly one well-formed row is a FAIL that says why."""
    if len(rows) != 1:
        return result_from_error(check_name, f"the check returned {len(rows)} rows, not 1", critical)
    if sorted(columns) != sorted(ANSWER) or len(rows[0]) != len(columns):
        found = ", ".join(columns)
        return result_from_error(check_name, f"the check returned the columns {found}", critical)
    row = dict(zip(columns, rows[0], strict=True))
    try:
        statistic, bound = _finite(row["statistic"]), _finite(row["bound"])
        n = None if row["n"] in (None, "") else int(row["n"])
    except (TypeError, ValueError) as error:
        return result_from_error(check_name, f"the check returned a number that is none: {error}", critical)
    if row["status"] not in STATUSES:
        return result_from_error(check_name, f"the check returned the status {row['status']!r}", critical)
    if not row["message"]:
        return result_from_error(
            check_name, f"the check returned {row['status']} without a message", critical
        )
    if row["status"] == "PASS" and (statistic is None or bound is None or not n):
        return result_from_error(
            check_name, "the check returned PASS without a statistic, bound or rows", critical
        )
    return CheckResult(check_name, row["status"], critical, statistic, bound, n, str(row["message"]))


def result_from_error(name: str, error: str, critical: bool) -> CheckResult:
    """A check whose query failed has failed."""
    return CheckResult(name, "FAIL", critical, None, None, None, f"the check did not answer: {error}")


def _finite(value: Any) -> float | None:
    """A number, or None for NULL, NaN and infinity: no statistic is better than one nobody can compare."""
    if value is None or value == "":
        return None
    number = float(f"{float(value):.12g}")  # sums in another order differ near 1e-14: a rerun must not
    return number if math.isfinite(number) else None


def verdict(
    results: Sequence[CheckResult], critical_names: Iterable[str], asked: Iterable[str] = ()
) -> Verdict:
    """GO if nothing failed, every critical check passed and each of those asked gave its answer."""
    reasons = [f"{result.name}: {result.message}" for result in results if result.status == "FAIL"]
    by_name: dict[str, list[CheckResult]] = {}
    for result in results:
        by_name.setdefault(result.name, []).append(result)
    critical = list(critical_names)
    for name in critical:
        answers = by_name.get(name, [])
        if not answers:
            reasons.append(f"{name}: critical, but it gave no answer")
        reasons += [
            f"{name}: critical, but {answer.status}: {answer.message}"
            for answer in answers
            if answer.status not in ("PASS", "FAIL")
        ]
    reasons += [f"{name}: gave no answer" for name in asked if name not in by_name and name not in critical]
    reasons += [f"{name}: {len(all_)} answers" for name, all_ in by_name.items() if len(all_) > 1]
    return Verdict("NO-GO" if reasons else "GO", tuple(reasons))
