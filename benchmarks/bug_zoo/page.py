"""python -m benchmarks.bug_zoo.page ZOO.json [CLEAN.jsonl] > docs/bug-zoo.md: the page of both campaigns."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from scipy.stats import beta

FAMILIES = (
    "physics",
    "units",
    "geometry",
    "sky",
    "psf",
    "record",
    "data",
    "splits",
    "controls",
    "masks",
    "noise",
    "storage",
)
AT_LEAST = ("coverage", "flux_theta_e")  # their statistic has to exceed the bound
INTRO = """# The bug zoo, as measured

`.venv/bin/python -m benchmarks.bug_zoo --json > zoo.json`, then `python -m benchmarks.bug_zoo.page zoo.json
clean.jsonl` (fixed seeds): what the gate said of each known bug, planted alone in the code of a run of three
bricks (54 hosts) or in the tables of one of six. Rows: those of the run that was judged. A bug whose code is
never called is an error, not a row.
"""


def page(zoo: list[dict[str, Any]], clean: list[dict[str, Any]]) -> str:
    """The text of docs/bug-zoo.md."""
    planted = [row for row in zoo if row["family"] != "none"]
    through = [row["bug"] for row in planted if not row["stopped_by"]]
    stopped = f"{len(planted) - len(through)} of {len(planted)} bugs stopped"
    said = f"**{stopped}.** Got through: {', '.join(through) or 'none'}.\n"
    parts = [INTRO, said, _bugs(planted), _by_check(planted)]
    if clean:
        parts.append(_clean(clean))
    return "\n".join(parts)


def _bugs(planted: list[dict[str, Any]]) -> str:
    lines = ["| family | bug | stopped by | rows |", "|---|---|---|---|"]
    for row in sorted(planted, key=lambda row: (FAMILIES.index(row["family"]), row["bug"])):
        checks = ", ".join(row["stopped_by"]) or "NOTHING"
        lines.append(f"| {row['family']} | {row['bug']} | {checks} | {row['rows']:,} |")
    return "\n".join([*lines, ""])


def _by_check(planted: list[dict[str, Any]]) -> str:
    stops = Counter(name for row in planted for name in row["stopped_by"] if " " not in name)
    alone = Counter(row["stopped_by"][0] for row in planted if len(row["stopped_by"]) == 1)
    lines = ["## By check", "", "| check | bugs stopped | of these alone |", "|---|---|---|"]
    lines += [f"| {name} | {n} | {alone[name]} |" for name, n in stops.most_common()]
    return "\n".join([*lines, ""])


def _clean(clean: list[dict[str, Any]]) -> str:
    """The rate of false alarms, and how near the statistical checks came to their bounds."""
    n, alarms = len(clean), [row for row in clean if row["stopped_by"]]
    limit = beta.ppf(0.95, len(alarms) + 1, n - len(alarms))
    lines = [
        "## Clean runs",
        "",
        f"`.venv/bin/python -m benchmarks.bug_zoo --clean {n} --results clean.jsonl`: whole runs of the "
        "debug tier",
        f"({clean[0]['rows']:,} rows each) without a bug, from 4a to the verdict, each with its own seed;",
        "five share a synthetic sky, of whose 26 bricks each draws 20.",
        f"**{len(alarms)} of {n} were stopped**, so fewer than {limit:.1%} are (95 %).",
        "",
        *(f"- seed {row['seed']}: {name}: {told}" for row in alarms for name, told in _told(row)),
        "The statistic of the clean run that came nearest to its bound, where that is no count of 0:",
        "",
        "| check | nearest | bound | answers |",
        "|---|---|---|---|",
    ]  # fmt: skip
    for name in sorted(clean[0]["checks"]):
        answers = Counter(row["checks"][name][0] for row in clean)
        found = [row["checks"][name] for row in clean if row["checks"][name][1] is not None]
        if found and (found[0][2] or 0) > 0:
            _, nearest, bound = (min if name in AT_LEAST else max)(found, key=lambda one: one[1])
            told = ", ".join(f"{count} {status}" for status, count in answers.most_common())
            lines.append(f"| {name} | {nearest:.3g} | {bound:.3g} | {told} |")
    return "\n".join([*lines, ""])


def _told(row: dict[str, Any]) -> list[tuple[str, str]]:
    return list(row["messages"].items())


if __name__ == "__main__":
    zoo_file, *clean_file = map(Path, sys.argv[1:])
    runs = [json.loads(line) for path in clean_file for line in path.read_text("utf-8").splitlines()]
    sys.stdout.write(page(json.loads(zoo_file.read_text("utf-8")), runs))
