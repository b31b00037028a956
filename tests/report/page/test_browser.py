"""The page in Chromium: what is drawn, sorted, filtered, brushed, zoomed, printed; its colours; what axe says."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sesemi_search.report.page import render_report
from sesemi_search.report.page.serve import PageServer
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.search.stored_search import read_search
from tests.made_up_search import make_up_scripted_search, make_up_search, trial
from tests.report.page.made_up_pages import (
    NUM_EPOCHS,
    halved_trials,
    make_up_failed_search,
    make_up_two_objectives,
    make_up_wide_search,
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = Path(__file__).parent / "axe" / "axe.min.js"
PHONE = {"width": 390, "height": 844}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the PATH to draw the page"),
]


class Reader:
    """A page in a browser, and all that it said and asked for."""

    def __init__(self, browser: Any, **context: Any) -> None:
        self._context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
        self.page = self._context.new_page()
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append("dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, address: str) -> Any:
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready]")
        return self.page

    def close(self) -> None:
        self._context.close()

    def draw_all(self) -> int:
        """Draws what is out of sight too; returns how many plots there are."""
        self.page.evaluate("showAll()")
        self.wait("[...document.querySelectorAll('.plot')].every((plot) => plot.dataset.marks !== undefined)")
        return int(self.page.evaluate("document.querySelectorAll('.plot').length"))

    def wait(self, condition: str) -> None:
        """Waits until an expression is true; Playwright's own wait would be against the page's policy."""
        deadline = time.monotonic() + 30
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, condition
            self.page.wait_for_timeout(50)

    def numbers(self) -> list[int]:
        """The trials of the table, in its order."""
        return [int(text) for text in self.page.locator(".trials .toggle").all_inner_texts()]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def read(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Reader]]:
    """Opens the page of a search directory; in the end it has said nothing and asked for nothing but itself."""
    readers: list[Reader] = []

    def read(directory: Path, **context: Any) -> Reader:
        file = tmp_path / f"{len(readers)}.html"
        file.write_text(render_report(read_search(directory)))
        reader = Reader(browser, **context)
        readers.append(reader)
        reader.open(file.as_uri())
        return reader

    yield read
    for reader in readers:
        said, requests = reader.said, reader.requests
        reader.close()
        assert said == []
        assert len(requests) == 1


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("halved")
    return make_up_search(folder / "halved", halved_trials(120), f"run.num_epochs={NUM_EPOCHS}", wall_seconds=200.0)


def test_every_plot_is_drawn(read: Callable[..., Reader], halved: Path) -> None:
    reader = read(halved)
    # Best so far twice, curves, parallel coordinates, five slices, three costs, the timeline.
    assert reader.draw_all() == 13
    assert reader.page.evaluate(
        "[...document.querySelectorAll('.plot')].every((plot) => Number(plot.dataset.marks) > 0)"
    )
    blank = """[...document.querySelectorAll('.plot canvas')].filter((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return !data.some((byte) => byte);
    }).length"""
    assert reader.page.evaluate(blank) == 0
    assert reader.page.locator("h1").inner_text() == "tiny"


@pytest.mark.parametrize("made", ["none", "one", "failed", "interrupted", "objectives", "wide"])
def test_an_odd_search_is_drawn_without_an_error(read: Callable[..., Reader], tmp_path: Path, made: str) -> None:
    directory = tmp_path / "search"
    if made == "failed":
        make_up_failed_search(directory)
    elif made == "objectives":
        make_up_two_objectives(directory, 30)
    elif made == "wide":
        directory = make_up_wide_search(tmp_path, 60)
    else:
        trials = {"none": [], "one": [trial(0, [0.5])], "interrupted": [trial(0, [0.1], Outcome.interrupted)]}
        make_up_search(directory, trials[made])
    reader = read(directory)
    reader.draw_all()
    section = {"failed": "failures", "objectives": "objectives", "wide": "slices", "one": "progress"}.get(
        made, "trials"
    )
    assert reader.page.locator(f"#{section}").count() == 1
    if made == "failed":
        assert reader.page.locator("#failures tbody tr").count() == 3
        assert "ValueError: no such width" in reader.page.locator("#failures").inner_text()


def test_a_name_that_is_a_script_is_text(read: Callable[..., Reader], tmp_path: Path) -> None:
    reader = read(make_up_scripted_search(tmp_path))
    reader.draw_all()
    for toggle in reader.page.locator(".trials .toggle").all():
        toggle.click()
    reader.wait("[...document.querySelectorAll('.inside pre')].every((pre) => pre.textContent)")
    text = reader.page.locator("main").inner_text()
    assert "<script>alert(1)</script>" in text
    assert reader.page.evaluate("document.scripts.length") == 2
    assert reader.page.locator("main script, main b").count() == 0


def test_a_heading_sorts_and_sorts_the_other_way(read: Callable[..., Reader], halved: Path) -> None:
    reader = read(halved)
    lr = {row.number: row.params["lr"] for row in _rows(halved)}
    heading = reader.page.get_by_role("columnheader", name="lr")
    heading.get_by_role("button").click()
    first = reader.numbers()
    assert first == sorted(lr, key=lambda number: -lr[number])[: len(first)]
    assert heading.get_attribute("aria-sort") == "descending"
    heading.get_by_role("button").click()
    assert reader.numbers() == sorted(lr, key=lambda number: lr[number])[: len(first)]


def test_the_filter_takes_words_and_comparisons(read: Callable[..., Reader], halved: Path) -> None:
    reader = read(halved)
    reader.page.get_by_label("Filter").fill("outcome=complete lr<0.3 scaled")
    expected = {
        r.number
        for r in _rows(halved)
        if r.outcome == "complete" and r.params["lr"] < 0.3 and r.params["head"] == "scaled"
    }
    assert expected
    assert set(reader.numbers()) == expected


def test_a_row_opens_to_its_config_reason_and_command(read: Callable[..., Reader], halved: Path) -> None:
    reader = read(halved)
    number = next(
        each.number for each in read_search(halved).records if each.bar is not None and each.bar.value is not None
    )
    reader.page.get_by_label("Filter").fill(str(number))
    reader.page.locator(f"#toggle-{number}").click()
    detail = reader.page.locator(".detail")
    detail.locator("pre >> nth=1").wait_for()
    reader.wait("document.querySelectorAll('.detail pre')[1].textContent")
    text = detail.inner_text()
    assert f"--trial {number}" in text
    assert "it had to reach" in text
    assert f"lr: {next(row.params['lr'] for row in _rows(halved) if row.number == number)}" in text
    assert reader.page.locator(f"#toggle-{number}").get_attribute("aria-expanded") == "true"


def test_a_brush_selects_everywhere_and_a_click_gives_it_free(read: Callable[..., Reader], halved: Path) -> None:
    reader = read(halved)
    reader.draw_all()
    canvas = reader.page.locator("#parallel canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x = box["x"] + box["width"] - 52  # the last axis: the metric
    reader.page.mouse.move(x, box["y"] + 40)
    reader.page.mouse.down()
    reader.page.mouse.move(x, box["y"] + 120, steps=4)
    reader.page.mouse.up()
    reader.wait("view.selected !== null")
    selected = reader.page.evaluate("[...view.selected].reduce((a, b) => a + b)")
    assert 0 < selected < 120
    reader.wait(f"document.querySelectorAll('.trials .toggle').length === {min(50, selected)}")
    best = min(row.value for row in _rows(halved) if row.number in reader.numbers())
    assert best > sorted(row.value for row in _rows(halved))[60], "it is the upper part that was brushed"
    reader.page.mouse.click(x, box["y"] + 200)
    reader.wait("view.selected === null")


def test_a_drag_zooms_and_a_double_click_goes_back(read: Callable[..., Reader], halved: Path) -> None:
    reader = read(halved)
    reader.draw_all()
    over = reader.page.locator("#curves .u-over")
    over.scroll_into_view_if_needed()
    ranges = """(() => {
        const { x, y } = document.querySelector('#curves .plot').figure.drawn.plot.scales;
        return [x.min, x.max, y.min, y.max];
    })()"""
    whole = reader.page.evaluate(ranges)
    box = over.bounding_box()
    reader.page.mouse.move(box["x"] + 100, box["y"] + 20)
    reader.page.mouse.down()
    reader.page.mouse.move(box["x"] + 400, box["y"] + 200, steps=4)
    reader.page.mouse.up()
    left, right, low, high = reader.page.evaluate(ranges)
    assert whole[0] < left < right < whole[1] and whole[2] < low < high < whole[3]
    reader.page.mouse.dblclick(box["x"] + 300, box["y"] + 100)
    assert reader.page.evaluate(ranges) == whole
    reader.page.wait_for_timeout(400)
    assert reader.page.locator(".detail").count() == 0, "a double click opens no trial"


def test_a_trial_under_the_pointer_is_told_and_a_click_opens_it(read: Callable[..., Reader], halved: Path) -> None:
    reader = read(halved)
    reader.draw_all()
    over = reader.page.locator("#costs .u-over >> nth=0")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    tip = reader.page.locator("#tip")
    for step in range(2, 60):  # along the upper edge, where the best are
        reader.page.mouse.move(box["x"] + box["width"] * step / 60, box["y"] + 12)
        if tip.is_visible():
            break
    assert "val/top1" in tip.inner_text()
    number = tip.locator("strong").inner_text().split()[1]
    reader.page.mouse.down()
    reader.page.mouse.up()
    reader.wait(f"document.getElementById('toggle-{number}')?.getAttribute('aria-expanded') === 'true'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 900}, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_serious(
    read: Callable[..., Reader], halved: Path, scheme: str, viewport: dict[str, int]
) -> None:
    reader = read(halved, color_scheme=scheme, viewport=viewport)
    reader.draw_all()
    reader.page.locator(".trials .toggle >> nth=0").click()
    reader.page.evaluate(AXE.read_text())
    violations = reader.page.evaluate("axe.run().then((result) => result.violations)")
    told = [f"{each['impact']}: {each['help']}: {each['nodes'][0]['html']}" for each in violations]
    assert [line for line in told if line.startswith(("serious", "critical"))] == []


def test_a_phone_scrolls_down_only(read: Callable[..., Reader], halved: Path) -> None:
    reader = read(halved, viewport=PHONE, device_scale_factor=2)
    reader.draw_all()
    assert reader.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_the_button_goes_from_the_system_s_theme_to_light_and_dark(read: Callable[..., Reader], halved: Path) -> None:
    reader = read(halved, color_scheme="dark")
    color = "getComputedStyle(document.body).backgroundColor"
    dark = reader.page.evaluate(color)
    reader.page.get_by_role("button", name="Theme: auto").click()
    light = reader.page.evaluate(color)
    assert light != dark
    reader.page.get_by_role("button", name="Theme: light").click()
    assert reader.page.evaluate(color) == dark


def test_in_print_everything_is_drawn_and_light(read: Callable[..., Reader], halved: Path) -> None:
    reader = read(halved, color_scheme="dark")
    reader.page.emulate_media(media="print", color_scheme="dark")
    reader.wait("[...document.querySelectorAll('.plot')].every((plot) => plot.dataset.marks !== undefined)")
    assert reader.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert reader.page.evaluate("palette.ink") == "rgb(27, 31, 36)"
    assert reader.page.locator("nav").is_hidden()


def test_what_is_new_appears_and_what_the_reader_chose_stays(browser: Any, tmp_path: Path) -> None:
    directory = make_up_search(tmp_path / "search", halved_trials(10), f"run.num_epochs={NUM_EPOCHS}")
    longer = make_up_search(tmp_path / "longer" / "search", halved_trials(14), f"run.num_epochs={NUM_EPOCHS}")
    with PageServer(directory) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        reader = Reader(browser)
        page = reader.open(server.address)
        page.get_by_label("Filter").fill("outcome=complete")
        (directory / "study.journal").write_bytes((longer / "study.journal").read_bytes())
        reader.wait("page.search.size === 14")
        assert page.get_by_label("Filter").input_value() == "outcome=complete"
        page.keyboard.type(" lr>0")  # where its reader was typing
        assert page.get_by_label("Filter").input_value() == "outcome=complete lr>0"
        assert reader.said == []
        reader.close()
        server.shutdown()


def _rows(directory: Path) -> Any:
    from sesemi_search.report.search import open_search

    return open_search(directory).summary.rows
