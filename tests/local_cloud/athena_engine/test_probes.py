"""One expression a line and what Trino answers (its documentation, its source, or the closed form)."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from scipy import stats

from local_cloud.athena_engine import Engine, FolderCatalogue

NAN, INF = math.nan, math.inf
FOUR = "from (values 1, 2, 3, 4) as t (x)"
WITH_NAN = "from (values nan(), 1e0, 9e0) as t (x)"
WITH_NULL = "from (values ('a', 2e0), ('b', cast(null as double)), ('c', 1e0)) as t (k, x)"

ANSWERS = {
    # arithmetic and types
    "1e0 * 1 / 4": 0.25,
    "1e0 / 0e0": INF,
    "0e0 / 0e0": NAN,
    "-7 % 3": -1,
    "mod(7, -3)": 1,
    "7.5e0 % 2e0": 1.5,
    "cast(2.5e0 as bigint)": 3,
    "cast(-2.5e0 as bigint)": -3,
    "cast(3.5e0 as integer)": 4,
    "cast('12' as bigint)": 12,
    "try_cast('abc' as double)": None,
    "cast(true as varchar)": "true",
    "cast(7 as varchar)": "7",
    "round(2.5e0)": 3.0,
    "round(-2.5e0)": -3.0,
    "round(2.567e0, 2)": 2.57,
    "floor(-2.5e0)": -3.0,
    "ceil(2.1e0)": 3.0,
    "truncate(-2.7e0)": -2.0,
    "abs(-3)": 3,
    "sign(-3e0)": -1.0,
    "ln(0e0)": -INF,
    "sqrt(-1e0)": NAN,
    "log(2, 8e0)": 3.0,
    "log10(1000e0)": 3.0,
    "power(2e0, 10)": 1024.0,
    "power(0e0, -1)": INF,
    "exp(1000e0)": INF,
    "atan2(1e0, 1e0)": math.pi / 4,
    # NaN and NULL
    "nan() = nan()": False,
    "nan() <> nan()": True,
    "nan() > 5e0": False,
    "nan() < 5e0": False,
    "nan() between 0e0 and 1e0": False,
    "not (nan() between 0e0 and 1e0)": True,
    "cast(null as double) > nan()": None,
    "nan() is distinct from nan()": False,
    "is_nan(nan())": True,
    "is_finite(infinity())": False,
    "is_finite(cast(null as double))": None,
    "is_infinite(-infinity())": True,
    "concat('a', cast(null as varchar))": None,
    "'a' || cast(null as varchar)": None,
    "greatest(1, cast(null as integer))": None,
    "least(1e0, cast(null as double))": None,
    "greatest(2e0, 3e0)": 3.0,
    "coalesce(cast(null as double), 0.5)": 0.5,
    "nullif(3, 3)": None,
    "if(1 > 0, 'y', 'n')": "y",
    "case 2 when 1 then 'a' when 2 then 'b' end": "b",
    "null is null": True,
    # text
    "length('abc')": 3,
    "substr('hello', 2, 3)": "ell",
    "strpos('hello', 'l')": 3,
    "starts_with('abc', 'ab')": True,
    "upper('q') || lower('Q')": "Qq",
    "regexp_like('brick0123', '^brick\\d+$')": True,
    "'a_b' like 'a!_b' escape '!'": True,
    "'axb' like 'a!_b' escape '!'": False,
    "format('%.2f', 3.14159e0)": "3.14",
    "format('%.1f', 0.25e0)": "0.3",
    "format('%05d|%-4s|%,d', 42, 'ab', 1234567)": "00042|ab  |1,234,567",
    "format('100 %% of %s', 'it')": "100 % of it",
    "format('%d %.3f', cast(null as bigint), nan())": "null NaN",
    "format('%.1e', 12345e0)": "1.2e+04",
    # statistics
    "normal_cdf(0, 1, 1.96)": 0.9750021048517795,
    "normal_cdf(0e0, 1e0, -6e0)": 9.865876450376946e-10,
    "inverse_normal_cdf(0, 1, 0.975)": 1.9599639845400536,
    "beta_cdf(3, 3.6, 0.3)": float(stats.beta.cdf(0.3, 3, 3.6)),
    "inverse_beta_cdf(1, 20, 0.95)": 1 - 0.05 ** (1 / 20),
    "t_cdf(2.0, 10)": float(stats.t.cdf(2, 10)),
    "wilson_interval_lower(1250, 1310, 1.96e0)": 0.9414883725395894,
    "wilson_interval_upper(1250, 1310, 1.96e0)": 0.9642524717143908,
    "wilson_interval_lower(0, 10, 1.96)": 0.0,
    "width_bucket(3.14e0, 0, 4, 3)": 3,
    "width_bucket(-1e0, 0e0, 4e0, 3)": 0,
    "width_bucket(4e0, 0e0, 4e0, 3)": 4,
    # arrays
    "cardinality(array[1, 2])": 2,
    "contains(array[1, 2], 3)": False,
    "array_join(array['a', 'b'], '-')": "a-b",
}
QUERIES = {
    f"select count_if(x > 2) {FOUR}": 2,
    f"select count_if(x > 2) {FOUR} where x > 9": 0,
    f"select count_if(x > 2) filter (where x < 4) {FOUR}": 1,
    f"select sum(x) {FOUR} where x > 9": None,
    f"select sum(x) {FOUR}": 10,
    f"select avg(x) {FOUR}": 2.5,
    f"select count(*) filter (where x > 1) {FOUR}": 3,
    f"select sum(x) filter (where x > 1) {FOUR}": 9,
    f"select stddev(x) {FOUR}": math.sqrt(5 / 3),
    f"select var_pop(x) {FOUR}": 1.25,
    f"select count(distinct x % 2) {FOUR}": 2,
    f"select max(x) {WITH_NAN}": 9.0,
    f"select min(x) {WITH_NAN}": 1.0,
    f"select max(x) filter (where x < 5e0) {WITH_NAN}": 1.0,
    f"select count_if(x > 5e0) {WITH_NAN}": 1,
    f"select count_if(x <> 1e0) {WITH_NAN}": 2,
    f"select count_if(x in (1e0, 9e0)) {WITH_NAN}": 2,
    f"select avg(x) {WITH_NAN}": NAN,
    f"select k {WITH_NULL} order by x desc limit 1": "a",
    f"select k {WITH_NULL} order by x desc offset 2 limit 1": "b",
    f"select max_by(k, x) {WITH_NULL}": "a",
    f"select min_by(k, x) {WITH_NULL}": "c",
    "select max_by(k, x) from (values (cast(null as varchar), 2), ('b', 1)) as t (k, x)": None,
    "select any_value(x) from (values cast(null as integer), 5) as t (x)": 5,
    "select bool_and(x) from (values true, false) as t (x)": False,
    "select every(x) from (values true, true) as t (x)": True,
    "select stddev(x) from (values 1e0) as t (x)": None,
    "select corr(y, x) from (values (1e0, 1e0), (3e0, 2e0), (4e0, 3e0)) as t (y, x)": 0.9819805060619657,
    "select corr(y, x) from (values (1e0, 1e0), (3e0, 1e0)) as t (y, x)": None,
    "select regr_slope(y, x) from (values (1e0, 1e0), (3e0, 2e0), (5e0, 3e0)) as t (y, x)": 2.0,
    "select regr_slope(y, x) from (values (1e0, 1e0), (3e0, 1e0)) as t (y, x)": None,
    "select regr_intercept(y, x) from (values (1e0, 1e0), (3e0, 2e0), (5e0, 3e0)) as t (y, x)": -1.0,
    "select covar_pop(y, x) from (values (1e0, 1e0), (3e0, 2e0), (4e0, 3e0)) as t (y, x)": 1.0,
    "select approx_percentile(x, 0.5) from (values 100,200,300,400,500,600,700,800,900,1000) as t (x)": 600,
    "select approx_percentile(x, 0.5e0) from (values 1e0, 2e0, 3e0, 4e0) as t (x)": 3.0,
    "select approx_percentile(x, 1.0) filter (where x < 3) from (values 1, 2, 3) as t (x)": 2,
    "select array_join(array_agg(x order by x), ',') from (values 'b', 'a') as t (x)": "a,b",
    "select sum(s) from unnest(sequence(1, 4)) as t (s)": 10,
    "select sum(u) from (values array[1, 2, 3]) as t (a) cross join unnest(a) as x (u)": 6,
    "select a from (values (1, 2), (1, 3), (2, 2)) as t (a, b) group by a having max(b) > min(b)": 1,
    "select a from (values (1, 2), (2, 3)) as t (a, b) where b > 0 group by a having a > 1": 2,
    "select * from (select a from (values (1, 2), (2, 3)) as t (a, b) group by a having sum(b) = 3)": 2,
    "select max(n) from (select row_number() over (order by x desc) as n from (values 7, 8) as t (x))": 2,
    "select max(p) from (select lag(x) over (order by x) as p from (values 1, 2, 3) as t (x))": 2,
    "select min(c) from (select cume_dist() over (order by x) as c from (values 1, 2, 3, 4) as t (x))": 0.25,
    "select count(*) from (values 1, 2) as a (x) "
    "where exists (select 1 from (values 2) as b (y) where y = x)": 1,
    "select (select max(s) from (values 1, 2) as u (s) where s <= y) from (values 1) as t (y)": 1,
    "select count(*) from (select * from (values 1, 2) as a (x) except select * from (values 2) as b (x))": 1,
    "select count(*) from (values 1, 2) as a (x) left join (values 2, 3) as b (x) using (x)": 2,
    "select count(*) from (values (1, 'a'), (1, 'b')) as a (x, y) join (values 1) as b (x) on a.x = b.x": 2,
}


def same(found: object, expected: object) -> bool:
    if isinstance(expected, float) and isinstance(found, float):
        return (math.isnan(expected) and math.isnan(found)) or found == pytest.approx(expected, rel=1e-12)
    return found == expected and type(found) is type(expected)


@pytest.fixture(scope="module")
def no_tables(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder: Path = tmp_path_factory.mktemp("nothing")
    return Engine(FolderCatalogue(folder))


@pytest.mark.parametrize("expression", ANSWERS)
def test_expression(no_tables: Engine, expression: str) -> None:
    assert same(no_tables.execute(f"SELECT {expression}").rows[0][0], ANSWERS[expression])


@pytest.mark.parametrize("sql", QUERIES)
def test_query(no_tables: Engine, sql: str) -> None:
    rows = no_tables.execute(sql).rows
    assert len(rows) == 1
    assert same(rows[0][0], QUERIES[sql])


def test_types_of_results(no_tables: Engine) -> None:
    result = no_tables.execute(
        "SELECT 1 AS i, 1e0 AS d, 'a' AS t, true, sum(x), count(*) FROM (VALUES 1) AS v (x)"
    )
    assert result.columns == [
        ("i", "integer"), ("d", "double"), ("t", "varchar"), ("_col3", "boolean"), ("_col4", "bigint"),
        ("_col5", "bigint"),
    ]  # fmt: skip
