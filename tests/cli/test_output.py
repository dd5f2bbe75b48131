"""What the commands print beside their results."""

from __future__ import annotations

import io

from cli.output import print_verdict


def test_the_last_lines_name_what_is_neither_passed_nor_a_reason() -> None:
    def check(name: str, status: str, critical: bool = False) -> dict:
        return {"name": name, "status": status, "critical": critical, "statistic": None, "bound": None,
                "n": None, "message": ""}  # fmt: skip

    checks = [
        check("one", "PASS"), check("two", "WARN"), check("three", "INCONCLUSIVE"),
        check("four", "INCONCLUSIVE"), check("five", "NOT_EXERCISED", critical=True),
    ]  # fmt: skip
    out = io.StringIO()
    print_verdict({"checks": checks, "verdict": "NO-GO", "reasons": ["five: critical, but .."]}, out)
    last = out.getvalue().split("\n\n")[1].splitlines()
    assert last == ["NO-GO", "  because five: critical, but ..", "  WARN: two", "  INCONCLUSIVE: three, four"]
