"""The earlier pipeline's debug tier, built from its printed statistics, is judged by what it has."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.foreign import brought_in
from cli.validate import judge_folder
from pipeline.errors import InputError

GRID = tuple(product((0.3, 0.6, 1.0), (1.0, 2.0), (0.08, 0.15), (0.0, 0.3), (0.0, 0.03)))
HOSTS, BRICKS = 360, 20


def printed() -> dict[str, np.ndarray]:
    """360 hosts x 48 rows; magnification 0.18 to 168 with a mean of 8.25; no control; one brick's PSF 0."""
    rng = np.random.default_rng(5)
    n = HOSTS * len(GRID)
    host = np.repeat(np.arange(HOSTS), len(GRID))
    theta_e, dmag, r_eff, src_e, shear = np.tile(np.array(GRID), (HOSTS, 1)).T
    brick = host % BRICKS
    magnification = np.clip(8.25 * rng.lognormal(-0.5 * 0.9**2, 0.9, n), 0.2, 160)
    magnification[:2] = 0.18, 168
    psf = np.where(brick == 7, 0.0, 1.33)
    angle, radius = rng.uniform(0, 2 * np.pi, n), theta_e * np.sqrt(rng.uniform(size=n))
    return {
        "task_id": np.array([f"{i:016x}" for i in range(n)]),
        "experiment_id": np.array(["debug_stamp64_bandsgrz_gridgrid_small"] * n),
        "brickname": np.array([f"{b:04d}m005" for b in brick]),
        "ra": 10.0 + host, "dec": -0.5 + 0 * host, "region_id": brick, "region_split": np.array(
            ["train", "val", "test"])[host % 3],
        "lens_model": np.array(["SIE"] * n), "is_control": np.zeros(n, bool),
        "theta_e_arcsec": theta_e, "src_dmag": dmag, "src_reff_arcsec": r_eff, "src_e": src_e, "shear": shear,
        "src_x_arcsec": radius * np.cos(angle), "src_y_arcsec": radius * np.sin(angle),
        **{name: rng.uniform(0, np.pi, n) for name in ("src_phi_rad", "lens_phi_rad", "shear_phi_rad")},
        "lens_e": rng.uniform(0, 0.3, n), "task_seed64": np.arange(n), "psfsize_r": psf,
        "psfdepth_r": rng.uniform(200, 800, n), **{f"psf_fwhm_used_{b}": psf for b in "grz"},
        "cutout_ok": np.ones(n, bool), "arc_snr": rng.lognormal(3.7, 1, n),
        "total_injected_flux": rng.lognormal(1, 1, n), "magnification": magnification,
        "bad_pixel_frac": rng.uniform(0, 0.1, n), "wise_brightmask_frac": rng.uniform(0, 0.1, n),
        "metrics_ok": np.ones(n, bool),
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    (folder / "metrics").mkdir()
    pq.write_table(pa.table(printed()), folder / "metrics" / "part-0.parquet")
    return folder


def test_the_earlier_debug_tier_is_no_go_with_its_reasons(folder: Path) -> None:
    judged = judge_folder(folder, None)
    assert (judged["verdict"], judged["rows"]) == ("NO-GO", 17280)
    reasons = "\n".join(judged["reasons"])
    assert "magnification:" in reasons and "from 0.180 to 168.00" in reasons
    assert "controls: critical, but NOT_EXERCISED" in reasons
    assert "ranges:" in reasons and "psfsize_r 864" in reasons and "psf_fwhm_used_r 864" in reasons


def test_what_cannot_be_judged_says_what_it_lacks(folder: Path) -> None:
    judged = {check["name"]: check for check in judge_folder(folder, None)["checks"]}
    for name in ("closure", "schema", "success_rate", "stamp_hashes", "leakage", "host_pixels"):
        assert judged[name]["status"] == "NOT_EXERCISED", name
        assert "do not have" in judged[name]["message"]
    assert judged["closure"]["message"].startswith("these results do not have the table closure")
    assert "psf_source_g" in judged["psf_provenance"]["message"]
    assert (judged["nulls"]["status"], judged["maskbits"]["status"]) == ("PASS", "PASS")


def test_results_without_the_least_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    pq.write_table(pa.table({"ra": [1.0], "arc_snr": [2.0]}), tmp_path / "metrics" / "part-0.parquet")
    with pytest.raises(InputError, match="column brickname, dec, is_control, .* is missing"):
        judge_folder(tmp_path, None)


def test_a_column_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    table = pa.table({**printed(), "theta_e_arcsec": np.array(["wide"] * 17280)})
    pq.write_table(table, tmp_path / "metrics" / "part-0.parquet")
    with pytest.raises(InputError, match="column theta_e_arcsec: .*wide"):
        judge_folder(tmp_path, None)


def small(**changes: Any) -> pa.Table:
    """The first 200 rows, with other columns; None takes a column away."""
    table = pa.table(printed()).slice(0, 200)
    for name, values in changes.items():
        table = table.drop_columns([name]) if name in table.column_names else table
        table = table if values is None else table.append_column(name, values)
    return table


def write(folder: Path, *tables: pa.Table) -> Path:
    (folder / "metrics").mkdir(exist_ok=True)
    for number, table in enumerate(tables):
        pq.write_table(table, folder / "metrics" / f"part-{number}.parquet")
    return folder / "metrics" / f"part-{len(tables) - 1}.parquet"


def texts(*values: str | None) -> pa.Array:
    return pa.array([*values, *["train"] * (200 - len(values))], pa.string())


@pytest.mark.parametrize("split", [pa.nulls(200), texts(*[None] * 200), texts(None, "val")])
def test_rows_without_a_split_are_judged_with_the_others(tmp_path: Path, split: pa.Array) -> None:
    write(tmp_path, small(region_split=split))
    with brought_in(tmp_path, "debug") as found:
        parts = list(found.folder.rglob("*.parquet"))
        assert sum(len(pq.ParquetFile(part).read()) for part in parts) == found.rows == 200
        assert any(part.parent.name == "region_split=all" for part in parts)


@pytest.mark.parametrize("up", [1, 4, 12])
def test_a_split_cannot_lead_out_of_the_folder(tmp_path: Path, up: int) -> None:
    target = tmp_path / "outside"
    write(tmp_path, small(region_split=texts("train", "/" + "../" * up + str(target).lstrip("/"))))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"part-0.parquet: row 2, column region_split: .*use 1 to 64 lower"):
        judge_folder(tmp_path, None)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_tier_of_the_users_own_is_taken_by_its_name(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    text = (files("pipeline") / "tiers" / "debug.toml").read_text().replace('name = "debug"', 'name = "mine"')
    mine.write_text(text)
    write(tmp_path, small())
    assert judge_folder(tmp_path, str(mine))["verdict"] == "NO-GO"


def test_parts_of_differing_types_and_columns_are_one_table(tmp_path: Path) -> None:
    whole_numbers = small(region_id=pa.array(["3"] * 200), arc_snr=None, theta_e_arcsec=pa.array([1] * 200))
    write(tmp_path, small(), whole_numbers)
    judged = judge_folder(tmp_path, None)
    assert (judged["verdict"], judged["rows"]) == ("NO-GO", 400)


def spoiled(**changes: Any) -> Callable[[Path], Path]:
    """Writes a good part and one with these columns."""
    return lambda folder: write(folder, small(), small(**changes))


def twice(column: str) -> pa.Table:
    return small().append_column(column, pa.array([0.0] * 200))


NO_PLACE = "column ra: no number, and no column host_id"
DAMAGED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no byte": (lambda f: write(f, small(), small()).write_bytes(b""), "part-1.parquet: not readable"),
    "text": (lambda f: write(f, small(), small()).write_text("PAR1 or not"), "part-1.parquet: not readable"),
    "footer cut off": (lambda f: shorten(write(f, small()), -9), "part-0.parquet: not readable"),
    "pages overwritten": (lambda f: overwrite(write(f, small())), "part-0.parquet: not readable"),
    "no row": (lambda f: write(f, small().slice(0, 0)), "metrics: holds no rows"),
    "no place": (spoiled(ra=pa.array([1.0, 2.0, None] + [3.0] * 197)), f"row 3, {NO_PLACE}"),
    "place NaN": (spoiled(ra=pa.array([np.nan] * 200)), f"row 1, {NO_PLACE}"),
    "place NULL": (spoiled(ra=pa.nulls(200)), f"row 1, {NO_PLACE}"),
    "place as text": (spoiled(ra=texts("1.5")), "row 2, column ra: .*'train'.*as double"),
    "nested": (spoiled(shear=pa.array([[1.0]] * 200)), "part-1.parquet: column shear: .*list"),
    "nested split": (spoiled(region_split=pa.array([{"a": 1}] * 200)), "column region_split"),
    "huge text": (spoiled(src_e=texts("9" * 3_000_000 + "x")), "row 1, column src_e"),
    "huge split": (spoiled(region_split=texts("a" * 3_000_000)), "row 1, column region_split"),
    "split of bytes": (spoiled(region_split=pa.array([b"\xff"] * 200)), "column region_split"),
    "flag as text": (spoiled(is_control=texts("no")), "row 1, column is_control: .*bool"),
    "half a number": (spoiled(region_id=pa.array([1.0] * 199 + [0.5])), "row 200, column region_id"),
    "a column twice": (lambda f: write(f, twice("dec")), "part-0.parquet: not readable"),
    "a column less": (spoiled(dec=None), "part-1.parquet: column dec is missing"),
}  # fmt: skip


def shorten(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[:end])


def overwrite(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * (len(data) // 2) + data[4 + len(data) // 2 :])


@pytest.mark.parametrize(("harm", "said"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_folder_is_named_in_one_line(
    tmp_path: Path, harm: Callable[[Path], Any], said: str
) -> None:
    harm(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=said) as caught:
        judge_folder(tmp_path, None)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert sorted(tmp_path.rglob("*")) == before


def test_nan_everywhere_and_no_magnification_is_no_go(tmp_path: Path) -> None:
    numbers = [n for n, v in printed().items() if v.dtype == float and n not in ("ra", "dec")]
    unknown = dict.fromkeys(numbers, pa.array([np.nan] * 200))
    write(tmp_path, small(**{**unknown, "magnification": None}))
    judged = judge_folder(tmp_path, None)
    assert judged["verdict"] == "NO-GO"
    assert not [check for check in judged["checks"] if check["status"] == "PASS" and check["n"]], judged


def test_what_a_writer_hides_is_no_part(tmp_path: Path) -> None:
    write(tmp_path, small())
    (tmp_path / "metrics" / "_temporary").mkdir()
    (tmp_path / "metrics" / "_temporary" / "part-9.parquet").write_bytes(b"half")
    (tmp_path / "metrics" / ".part-9.parquet").write_bytes(b"half")
    assert judge_folder(tmp_path, None)["rows"] == 200
