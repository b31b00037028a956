"""What the page of a search weighs, and what it takes to make and to draw it, on made-up ledgers.

    python -m benchmarks.report_page [FILE.md]

10,000 trials, halved; 10,000 of 30 conditional dimensions; fewer of two objectives, one trial, failures alone. For
each: the size of the file, core seconds to read the ledger and to write the page, and in headless Chromium (on the
PATH, driven by Playwright) the milliseconds from the start of the navigation until what is in sight is drawn, and until
everything is. No GPU; some two minutes on 2 cores.
"""

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from sesemi_search.report.page import render_report
from sesemi_search.search.stored_search import read_search
from tests.made_up_search import make_up_search, trial
from tests.report.page.made_up_pages import (
    NUM_EPOCHS,
    halved_trials,
    make_up_failed_search,
    make_up_two_objectives,
    make_up_wide_search,
)

__all__ = ["measure"]

_MANY = 10_000
_DRAWN = """() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"""
_DRAW_ALL = f"() => {{ showAll(); return ({_DRAWN})(); }}"
_MADE: dict[str, Callable[[Path], Path]] = {
    f"{_MANY:,} trials, halved": lambda folder: make_up_search(
        folder / "halved", halved_trials(_MANY, num_slots=8), f"run.num_epochs={NUM_EPOCHS}", configs=False
    ),
    f"{_MANY:,} trials, 30 conditional dimensions": lambda folder: make_up_wide_search(folder, _MANY),
    "200 trials, two objectives": lambda folder: make_up_two_objectives(folder / "two", 200),
    "one trial": lambda folder: make_up_search(folder / "one", [trial(0, [0.5])]),
    "all failed": lambda folder: make_up_failed_search(folder / "failed"),
}


def measure(directory: Path, file: Path, browser: Any) -> tuple[float, float, float, float, float]:
    """Returns megabytes, core seconds of reading and of writing, and milliseconds until drawn in sight and in full."""
    start = time.process_time()
    stored = read_search(directory)
    is_read = time.process_time()
    file.write_text(render_report(stored))
    is_written = time.process_time()
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]")
    in_sight, in_full = page.evaluate(_DRAWN), page.evaluate(_DRAW_ALL)
    undrawn = page.evaluate("[...figures].filter((figure) => !figure.drawn && figure.host.checkVisibility()).length")
    assert undrawn == 0
    page.close()
    return file.stat().st_size / 1e6, is_read - start, is_written - is_read, in_sight, in_full


def main() -> None:
    lines = [
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}",
        "",
        "| ledger | MB | read, core s | written, core s | drawn in sight, ms | all drawn, ms |",
        "|---|---|---|---|---|---|",
    ]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, make in _MADE.items():
            folder = Path(scratch) / str(len(lines))
            folder.mkdir()
            megabytes, *seconds, in_sight, in_full = measure(make(folder), folder / "report.html", browser)
            cells = [f"{megabytes:.2f}", *(f"{each:.2f}" for each in seconds), f"{in_sight:.0f}", f"{in_full:.0f}"]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines[0] += f"; Chromium {browser.version}"
        browser.close()
    text = "\n".join(lines) + "\n"
    print(text)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text)


if __name__ == "__main__":
    main()
