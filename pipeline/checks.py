"""The gate's checks: their SQL, how it is rendered for a run, what its one row means, and the verdict.

A check is a file of athena_sql/checks, headed by what it asks and what to do when it fails. Whatever follows
from the schema (which columns, which NULLs, which ranges) is generated from it here, never written twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import Any

from pipeline import closure_rates, night_sky
from pipeline.errors import InputError
from pipeline.schema import (
    BANDS,
    CLOSURE,
    DATABASE,
    MANIFEST,
    MASK_BITS,
    METRICS,
    STAMPS,
    Column,
    Table,
)
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

# Nothing is injected into a control, so what describes the arcs is NULL there.
_OF_ARCS = frozenset(
    {"arc_snr", "arc_snr_sky", "arc_peak_snr", "total_injected_flux", "magnification", "flux_in_stamp"}
    | {"psf_kind", "psf_beta"}
    | {f"injected_flux_{band}_nmgy" for band in "grz"}
    | {f"psf_fwhm_used_{band}" for band in "grz"}
)  # fmt: skip
# A release may lack it, in any row: psfdepth before DR8, mask bits 14 and up before DR10. And a stamp may
# show neither its host's light nor a good pixel, and a tier may add light without noise.
_MAY_LACK = frozenset(
    {f"{name}_{band}" for band in "grz" for name in ("psfdepth", "sky_noise", "gain")}
    | {f"mask_{bit}_frac" for bit in MASK_BITS[14:]}
    | {"host_x_arcsec", "host_y_arcsec"}
)
_POSITIVE = frozenset(
    {"total_injected_flux"}
    | {f"src_flux_{band}_nmgy" for band in "grz"}
    | {f"injected_flux_{band}_nmgy" for band in "grz"}
)
_GOOD = "cutout_ok AND metrics_ok"


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


def render(check: Check, layout: RunLayout, expected_rows: int, columns: frozenset[str] | None = None) -> str:
    """The SQL of a check for a run that was planned with `expected_rows` rows.

    columns: those of metrics that are judged column by column, where a foreign table has not all of them.
    """
    if expected_rows < 0:
        raise InputError(f"expected_rows is {expected_rows}; give the number of rows of the manifest")
    return _fill(
        check.name,
        check.sql,
        {
            **_of_run(layout),
            "expected_rows": str(expected_rows),
            **_of_schema(columns),
            **_of_closure(),
            **_of_noise(),
        },
    )


def selection_function_sql(layout: RunLayout) -> str:
    """The SQL of phase 4d: the rows of the table selection_function of a run."""
    text = (files("athena_sql") / "selection_function" / "selection_function.sql").read_text("utf-8")
    return _fill("selection_function", text, _of_run(layout))


def _fill(name: str, text: str, values: dict[str, str]) -> str:
    try:
        return Template(text).substitute(values)
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


def _of_schema(present: frozenset[str] | None) -> dict[str, str]:
    columns = [column for column in METRICS.columns if present is None or column.name in present]
    nulls = [(column.name, condition) for column in columns if (condition := null_breach(column))]
    ranges = [(column.name, condition) for column in columns if (condition := range_breach(column))]
    in_controls = [
        (f"{name} in controls", condition)
        for name, condition in control_breaches()
        if present is None or name in present
    ]
    return {
        "schema_columns": ",\n    ".join(_schema_values((MANIFEST, METRICS, STAMPS, CLOSURE))),
        **_counters("nulls", nulls),
        **_counters("ranges", ranges + in_controls),
        "disagreement": "\n      OR ".join(
            f"m.{name} IS DISTINCT FROM p.{name}" for name in METRICS.names if name in MANIFEST.names
        ),
        "manifest_columns": ", ".join(name for name in METRICS.names if name in MANIFEST.names),
    }


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
        "closure_noise_fine": fine("noise", (f"closure_noise_{b}" for b in BANDS)),
        "closure_l2_columns": ", ".join(f"closure_l2_{b}" for b in BANDS),
        "closure_null_rate": sql_double(closure_rates.NULL_RATE),
        "closure_weakest": sql_double(closure_rates.WEAKEST),
        "closure_false_alarm": sql_double(closure_rates.FALSE_ALARM),
        "closure_miss": sql_double(closure_rates.MISS),
    }


def _of_noise() -> dict[str, str]:
    """By band, what psfdepth x psfsize^2 is multiplied with to give the gain of the added light's noise."""
    return {f"gain_of_depth_{band}": sql_double(value) for band, value in night_sky.GAIN_OF_DEPTH.items()}


def sql_text(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("'", "''") + "'"


def sql_number(value: float, column: Column) -> str:
    """A literal of the column's type: in Trino 0.5 is a DECIMAL, 0.5e0 a double."""
    if column.type in ("bigint", "int"):
        return str(int(value))
    return sql_double(value)


def sql_double(value: float) -> str:
    """A literal of type double."""
    text = repr(float(value))
    return text if "e" in text else text + "e0"


def _schema_values(tables: Iterable[Table]) -> list[str]:
    return [
        f"({sql_text(table.name)}, {sql_text(name)}, {sql_text(kind)})"
        for table in tables
        for name, kind in (
            *((column.name, TRINO_TYPES[column.type]) for column in table.columns),
            *((key, "varchar") for key in table.partition_keys),
        )
    ]


def null_breach(column: Column) -> str:
    """When a row of metrics breaks the column's promise of a value; "" where it promises none.

    Identity and flags are never NULL. Parameters are set in injections, measured or not. Measurements are
    set in good rows, those of arcs in good injections only. A number is finite wherever it is set.
    """
    name = column.name
    empty = f"({name} IS NULL OR {name} = '')" if column.type == "string" else f"{name} IS NULL"
    if name == "quarantine_reason":
        return f"(NOT cutout_ok AND {empty}) OR ({_GOOD} AND {name} IS NOT NULL)"
    if not column.nullable:
        missing = empty
    elif name in _MAY_LACK:
        missing = ""
    elif name in MANIFEST.names:
        missing = f"(NOT is_control AND {empty})"
    elif name == "psf_beta":
        missing = f"({_GOOD} AND NOT is_control AND psf_kind = 'moffat' AND {empty})"
    elif name in _OF_ARCS:
        missing = f"({_GOOD} AND NOT is_control AND {empty})"
    else:
        missing = f"({_GOOD} AND {empty})"
    infinite = f"NOT is_finite({name})" if column.type in ("double", "float") else ""
    return " OR ".join(part for part in (missing, infinite) if part)


def range_breach(column: Column) -> str:
    """When a value of metrics lies outside the column's physical range; "" where it has none.

    NaN is neither above nor below, so the condition is NOT (inside): Trino and DuckDB then agree on it.
    """
    name = column.name
    inside = []
    if column.low is not None:
        inside.append(f"{name} >= {sql_number(column.low, column)}")
    if column.high is not None:
        inside.append(f"{name} <= {sql_number(column.high, column)}")
    breach = f"NOT ({' AND '.join(inside)})" if inside else ""
    if name in _POSITIVE:
        rows = "NOT is_control" if name in MANIFEST.names else f"{_GOOD} AND NOT is_control"
        breach += f" OR ({rows} AND NOT {name} > 0e0)"
    if name == "lens_model":
        breach = "lens_model <> CASE WHEN is_control THEN 'CONTROL' ELSE 'SIE' END"
    return breach


def control_breaches() -> list[tuple[str, str]]:
    """(column, condition) of what must not be set in a control: truth, and light that was never added."""
    truth = [c.name for c in MANIFEST.columns if c.nullable and c.name in METRICS.names]
    breaches = [(name, f"is_control AND {name} IS NOT NULL") for name in truth if name not in _MAY_LACK]
    light = [name for name in METRICS.names if name in _OF_ARCS and not name.startswith("psf_")]
    breaches += [
        (name, f"is_control AND {name} IS NOT NULL" + ("" if name in _RATIOS else f" AND {name} <> 0e0"))
        for name in light
    ]
    return breaches


_RATIOS = ("magnification", "flux_in_stamp")  # of no light there is no ratio; its flux and SNR may be 0


def _counters(prefix: str, conditions: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The placeholders <prefix>_counts, _total and _found: count each condition, sum, name the culprits."""
    columns = [f"{prefix}_{number}" for number in range(len(conditions))]
    counts = (
        f"count_if({condition}) AS {name}" for name, (_, condition) in zip(columns, conditions, strict=True)
    )
    found = (
        f"CASE WHEN {name} > 0 THEN {sql_text(label + ' ')} || cast({name} AS varchar) || ', ' ELSE '' END"
        for name, (label, _) in zip(columns, conditions, strict=True)
    )
    return {
        f"{prefix}_counts": ",\n    ".join(counts),
        f"{prefix}_total": " + ".join(columns),
        f"{prefix}_found": "\n      || ".join(found),
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


def verdict(results: Sequence[CheckResult], critical_names: Iterable[str]) -> Verdict:
    """GO if nothing failed and every critical check passed; a critical check without a result blocks too."""
    reasons = [f"{result.name}: {result.message}" for result in results if result.status == "FAIL"]
    by_name: dict[str, list[CheckResult]] = {}
    for result in results:
        by_name.setdefault(result.name, []).append(result)
    for name in critical_names:
        answers = by_name.get(name, [])
        if not answers:
            reasons.append(f"{name}: critical, but it gave no answer")
        reasons += [
            f"{name}: critical, but {answer.status}: {answer.message}"
            for answer in answers
            if answer.status not in ("PASS", "FAIL")
        ]
    reasons += [f"{name}: {len(all_)} answers" for name, all_ in by_name.items() if len(all_) > 1]
    return Verdict("NO-GO" if reasons else "GO", tuple(reasons))
