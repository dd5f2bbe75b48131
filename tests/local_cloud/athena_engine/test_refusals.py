"""What Athena would refuse, or answer differently: refused here, by name."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_cloud.athena_engine import Engine, QueryError
from local_cloud.athena_engine.functions import format_like_java

REFUSED = {
    # silently different
    "SELECT count_if(theta > 1e0) / count(*) FROM lenses": "integer / integer",
    "SELECT 1.0 * count(*) / 3 FROM lenses": "DECIMAL arithmetic",
    "SELECT avg(CASE WHEN is_control THEN 1.0 ELSE 0.0 END) FROM lenses": "decimal argument",
    "SELECT approx_distinct(name) FROM lenses": "approx_distinct",
    "SELECT date_diff('day', current_date, current_date)": "DATE_DIFF",
    "SELECT try(1 / n_images) FROM lenses": "TRY",
    "SELECT skewness(theta) FROM lenses": "SKEWNESS",
    "SELECT checksum(name) FROM lenses": "CHECKSUM",
    "SELECT cast(theta AS varchar) FROM lenses": "cast from double",
    "SELECT typeof(theta) FROM lenses": "TYPEOF",
    "SELECT sum(cast(theta AS real)) FROM lenses": "real argument",
    "SELECT name FROM lenses WHERE theta IN (SELECT theta FROM lenses)": "NaN differs",
    "SELECT name FROM lenses TABLESAMPLE BERNOULLI (10)": "TABLESAMPLE",
    "SELECT (ARRAY[1, 2])[5]": "(ARRAY[1, 2])[5]",
    # refused by Athena
    "SELECT theta + 1 AS y, count(*) FROM lenses GROUP BY y": "'y'",
    "SELECT name, count(*) AS n FROM lenses GROUP BY name HAVING n > 1": "'n'",
    "SELECT name AS w FROM lenses WHERE w = 'a'": "'w'",
    "SELECT * EXCLUDE (name) FROM lenses": "EXCEPT",
    "SELECT name FROM lenses WHERE name = 1": "TYPE_MISMATCH",
    "SELECT name FROM lenses WHERE is_control = 1": "TYPE_MISMATCH",
    "SELECT name FROM lenses WHERE n_pix": "TYPE_MISMATCH",
    "SELECT sum(is_control) FROM lenses": "TYPE_MISMATCH",
    "SELECT name FROM lenses UNION ALL SELECT theta FROM lenses": "TYPE_MISMATCH",
    "SELECT CASE WHEN is_control THEN 1 ELSE 'a' END FROM lenses": "TYPE_MISMATCH",
    "SELECT coalesce(theta, 'none') FROM lenses": "TYPE_MISMATCH",
    "SELECT theta::varchar FROM lenses": "`::`",
    "SELECT name FROM lenses WHERE name ILIKE 'A'": "ILIKE",
    "SELECT `name` FROM lenses": "SYNTAX_ERROR",
    "SELECT nothing FROM lenses": "'nothing'",
    'SELECT "a" FROM lenses': "'a'",
    "SELECT name FROM nowhere": "TABLE_NOT_FOUND",
    "SELECT name FROM elsewhere.lenses": "SCHEMA_NOT_FOUND",
    "SELECT name FROM other.darkhalo.lenses": "CATALOG_NOT_FOUND",
    "SELECT count(DISTINCT name, theta) FROM lenses": "number of arguments",
    "SELECT no_such_function(theta) FROM lenses": "NO_SUCH_FUNCTION",
    "SELECT name FROM lenses QUALIFY 1 = 1": "SYNTAX_ERROR",
    "SELECT DISTINCT ON (name) name FROM lenses": "DISTINCT ON",
    "SELECT name, count(*) FROM lenses GROUP BY ALL": "GROUP BY ALL",
    "SELECT name FROM lenses; SELECT 1": "2 statements",
    "SELECT row_number() FROM lenses": "OVER",
    "SELECT FROM lenses": "SYNTAX_ERROR",
    "SELEC 1": "",
    "": "0 statements",
    # other statements
    "CREATE TABLE x AS SELECT 1 AS a": "only SELECT",
    "DROP TABLE lenses": "only SELECT",
    "INSERT INTO lenses SELECT * FROM lenses": "only SELECT",
    "MSCK REPAIR TABLE lenses": "only SELECT",
    "UNLOAD (SELECT 1) TO 's3://x/' WITH (format = 'PARQUET')": "",
    # ways out of the catalogue
    "SELECT * FROM read_parquet('/etc/passwd')": "NOT_SUPPORTED",
    "SELECT * FROM '/etc/passwd'": "",
    "SELECT * FROM duckdb_settings()": "",
    # failures while running
    "SELECT cast(name AS double) FROM lenses": "GENERIC_USER_ERROR",
    "SELECT n_images % 0 FROM lenses": "zero",
    "SELECT (SELECT name FROM lenses) AS x": "More than one row",
    "SELECT 9223372036854775807 + n_images FROM lenses": "Overflow",
    "SELECT beta_cdf(0, 1, 0.5)": "INVALID_FUNCTION_ARGUMENT",
    "SELECT wilson_interval_upper(2, 1, 1.96)": "wilson_interval",
    "SELECT format('%d', theta) FROM lenses": "TYPE_MISMATCH",
    "SELECT format('%d %d', n_pix) FROM lenses": "2 specifications",
    "SELECT format('%q', n_pix) FROM lenses": "format string",
}


@pytest.mark.parametrize("sql", REFUSED)
def test_refused_by_name(engine: Engine, sql: str) -> None:
    with pytest.raises(QueryError) as caught:
        engine.execute(sql)
    assert REFUSED[sql].lower() in str(caught.value).lower()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "parameters", [[], ["1", "2"], ["1; SELECT 2"], ["name"], ["(SELECT 1)"], ["1 OR 1 = 1"], ["'a' FROM x"]]
)
def test_parameters_are_one_literal_a_mark(engine: Engine, parameters: list[str]) -> None:
    with pytest.raises(QueryError):
        engine.execute("SELECT name FROM lenses WHERE n_pix = ?", parameters)


def test_parameters_bind_in_the_order_of_the_text(engine: Engine) -> None:
    inner = "SELECT name, ? AS tag FROM lenses WHERE theta > ?"
    sql = f"WITH a AS ({inner}) SELECT tag, name FROM a WHERE name <> ?"  # noqa: S608
    result = engine.execute(sql, ["'it''s ?'", "-1e0", "'z'"])
    assert sorted(result.rows) == [("it's ?", "a"), ("it's ?", "b")]


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12), st.integers(1, 6))
def test_formatted_numbers_are_within_half_a_unit(value: float, digits: int) -> None:
    text = format_like_java(f"%.{digits}f", value)
    assert abs(float(text) - value) <= 0.5 * 10.0**-digits * (1 + 1e-9) + abs(value) * 1e-15
    assert len(text.split(".")[1]) == digits


AS_TYPED = {
    "SELECT median(theta) FROM lenses": "median(theta)",
    "SELECT string_agg(name) FROM lenses": "string_agg(name)",
    "SELECT theta ^ 2 FROM lenses": "theta ^ 2",
    "SELECT split(name, 'p')[1] FROM lenses": "split(name, 'p')[1]",
    "SELECT element_at(split(name, 'p'), 1) FROM lenses": "element_at(split(name, 'p'), 1)",
    "SELECT name FROM lenses WHERE name = 1": "in: name = 1",
    "SELECT theta FROM lenses ORDER BY random()": "random()",
    "SELECT try_cast(theta AS varchar) FROM lenses": "try_cast(theta AS varchar)",
    "show tables": "not show",
    "EXPLAIN SELECT 1": "not EXPLAIN",
    "SELECT name FROM lenses WHERE": "line 1, column 29: something is missing in WHERE, at `WHERE`",
    "SELECT TOP 3 name FROM lenses": "line 1, column 12: unexpected, at `3`",
}


@pytest.mark.parametrize("sql", AS_TYPED)
def test_what_is_refused_is_named_as_it_was_typed_and_nothing_else_is_said(engine, sql, caplog, capfd):
    with pytest.raises(QueryError) as caught:
        engine.execute(sql)
    assert AS_TYPED[sql] in str(caught.value)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
