"""Write the generated pages of docs/; `make docs` runs it, and a test compares its text with the files."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.checks import load_checks
from pipeline.schema import DATABASE, HOST_SHAPES, HOSTS, TABLES, Column, Table

DOCS = Path(__file__).resolve().parent


def data_dictionary() -> str:
    """The text of data-dictionary.md, from `pipeline.schema`."""
    parts = [
        "# Data dictionary",
        "",
        "Generated from `pipeline/schema.py` by `make docs`: do not edit.",
        "",
        f"Database `{DATABASE}`. Every table is partitioned by `tier`, `run_id` and `region_split` (strings; "
        "`region_split` is `train`, `val` or `test`, or `all` in tables that are not split). A value that "
        "does not exist is NULL, never NaN. Bands are g, r, z.",
        "",
    ]
    for table in TABLES:
        parts += _table(table)
    parts += ["An input, not a table of the database (more columns may stand beside these):", ""]
    parts += _table(HOSTS)
    parts += _table(HOST_SHAPES)
    return "\n".join(parts).rstrip() + "\n"


def _table(table: Table) -> list[str]:
    lines = [f"## {table.name}", "", table.meaning, "", "| column | type | unit | range | meaning |"]
    lines += ["|---|---|---|---|---|"]
    lines += [_row(column) for column in table.columns]
    return [*lines, ""]


def _row(column: Column) -> str:
    null = ", or NULL" if column.nullable else ""
    return f"| `{column.name}` | {column.type} | {column.unit} | {_range(column)}{null} | {column.meaning} |"


def _range(column: Column) -> str:
    if column.low is None and column.high is None:
        return "any"
    if column.high is None:
        return f">= {column.low:g}"
    if column.low is None:
        return f"<= {column.high:g}"
    return f"{column.low:g} to {column.high:g}"


def checks() -> str:
    """The text of checks.md, from the heads of the files in athena_sql/checks."""
    parts = [
        "# The checks",
        "",
        "Generated from the heads of `athena_sql/checks/*.sql` by `make docs`: do not edit.",
        "",
    ]
    for check in load_checks():
        parts += [
            f"## {check.name}",
            "",
            f"**{check.asks}**",
            "",
            f"- Statistic: {check.statistic}",
            f"- Bound: {check.bound}",
            f"- Needs: {check.needs}",
            f"- Stops: {check.stops}",
            f"- When it fails: {check.on_failure}",
            "",
        ]
    return "\n".join(parts).rstrip() + "\n"


def prior() -> str:
    """The text of images/prior.svg, from the module beside this one."""
    sys.path.insert(0, str(DOCS))
    from prior_figure import prior_figure

    return prior_figure()


PAGES = {"data-dictionary.md": data_dictionary, "checks.md": checks, "images/prior.svg": prior}


def main() -> None:
    if len(sys.argv) > 1:
        sys.exit("docs/generate.py takes no arguments; it writes " + ", ".join(PAGES))
    for name, text in PAGES.items():
        (DOCS / name).write_text(text(), encoding="utf-8")
        print(f"wrote docs/{name}")


if __name__ == "__main__":
    main()
