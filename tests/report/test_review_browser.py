"""The page in a real browser: no errors, no requests, pictures that load, and room on a phone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from report import write_review
from report.folder import STATUSES

pytestmark = pytest.mark.xdist_group("chromium")
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP, PHONE = (1400, 900), (390, 844)
MOST_HEIGHT = 8_000  # px of the whole page of a debug run on a desktop
LEAST_STAMP = 256


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = f"none of {', '.join(NAMES)} is on PATH: the page was not opened in a browser"
        if os.environ.get("DARKHALO_REQUIRE_CHROMIUM"):
            pytest.fail(f"DARKHALO_REQUIRE_CHROMIUM is set, and {reason}")
        pytest.skip(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(go_run: Path, no_go_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {
        "GO": write_review(go_run, folder / "go.html"),
        "NO-GO": write_review(no_go_run, folder / "no-go.html"),
    }


class Opened:
    """A page in the browser, and what it complained about or asked for."""

    def __init__(self, browser: Browser, path: Path, size: tuple[int, int]) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", lambda dialog: (self.complaints.append("dialog"), dialog.dismiss()))
        self.page.goto(path.as_uri())

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)


@pytest.mark.parametrize("verdict", ["GO", "NO-GO"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_page_opens_clean(
    browser: Browser, pages: dict[str, Path], verdict: str, size: tuple[int, int]
) -> None:
    opened = Opened(browser, pages[verdict], size)
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [pages[verdict].as_uri()]
    word = opened.page.locator(".halo .word")
    assert word.inner_text() == verdict
    assert word.is_visible()
    box = word.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < size[1], "the verdict is above the fold"
    assert opened.ask("document.documentElement.scrollWidth") <= size[0], "the page scrolls sideways"
    opened.page.close()


def test_nothing_sticks_out_on_a_phone(browser: Browser, pages: dict[str, Path]) -> None:
    opened = Opened(browser, pages["NO-GO"], PHONE)
    outside = opened.ask(
        """[...document.querySelectorAll('main *, header *')]
        .filter(e => !e.closest('.scroll, nav, svg, thead'))
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.className || e.tagName)"""
    )
    assert outside == []
    opened.page.close()


def test_every_picture_loads(browser: Browser, pages: dict[str, Path]) -> None:
    opened = Opened(browser, pages["GO"], DESKTOP)
    opened.ask("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    opened.page.wait_for_function("[...document.images].every(i => i.complete)")
    sizes = opened.ask("[...document.images].map(i => [i.naturalWidth, i.naturalHeight, i.alt.length])")
    assert len(sizes) == 72
    assert all(width == height == 64 and alt > 10 for width, height, alt in sizes)
    opened.page.close()


def test_what_scrolls_can_be_reached_by_keyboard(browser: Browser, pages: dict[str, Path]) -> None:
    opened = Opened(browser, pages["GO"], PHONE)
    unreachable = opened.ask(
        """[...document.querySelectorAll('.scroll')]
        .filter(e => e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0).length"""
    )
    assert unreachable == 0
    opened.page.keyboard.press("Tab")
    assert opened.ask("document.activeElement.className") == "skip"
    opened.page.close()


def test_text_is_readable_against_its_background(browser: Browser, pages: dict[str, Path]) -> None:
    opened = Opened(browser, pages["NO-GO"], DESKTOP)
    names = ["--sky", "--panel", "--ink", "--soft", *(f"--{status}" for status in STATUSES)]
    style = "getComputedStyle(document.documentElement)"
    colours = {name: opened.ask(f"{style}.getPropertyValue('{name}').trim()") for name in names}
    for name, colour in colours.items():
        if name not in ("--sky", "--panel"):
            assert min(contrast(colour, colours["--sky"]), contrast(colour, colours["--panel"])) >= 4.5, name
    opened.page.close()


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two #rrggbb colours."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_malicious_message_does_nothing(browser: Browser, fresh_run: Any, set_verdict: Any) -> None:
    run = fresh_run()
    evil = "<script>alert(1)</script><img src='https://example.org/x.png' onerror='alert(2)'>"
    set_verdict(run, False, reasons=[evil], checks=[{"name": "x", "status": "FAIL", "message": evil}])
    opened = Opened(browser, write_review(run), DESKTOP)
    opened.page.wait_for_timeout(100)
    assert opened.complaints == []
    assert len([url for url in opened.requests if not url.startswith("data:")]) == 1
    assert opened.page.get_by_text("<script>alert(1)</script>").first.is_visible()
    opened.page.close()


def test_every_section_can_be_reached_from_a_wide_page_at_once(
    browser: Browser, pages: dict[str, Path]
) -> None:
    opened = Opened(browser, pages["GO"], (1200, 900))
    assert opened.ask("(e => e.scrollWidth - e.clientWidth)(document.querySelector('nav ul'))") <= 0
    opened.page.close()


def test_keys_leave_room_for_their_values_on_a_phone(browser: Browser, pages: dict[str, Path]) -> None:
    opened = Opened(browser, pages["GO"], PHONE)
    widths = opened.ask("[...document.querySelectorAll('.made td')].map(e => e.clientWidth)")
    assert min(width for width in widths if width) > 100  # those in a closed part have none
    opened.page.close()


def test_units_stand_beside_their_number_on_a_phone(browser: Browser, pages: dict[str, Path]) -> None:
    opened = Opened(browser, pages["GO"], PHONE)
    heights = opened.ask(
        "[...document.querySelectorAll('.checks td.num')].map(e => e.getBoundingClientRect().height)"
    )
    assert max(heights) < 1.5 * min(heights)
    opened.page.close()


# Labels of a figure that cover each other, or that its edge cuts off. A letter's box has air around it: 1 px.
LABELS = """[...document.querySelectorAll('.chart > svg')].flatMap(figure => {
  const outer = figure.getBoundingClientRect();
  const boxes = [...figure.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
  const cut = boxes.filter(([, b]) => b.left < outer.left - 1 || b.right > outer.right + 1
    || b.top < outer.top - 1 || b.bottom > outer.bottom + 1).map(([t]) => 'cut off: ' + t);
  const over = boxes.flatMap(([t, a], i) => boxes.slice(i + 1).filter(([, b]) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1).map(([u]) => t + ' on ' + u));
  return [...cut, ...over].map(found => figure.getAttribute('aria-label').slice(0, 40) + ': ' + found);
})"""


@pytest.mark.parametrize("verdict", ["GO", "NO-GO"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_label_covers_another_or_is_cut_off(
    browser: Browser, pages: dict[str, Path], verdict: str, size: tuple[int, int]
) -> None:
    opened = Opened(browser, pages[verdict], size)
    opened.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert opened.ask("document.querySelectorAll('.chart > svg').length") > 10
    assert opened.ask(LABELS) == []
    opened.page.close()


def test_labels_that_overlap_are_found(browser: Browser, pages: dict[str, Path]) -> None:
    opened = Opened(browser, pages["GO"], DESKTOP)
    opened.ask("for (const t of document.querySelectorAll('.chart > svg text')) t.setAttribute('x', 100)")
    assert len(opened.ask(LABELS)) > 10
    opened.page.close()


def test_the_page_is_of_a_length_that_people_read_and_its_right_half_is_used(
    browser: Browser, pages: dict[str, Path]
) -> None:
    opened = Opened(browser, pages["GO"], DESKTOP)
    assert opened.ask("document.documentElement.scrollHeight") < MOST_HEIGHT
    right = opened.ask("[...document.querySelectorAll('.chart')].map(e => e.getBoundingClientRect().right)")
    assert max(right) > 0.9 * DESKTOP[0]
    opened.page.close()


def test_stamps_are_large_and_a_click_enlarges_one(browser: Browser, pages: dict[str, Path]) -> None:
    opened = Opened(browser, pages["GO"], DESKTOP)
    widths = opened.ask(
        "[...document.querySelectorAll('.panel img')].filter(e => e.checkVisibility())"
        ".map(e => e.getBoundingClientRect().width)"
    )
    assert len(widths) >= 9
    assert min(widths) >= LEAST_STAMP
    opened.page.locator(".panel").first.click()
    assert opened.page.locator(".panel").first.bounding_box()["width"] > 0.9 * DESKTOP[1]
    opened.page.close()


def test_a_figure_can_be_kept_as_an_svg_of_its_own(
    browser: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    opened = Opened(browser, pages["GO"], DESKTOP)
    with opened.page.expect_download() as waiting:
        opened.page.locator("a.save").first.click()
    assert waiting.value.suggested_filename == "detected-theta-e-source-magnitude.svg"
    waiting.value.save_as(tmp_path / "figure.svg")
    opened.page.close()
    alone = Opened(browser, tmp_path / "figure.svg", DESKTOP)
    assert alone.complaints == []
    assert alone.ask("document.documentElement.tagName") == "svg"
    assert alone.ask("document.querySelectorAll('rect.cell').length") >= 3
    alone.page.close()


def test_passed_checks_are_folded_and_others_are_not(browser: Browser, pages: dict[str, Path]) -> None:
    opened = Opened(browser, pages["NO-GO"], DESKTOP)
    shown = opened.ask(
        "[...document.querySelectorAll('.checks tbody tr')].filter(e => e.checkVisibility())"
        ".map(e => e.className)"
    )
    assert "FAIL" in shown
    assert "PASS" not in shown
    order = opened.ask("[...document.querySelectorAll('section')].map(e => e.id)")
    assert order.index("stamps") < order.index("completeness") < order.index("checks")
    opened.page.close()
