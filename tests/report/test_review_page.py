"""The page's content: what it says of a GO, of a NO-GO, and of a folder in which things are missing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError
from report import write_review
from report.words import description, heading, rich, rich_svg

MakeRun = Callable[..., Path]
VOID = {"meta", "link", "img", "br"}
APART = {"summary", "details", "td", "th", "span", "p", "li", "caption", "div", "dd", "dt", "h2", "h3"}


class Page(HTMLParser):
    """The parsed page: tags with their attributes, and the text a reader sees."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.size = path.stat().st_size
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in APART:
            self.words.append(" ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def go_page(go_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(write_review(go_run, tmp_path_factory.mktemp("pages") / "go.html"))


@pytest.fixture(scope="module")
def no_go_page(no_go_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(write_review(no_go_run, tmp_path_factory.mktemp("pages") / "no-go.html"))


def page_of(run_dir: Path) -> Page:
    return Page(write_review(run_dir))


def test_every_element_is_closed_in_order(go_page: Page, no_go_page: Page) -> None:
    assert not go_page.open
    assert not no_go_page.open


def test_go_is_said_with_what_comes_next(go_page: Page) -> None:
    assert "the verdict is GO" in go_page.text
    assert "3 critical checks passed" in go_page.text
    assert "the pilot tier" in go_page.text


def test_no_go_gives_its_reason_and_blocks_4d(no_go_page: Page) -> None:
    assert "the verdict is NO-GO" in no_go_page.text
    assert "closure failed: 41 of 96 rows are off by more than 5 %." in no_go_page.text
    assert "Phase 4d was blocked by the NO-GO" in no_go_page.text


def test_checks_stand_worst_first_with_statistic_bound_and_n(no_go_page: Page) -> None:
    table = no_go_page.text.split("Checks of the gate", 1)[1]
    order = [table.index(f"{name} ") for name in ("closure critical", "brick_failures", "bad_pixels")]
    assert order == sorted(order)
    assert "41 4 96 sampled rows 41 of 96 rows are off: the shear has the wrong sign." in no_go_page.text


def test_counts_by_split_reason_and_theta(go_page: Page) -> None:
    text = go_page.text
    assert "train 96 33.3 % 82 14 12 8 2" in text
    assert "missing_band 36 12.5 % 3" in text
    assert "train 32 (39 %) 25 (30.5 %) 25 (30.5 %) 82" in text
    assert "Every split holds the same share" in text


def test_bins_are_labelled_by_the_values_in_them(go_page: Page) -> None:
    assert "3 values (0.3, 0.6, 1) in 246 rows" in go_page.text


def test_completeness_has_wilson_intervals_and_says_what_is_only_threshold(go_page: Page) -> None:
    assert "50: 0.500 (0.404 to 0.596)" in go_page.text
    assert "At θE 0.3, 0.6″ arcs are detected but none is recovered" in go_page.text


def test_provenance_has_the_config_hash(go_page: Page) -> None:
    assert "c0ffee" * 10 in go_page.text


def test_one_file_without_requests_below_5_mb(go_page: Page) -> None:
    assert go_page.size < 5_000_000
    assert not go_page.all("script")
    sources = [a.get("src") or "" for a in go_page.all("img")] + [
        a.get("href") or "" for a in go_page.all("link")
    ]
    assert all(s.startswith("data:") for s in sources)
    assert all((a["href"] or "").startswith(("#", "data:image/svg+xml;base64,")) for a in go_page.all("a"))


def test_gallery_shows_three_pictures_of_each_role_with_alt_texts(go_page: Page) -> None:
    images = go_page.all("img")
    assert len(images) == 3 * (3 * (4 + 3) + 3)  # 3 theta_E x (4 roles + 3 random), and 3 controls
    assert all(image["alt"] for image in images)
    assert go_page.text.count("Faintest detected") == 3


def test_tables_have_headers_and_the_page_a_language(go_page: Page) -> None:
    assert go_page.all("html")[0]["lang"] == "en"
    assert all(a.get("scope") in ("col", "row") for a in go_page.all("th"))
    assert all(a.get("aria-label") or a.get("aria-hidden") for a in go_page.all("svg"))


def test_everything_is_escaped(fresh_run: MakeRun, set_verdict: Callable[..., None]) -> None:
    run = fresh_run()
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>`<b>`"
    check = {"name": evil, "status": "FAIL", "message": evil}
    set_verdict(run, False, reasons=[evil], checks=[check], run_id=evil, note={evil: evil})
    page = page_of(run)
    assert not page.all("script")
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert page.text.count("<script>alert(1)</script>") >= 5


def test_a_brick_name_is_escaped_too(fresh_run: MakeRun) -> None:
    run = fresh_run()
    for part in (run / "metrics").rglob("*.parquet"):
        table = pq.ParquetFile(part).read()
        evil = table["brickname"].to_pylist()
        at = table.column_names.index("brickname")
        column = [["<script>x</script>"] * len(evil)]
        pq.write_table(table.set_column(at, "brickname", column), part)
    page = page_of(run)
    assert not page.all("script")
    assert "<script>x</script>" in page.text


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("stamps", "There is no stamps table"),
        ("metrics", "There is no metrics table"),
        ("manifest", "There is no manifest table"),
        ("selection_function", "It has not been computed yet: darkhalo select debug-test"),
    ],
)
def test_a_missing_table_is_stated(fresh_run: MakeRun, table: str, said: str) -> None:
    run = fresh_run()
    shutil.rmtree(run / table)
    assert said in page_of(run).text


@pytest.mark.parametrize("table", ["stamps", "metrics", "selection_function"])
def test_a_corrupt_table_is_stated(fresh_run: MakeRun, table: str) -> None:
    run = fresh_run()
    for part in (run / table).rglob("*.parquet"):
        part.write_bytes(b"PAR1 no longer")
    assert f"The {table} table cannot be read" in page_of(run).text


@pytest.mark.parametrize("table", ["stamps", "metrics", "selection_function"])
def test_an_empty_table_is_stated(fresh_run: MakeRun, table: str) -> None:
    run = fresh_run()
    for part in (run / table).rglob("*.parquet"):
        pq.write_table(pq.ParquetFile(part).read().slice(0, 0), part)
    assert f"The {table} table is there but holds no rows" in page_of(run).text


def test_missing_columns_are_named(fresh_run: MakeRun) -> None:
    run = fresh_run()
    for part in (run / "metrics").rglob("*.parquet"):
        pq.write_table(pq.ParquetFile(part).read().drop(["arc_snr", "host_id"]), part)
    text = page_of(run).text
    assert "Columns missing from metrics: host_id, arc_snr." in text
    assert "Nothing to draw for arc_snr" in text


def test_rows_that_do_not_agree_are_stated(fresh_run: MakeRun, set_verdict: Callable[..., None]) -> None:
    run = fresh_run()
    set_verdict(run, True, rows=99)
    next((run / "manifest").rglob("*.parquet")).unlink()
    text = page_of(run).text
    assert "The manifest planned 48 rows; metrics holds 72." in text
    assert "verdict.json counts 99 rows; metrics holds 72 now." in text


def test_a_go_that_its_checks_deny_is_stated(fresh_run: MakeRun, set_verdict: Callable[..., None]) -> None:
    run = fresh_run()
    check = {"name": "closure", "status": "INCONCLUSIVE", "critical": True, "message": "too few rows"}
    numbers = {"statistic": None, "bound": None, "n": None}
    set_verdict(run, True, checks=[{**check, **numbers}])
    text = page_of(run).text
    assert "the verdict is NO-GO" in text
    assert "verdict.json says GO, its results say NO-GO: schema: critical, but it gave no answer" in text


def test_a_verdict_that_its_table_denies_is_stated(fresh_run: MakeRun, write: Callable[..., Path]) -> None:
    run = fresh_run()
    row = {"name": "closure", "status": "FAIL", "critical": True, "message": "off"}
    rows = [{**row, "code_version": "of an earlier code"}]
    write(run, "check_results", "all", rows)
    text = page_of(run).text
    assert "the verdict is NO-GO" in text
    assert "verdict.json and the table check_results do not hold the same results" in text


@pytest.mark.parametrize("table", ["manifest", "metrics", "stamps"])
def test_a_go_is_not_shown_for_tables_that_changed(fresh_run: MakeRun, table: str) -> None:
    run = fresh_run()
    assert "the verdict is GO" in page_of(run).text
    part = next((run / table).rglob("*.parquet"))
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    page = page_of(run)
    assert "the verdict is NO-GO" in page.text
    assert f"that does not hold: changed since the verdict: {table}." in page.text
    assert "alert" in [p.get("role") for p in page.all("p")]


def test_a_go_that_was_never_published_is_not_shown(fresh_run: MakeRun) -> None:
    run = fresh_run()
    (run / "_SUCCESS.json").write_text("{}")
    assert "_SUCCESS.json is not the one that publishing this verdict writes" in page_of(run).text
    (run / "_SUCCESS.json").unlink()
    assert "the verdict is NO-GO" in page_of(run).text


def test_a_folder_is_shown_wherever_it_was_copied_to(fresh_run: MakeRun, tmp_path: Path) -> None:
    copy = shutil.copytree(fresh_run(), tmp_path / "some where" / "else")
    assert "the verdict is GO" in page_of(copy).text


def test_of_a_large_table_some_files_are_read_and_this_is_said(
    fresh_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("report.folder.MOST_ROWS", 40)
    page = page_of(fresh_run())
    assert "This page read 2 of 3 files of metrics, evenly spaced (48 rows)" in page.text
    assert "rows in metrics 72" in page.text
    assert page.all("img")


def test_only_a_verdict_is_enough(tmp_path: Path, set_verdict: Callable[..., None]) -> None:
    set_verdict(tmp_path, False)
    text = page_of(tmp_path).text
    assert "There is no metrics table" in text
    assert "The plan is not shown" in text


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"verdict": "MAYBE"}',
        '{"verdict": "GO"}',
        '{"verdict":"GO","reasons":[],"checks":[{}]}',
        b"\xff\xfe",
    ],
)
def test_a_corrupt_verdict_is_an_input_error_that_names_the_file(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "verdict.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=r"verdict\.json") as caught:
        write_review(tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "review.html").exists()


def test_no_verdict_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"verdict\.json: not there"):
        write_review(tmp_path)


def test_nan_and_odd_numbers_in_checks_are_dashes(
    fresh_run: MakeRun, set_verdict: Callable[..., None]
) -> None:
    run = fresh_run()
    check = {
        "name": "odd",
        "status": "WARN",
        "statistic": float("nan"),
        "bound": "5",
        "n": None,
        "message": "m",
    }
    set_verdict(run, False, checks=[check])
    assert "odd – – – m" in page_of(run).text


def test_the_file_appears_whole_or_not_at_all(fresh_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fresh_run()
    out = write_review(run)
    before = out.read_bytes()

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_review(run)
    assert out.read_bytes() == before
    assert [p.name for p in run.iterdir() if p.name.startswith(".")] == []


def test_default_and_given_path(fresh_run: MakeRun, tmp_path: Path) -> None:
    run = fresh_run()
    assert write_review(run) == run / "review.html"
    assert write_review(run, tmp_path / "deep" / "x.html").exists()


def test_a_long_list_in_the_plan_is_shortened_and_says_so(fresh_run: MakeRun) -> None:
    run = fresh_run()
    (run / "plan.json").write_text(json.dumps({"bricks": list(range(500))}))
    assert "0, 1, 2, 3, 4, 5 … (500 in all)" in page_of(run).text


SQL = """-- name: keys
-- asks: Is every key unique?
-- bound: 0 (a second line
--   belongs to it: all of it)
-- on failure: look at task_id
--
-- asks: not this any more
SELECT 1 -- nor this
"""


def test_the_head_of_a_check_is_read_by_field() -> None:
    assert heading(SQL) == {
        "name": "keys",
        "asks": "Is every key unique?",
        "bound": "0 (a second line belongs to it: all of it)",
        "on failure": "look at task_id",
    }
    assert heading("SELECT 1") == {}


def test_a_check_says_what_it_asks_and_when_failed_what_to_do(
    fresh_run: MakeRun, set_verdict: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "keys.sql").write_text(SQL)
    monkeypatch.setattr("report.words.files", lambda _: tmp_path)
    run = fresh_run()
    for status, told in (("FAIL", True), ("PASS", False)):
        set_verdict(run, False, checks=[{"name": "keys", "status": status, "message": "m"}])
        text = page_of(run).text
        assert "Is every key unique?" in text
        assert ("What to do: look at task_id" in text) == told


def test_marked_text_is_escaped_before_it_is_marked() -> None:
    assert rich("<b> `darkhalo run <x>` θ_E") == (
        "&lt;b&gt; <code>darkhalo run &lt;x&gt;</code> θ<sub>E</sub>"
    )
    assert rich_svg("<b> θ_E").startswith("&lt;b&gt; θ<tspan")


def test_a_name_that_is_a_path_reads_no_file() -> None:
    assert description("../tables/metrics") == {}
    assert description("no_such_check") == {}


def test_every_check_of_the_gate_has_a_question() -> None:
    for path in sorted(Path(str(files("athena_sql"))).glob("checks/*.sql")):
        assert description(path.stem)["asks"].endswith("?"), path.name
