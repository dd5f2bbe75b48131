"""Magnification against theory, bricks by outcome, and what the run cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.cost import estimate
from report import write_measured, write_review
from report.cost import cost
from report.folder import Frame
from report.stats import five_sigma
from report.tallies import OUTCOMES, counts
from report.theory import magnification, point_source
from report.words import UNITS
from tests.athena_sql.synthetic import CHECKS


def behind_spheres(n: int = 4000) -> dict[str, np.ndarray]:
    """Point sources uniform in the disc of theta_E behind isothermal spheres."""
    rng = np.random.default_rng(1)
    offset, angle = np.sqrt(rng.uniform(1e-4, 1, n)), rng.uniform(0, 2 * np.pi, n)
    return {
        "theta_e_arcsec": np.full(n, 0.8), "src_x_arcsec": 0.8 * offset * np.cos(angle),
        "src_y_arcsec": 0.8 * offset * np.sin(angle), "magnification": 2 / offset,
        "src_reff_arcsec": np.full(n, 0.1), "lens_e": np.zeros(n), "shear": np.zeros(n),
        "host_id": np.array([f"h{i % 40}" for i in range(n)]),
    }  # fmt: skip


def test_a_run_of_isothermal_spheres_lies_on_both_lines() -> None:
    charts, notes = magnification(Frame(pa.table(behind_spheres())))
    assert [chart.title for chart in charts] == [
        "Magnification by the source's offset", "How rare large magnifications are",
    ]  # fmt: skip
    for row in charts[0].rows[1:]:  # in the first bin the mean over a tenth of theta_E is not its middle's
        assert float(row[1]) == pytest.approx(float(row[2]), rel=0.03)
    for row in charts[1].rows[:6]:
        assert float(row[2]) == pytest.approx(float(row[3]), rel=0.15)
    assert "μ⁻²" in notes[0]


def test_nothing_to_draw_is_said() -> None:
    none = {name: values[:0] for name, values in behind_spheres().items()}
    charts, notes = magnification(Frame(pa.table(none)))
    assert charts == ()
    assert notes == ("No row has a magnification and a source position.",)


def test_point_source_outside_the_disc() -> None:
    assert (point_source(0.5), point_source(2.0)) == (4.0, 1.5)


def test_five_sigma_depth_is_that_of_the_definition() -> None:
    assert five_sigma(np.array([25.0, 0.0]))[0] == pytest.approx(22.5)  # 5 / sqrt(25) = 1 nmgy
    assert np.isnan(five_sigma(np.array([0.0]))[0])


def table_read(columns: dict[str, Any]) -> Any:
    class Read:
        frame, name, rows, note, read, files = Frame(pa.table(columns)), "metrics", 4, "", (), 0

    return Read()


def test_bricks_are_coloured_by_what_became_of_their_rows() -> None:
    read = table_read({
        "brickname": ["a", "a", "b", "b", "c", "d"], "ra": [1.0, 1.0, 2.0, 2.0, 3.0, 4.0],
        "dec": [0.0] * 6, "cutout_ok": [True, True, True, False, False, True],
        "bad_pixel_frac": [0.0, 0.0, 0.0, None, None, 0.5], "region_split": ["train"] * 6,
        "is_control": [False] * 6, "host_id": list("abcdef"),
    })  # fmt: skip
    _, outcome = counts(read, (), None).skies
    assert [series.name for series in outcome.series] == [
        f"{OUTCOMES[0]} (1)", f"{OUTCOMES[1]} (1)", f"{OUTCOMES[2]} (1)", f"{OUTCOMES[3]} (1)",
    ]  # fmt: skip


def test_the_cost_is_the_plan_s_estimate_and_what_was_measured(tmp_path: Path) -> None:
    plan = {"estimate": estimate(1_000_000, 20_000, 2000, 64, [100.0] * 50).as_json()}
    write_measured(tmp_path, {"seconds": {"Plan": 1.5, "InjectBricks": 20.0}, "cpu_seconds": {"tasks": 9.5}})
    (estimated, measured, others), notes = cost(tmp_path, plan, 1_000_000)
    assert estimated.rows[-1] == ("all", f"{plan['estimate']['dollars_total']:,.2f}")
    assert measured.rows == (("Plan", "1.5"), ("InjectBricks", "20"), ("all", "21.5"))
    assert others.rows == (("CPU, tasks", "9.5 s"),)
    assert "dollars a million rows" in notes[0]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"seconds": 3}', '{"seconds": {"Plan": "long"}, "cpu_seconds": 1}']
)
def test_what_is_not_known_of_the_cost_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "measured.json").write_text(text)
    _, notes = cost(tmp_path, {"estimate": None}, None)
    assert notes[0] == "The plan holds no estimate of what the run costs on AWS."


def test_the_page_shows_them(fresh_run: Any) -> None:
    run = fresh_run()
    plan = json.loads((run / "plan.json").read_text())
    plan["estimate"] = estimate(288, 24, 3, 64, [20.0]).as_json()
    (run / "plan.json").write_text(json.dumps(plan))
    write_measured(run, {"seconds": {"InjectBricks": 20.0}})
    text = write_review(run).read_text(encoding="utf-8")
    for said in ("Estimated for AWS", "Measured on this machine", "Bricks by outcome", "Depth, 5 sigma"):
        assert said in text


def test_every_check_says_what_its_n_counts() -> None:
    assert set(UNITS) == set(CHECKS)
