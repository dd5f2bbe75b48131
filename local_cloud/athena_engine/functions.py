"""The functions whose answers here were proven to be Trino's: their arguments, results and shims.

A function that is not listed is refused by name. Keys are sqlglot's node names, or Trino's own lower-case
name where sqlglot has no node for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from scipy import special

# One letter an argument: b boolean, i integer, x double or integer, d any number (taken as double),
# t text, o anything that sorts, a array, * anything; ? makes the ones after it optional, + repeats the last.
AGGREGATES = {
    "Count": "?*",
    "CountIf": "b",
    "Sum": "x",
    "Avg": "x",
    "Min": "o",
    "Max": "o",
    "LogicalAnd": "b",
    "LogicalOr": "b",
    "every": "b",
    "AnyValue": "*",
    "ArgMax": "*o",
    "ArgMin": "*o",
    "ArrayAgg": "*",
    "Stddev": "x",
    "StddevSamp": "x",
    "StddevPop": "x",
    "Variance": "x",
    "VariancePop": "x",
    "Corr": "xx",
    "CovarPop": "xx",
    "CovarSamp": "xx",
    "RegrSlope": "xx",
    "RegrIntercept": "xx",
    "ApproxQuantile": "xd",
    "geometric_mean": "x",
}
WINDOW_ONLY = {
    "RowNumber": "",
    "Rank": "",
    "DenseRank": "",
    "PercentRank": "",
    "CumeDist": "",
    "Ntile": "i",
    "Lag": "*?i*",
    "Lead": "*?i*",
    "FirstValue": "*",
    "LastValue": "*",
}
SCALARS = {
    "Abs": "x",
    "Ceil": "d",
    "Floor": "d",
    "Round": "d?i",
    "Trunc": "d",
    "Sqrt": "d",
    "Cbrt": "d",
    "Exp": "d",
    "Ln": "d",
    "Log": "dd",
    "Pow": "dd",
    "Sign": "x",
    "Pi": "",
    "Degrees": "d",
    "Radians": "d",
    "Sin": "d",
    "Cos": "d",
    "Tan": "d",
    "Atan": "d",
    "Atan2": "dd",
    "Coalesce": "*+",
    "Nullif": "**",
    "Greatest": "o+",
    "Least": "o+",
    "If": "b*?*",
    "Case": "*+",
    "Cast": "*",
    "TryCast": "*",
    "Concat": "t+",
    "Lower": "t",
    "Upper": "t",
    "Length": "t",
    "Substring": "ti?i",
    "StrPosition": "tt",
    "StartsWith": "tt",
    "RegexpLike": "tt",
    "Format": "t?*+",
    "IsNan": "d",
    "is_finite": "d",
    "is_infinite": "d",
    "nan": "",
    "infinity": "",
    "WidthBucket": "dddi",
    "normal_cdf": "ddd",
    "inverse_normal_cdf": "ddd",
    "beta_cdf": "ddd",
    "inverse_beta_cdf": "ddd",
    "t_cdf": "dd",
    "wilson_interval_lower": "iid",
    "wilson_interval_upper": "iid",
    "GenerateSeries": "ii?i",
    "Unnest": "a",
    "Array": "?*+",
    "ArraySize": "a",
    "ArrayContains": "a*",
    "ArrayToString": "at",
    "Exists": "*",
    "And": "bb",
    "Or": "bb",
}
PROVEN = AGGREGATES | WINDOW_ONLY | SCALARS

# Where sqlglot does not know the result's type.
RETURNS = {
    "DOUBLE": ("nan", "infinity", "normal_cdf", "inverse_normal_cdf", "beta_cdf", "inverse_beta_cdf", "t_cdf",
               "wilson_interval_lower", "wilson_interval_upper", "geometric_mean", "Corr", "CovarPop",
               "CovarSamp", "RegrSlope", "RegrIntercept", "Atan2"),
    "BOOLEAN": ("is_finite", "is_infinite", "every", "StartsWith", "RegexpLike", "ArrayContains",
                "LogicalOr"),
    "VARCHAR": ("Format",),
    "BIGINT": ("WidthBucket",),
}  # fmt: skip

# Why the commonest of the refused ones are refused, and what to write instead.
REFUSED = {
    "ApproxDistinct": "2.5 % off at 10 million: write count(DISTINCT x)",
    "DateDiff": "counts boundaries here and whole units in Athena",
    "Try": "division by zero inside it differs: write nullif(divisor, 0)",
    "Skewness": "another estimator in Athena",
    "Kurtosis": "not proven",
    "Rand": "no two runs agree",
    "Typeof": "type names differ",
    "checksum": "another hash in Athena",
}

MACROS = (
    "CREATE MACRO is_finite(x) AS isfinite(CAST(x AS DOUBLE))",
    "CREATE MACRO is_infinite(x) AS isinf(CAST(x AS DOUBLE))",
    "CREATE MACRO nan() AS CAST('nan' AS DOUBLE)",
    "CREATE MACRO infinity() AS CAST('inf' AS DOUBLE)",
    "CREATE MACRO every(b) AS bool_and(b)",
    "CREATE MACRO trino_ln(x) AS ln(CAST(x AS DOUBLE))",
    "CREATE MACRO trino_log(b, x) AS ln(CAST(x AS DOUBLE)) / ln(CAST(b AS DOUBLE))",
    "CREATE MACRO trino_trunc(x) AS trunc(CAST(x AS DOUBLE))",
    "CREATE MACRO finite_or_null(x) AS CASE WHEN isfinite(x) THEN x END",
    # Trino takes the order statistic at floor(q n) where it is exact; in large samples its error covers it
    "CREATE MACRO trino_percentile(xs, q) AS "
    "list_sort(xs)[least(len(xs), CAST(floor(q * len(xs)) AS BIGINT) + 1)]",
    "CREATE MACRO trino_width_bucket(x, lo, hi, n) AS CASE"
    " WHEN isnan(x) THEN error('width_bucket: operand must not be NaN')"
    " WHEN lo >= hi OR n <= 0 THEN error('width_bucket: bounds must rise and buckets be positive')"
    " WHEN x < lo THEN 0 WHEN x >= hi THEN n + 1"
    " ELSE CAST(trunc(n * (x - lo) / (hi - lo) + 1) AS BIGINT) END",
    *(
        f"CREATE MACRO wilson_interval_{side}(k, n, z) AS CASE"
        " WHEN k < 0 OR n <= 0 OR k > n OR z < 0 THEN error('wilson_interval: invalid argument')"
        f" ELSE (k + z * z / 2 {sign} z * sqrt(1e0 * k * (n - k) / n + z * z / 4)) / (n + z * z) END"
        for side, sign in (("lower", "-"), ("upper", "+"))
    ),
)

_FORMAT_SPEC = re.compile(
    r"%(?P<flags>[-0,+]*)(?P<width>\d*)(?:\.(?P<precision>\d+))?(?P<conversion>[sdfe%])"
)


def split_format(pattern: str) -> list[tuple[str, str]] | None:
    """[(literal text, specification or "")] of a format string; None where a part is not understood."""
    pieces, position = [], 0
    for match in _FORMAT_SPEC.finditer(pattern):
        text = pattern[position : match.start()]
        position = match.end()
        if match["conversion"] == "%":
            pieces.append((text + "%", ""))
        else:
            pieces.append((text, match[0]))
    pieces.append((pattern[position:], ""))
    return None if any("%" in text.rstrip("%") or text.count("%") > 1 for text, _ in pieces) else pieces


def format_like_java(spec: str, value: Any) -> str:
    """One argument of Trino's format(), which is Java's: NULL as text, half rounded up in decimal."""
    match = _FORMAT_SPEC.fullmatch(spec)
    if match is None:
        raise ValueError(f"format specification {spec}")
    conversion, precision = match["conversion"], match["precision"]
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or conversion == "s":
        text = "null" if value is None else str(value)
        text = text if precision is None else text[: int(precision)]
    elif conversion == "d":
        text = f"{value:,d}" if "," in match["flags"] else f"{value:d}"
    else:
        text = _java_float(value, conversion, int(precision or 6), "," in match["flags"])
    if "+" in match["flags"] and numeric and value >= 0 and conversion != "s":
        text = "+" + text
    width = int(match["width"] or 0)
    if "-" in match["flags"]:
        return text.ljust(width)
    if "0" in match["flags"] and numeric and np.isfinite(value):
        return text.zfill(width)
    return text.rjust(width)


def _java_float(value: float, conversion: str, precision: int, grouped: bool) -> str:
    if not np.isfinite(value):
        return "NaN" if np.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if conversion == "e":
        return f"{value:.{precision}e}"
    rounded = Decimal(repr(value)).quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP)
    return f"{rounded:,f}" if grouped else f"{rounded:f}"


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Give the connection every macro and function that generated SQL may call."""
    for macro in MACROS:
        connection.execute(macro)
    for name, (count, function) in _STATISTICS.items():
        connection.create_function(
            name, _fixed_arity(function, count), ["DOUBLE"] * count, "DOUBLE", type="arrow"
        )
    for name, type_name in (("double", "DOUBLE"), ("bigint", "BIGINT"), ("varchar", "VARCHAR")):
        connection.create_function(
            f"java_format_{name}",
            format_like_java,
            ["VARCHAR", type_name],
            "VARCHAR",
            null_handling="special",
        )


def _normal_cdf(mean: np.ndarray, sd: np.ndarray, value: np.ndarray) -> np.ndarray:
    _require(np.all(sd > 0), "normal_cdf: standard deviation must be positive")
    return np.asarray(special.ndtr((value - mean) / sd))


def _inverse_normal_cdf(mean: np.ndarray, sd: np.ndarray, p: np.ndarray) -> np.ndarray:
    _require(np.all((p > 0) & (p < 1)), "inverse_normal_cdf: p must be 0 > p > 1")
    _require(np.all(sd > 0), "inverse_normal_cdf: standard deviation must be positive")
    return np.asarray(mean + sd * special.ndtri(p))


def _beta_cdf(a: np.ndarray, b: np.ndarray, value: np.ndarray) -> np.ndarray:
    _require(np.all((value >= 0) & (value <= 1)), "beta_cdf: value must be in [0, 1]")
    _require(np.all((a > 0) & (b > 0)), "beta_cdf: a, b must be positive")
    return np.asarray(special.betainc(a, b, value))


def _inverse_beta_cdf(a: np.ndarray, b: np.ndarray, p: np.ndarray) -> np.ndarray:
    _require(np.all((p >= 0) & (p <= 1)), "inverse_beta_cdf: p must be in [0, 1]")
    _require(np.all((a > 0) & (b > 0)), "inverse_beta_cdf: a, b must be positive")
    return np.asarray(special.betaincinv(a, b, p))


def _t_cdf(value: np.ndarray, df: np.ndarray) -> np.ndarray:
    _require(np.all(df > 0), "t_cdf: degrees of freedom must be positive")
    return np.asarray(special.stdtr(df, value))


def _require(condition: Any, message: str) -> None:
    if not condition:
        raise ValueError(f"INVALID_FUNCTION_ARGUMENT: {message}")


_STATISTICS: dict[str, tuple[int, Callable[..., np.ndarray]]] = {
    "normal_cdf": (3, _normal_cdf),
    "inverse_normal_cdf": (3, _inverse_normal_cdf),
    "beta_cdf": (3, _beta_cdf),
    "inverse_beta_cdf": (3, _inverse_beta_cdf),
    "t_cdf": (2, _t_cdf),
}


def _fixed_arity(function: Callable[..., np.ndarray], count: int) -> Callable[..., pa.Array]:
    """DuckDB reads the number of arguments from the signature, so *args will not do."""

    def call(*columns: pa.ChunkedArray) -> pa.Array:
        values = function(*(np.asarray(column.to_numpy(), dtype=float) for column in columns))
        return pa.array(np.broadcast_to(values, (len(columns[0]),)).astype(float), from_pandas=False)

    def two(a: pa.ChunkedArray, b: pa.ChunkedArray) -> pa.Array:
        return call(a, b)

    def three(a: pa.ChunkedArray, b: pa.ChunkedArray, c: pa.ChunkedArray) -> pa.Array:
        return call(a, b, c)

    return three if count == 3 else two
