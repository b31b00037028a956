"""What the page holds: as a browser finds it, without one."""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import sesemi_search
from sesemi_search.errors import ConfigError
from sesemi_search.report.page import render_report
from sesemi_search.report.page.working_time import Span, lay_out
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.search.stored_search import read_search
from tests.made_up_search import make_up_scripted_search, make_up_search, trial
from tests.report.page.made_up_pages import (
    BEGAN,
    NUM_EPOCHS,
    halved_trials,
    make_up_failed_search,
    make_up_two_objectives,
)


class Page(HTMLParser):
    """The parts of a page: its elements, its scripts, its styles, its policy."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": []}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_data(self, data: str) -> None:
        if self._open in self.texts:
            self.texts[self._open][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.texts["script"][0])
        return content

    @property
    def policy(self) -> str:
        return next(a["content"] or "" for tag, a in self.tags if a.get("http-equiv") == "Content-Security-Policy")

    def config(self, number: int) -> dict[str, Any] | None:
        """What a trial's config has instead of the experiment's."""
        changes: dict[str, Any] | None = self.configs["changes"][number]
        return changes

    @property
    def configs(self) -> dict[str, Any]:
        configs: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(self.content["configs"])))
        return configs


def page_of(directory: Path) -> Page:
    return Page(render_report(read_search(directory)))


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("halved")
    return make_up_search(folder / "halved", halved_trials(120), f"run.num_epochs={NUM_EPOCHS}", wall_seconds=200.0)


def test_the_page_needs_no_other_file(halved: Path) -> None:
    page = page_of(halved)
    assert not [tag for tag, attributes in page.tags if {"src", "srcset", "data"} & attributes.keys() or tag == "link"]
    assert [attributes["href"] for tag, attributes in page.tags if tag == "a"] == ["#main"]
    assert "url(" not in page.texts["style"][0] and "@import" not in page.texts["style"][0]


def test_the_policy_allows_the_page_s_own_script_and_style_and_nothing_else(halved: Path) -> None:
    page = page_of(halved)
    policy = dict(part.strip().split(" ", 1) for part in page.policy.split(";"))
    hashes = {
        kind: base64.b64encode(hashlib.sha256(page.texts[kind][-1].encode()).digest()).decode()
        for kind in ("script", "style")
    }
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == f"'sha256-{hashes['script']}'"
    assert policy["style-src"] == f"'sha256-{hashes['style']}'"
    assert "connect-src" not in policy


def test_names_and_errors_that_are_html_are_text(tmp_path: Path) -> None:
    directory = make_up_scripted_search(tmp_path)
    text = render_report(read_search(directory))
    page = Page(text)
    assert len(page.texts["script"]) == 2, "what is shown ends no script and begins none"
    assert "<script>alert" not in text and "<b>" not in text
    shown = json.dumps(page.content)
    assert "<script>alert(1)</script>" in shown and "E: " in shown


def test_a_name_that_is_a_place_of_the_page_stays_a_name(tmp_path: Path) -> None:
    directory = make_up_search(tmp_path / "search", [trial(0, [0.5])], "search.name='{{content}}'")
    page = page_of(directory)
    assert page.texts["title"] == ["{{content}}: search report"]
    assert page.content["search"]["name"] == "{{content}}"


def test_every_column_has_a_place_for_each_trial(halved: Path) -> None:
    content = page_of(halved).content
    trials = content["trials"]
    columns = [each["places"] if isinstance(each, dict) and "places" in each else each for each in trials.values()]
    assert {len(column) for column in columns if isinstance(column, list)} == {120}
    assert {len(param["values"]) for param in content["params"]} == {120}
    assert len(content["curves"]) == 120
    assert [len(curve) for curve in content["curves"]] == trials["epochs"]


def test_a_parameter_has_its_condition_and_no_value_where_it_was_not_chosen(halved: Path) -> None:
    params = {param["name"]: param for param in page_of(halved).content["params"]}
    assert list(params) == ["out_features", "head", "dropout", "scale", "lr"]
    assert params["scale"]["condition"] == "head is scaled"
    heads = [params["head"]["choices"][place] for place in params["head"]["values"]]
    assert [value is not None for value in params["scale"]["values"]] == [head == "scaled" for head in heads]
    assert sum(param["importance"] for param in params.values()) == pytest.approx(1, abs=1e-4)


def test_a_stopped_trial_says_what_it_had_to_reach(halved: Path) -> None:
    trials = page_of(halved).content["trials"]
    outcomes = [trials["outcome"]["texts"][place] for place in trials["outcome"]["places"]]
    bars = [
        (value, bar)
        for value, bar, outcome in zip(trials["value"], trials["bar"], outcomes, strict=True)
        if outcome == "stopped"
    ]
    assert all(bar[1] is None or value < bar[1] for value, bar in bars)
    assert any(bar[1] is not None for _, bar in bars)
    assert all(bar is None for bar, outcome in zip(trials["bar"], outcomes, strict=True) if outcome == "complete")


def test_a_config_is_the_experiment_s_own_with_the_changes_of_the_trial(halved: Path) -> None:
    page, search = page_of(halved), sesemi_search.open_search(halved)
    for row in search.summary.rows[:6]:
        own = page.config(row.number)
        assert own is not None
        config = json.loads(json.dumps(page.configs["base"]))
        for path, value in own.items():
            *parents, last = path.split(".")
            node = config
            for part in parents:
                node = node[part]
            node[last] = value
        optimizer = search.config(row.number)["learner"]["hparams"]["optimizer"]
        assert config["learner"]["hparams"]["optimizer"]["lr"] == optimizer["lr"] == row.params["lr"]
        assert (
            config["learner"]["hparams"]["model"]["head"]
            == search.config(row.number)["learner"]["hparams"]["model"]["head"]
        )


def test_two_objectives_have_their_front(tmp_path: Path) -> None:
    content = page_of(make_up_two_objectives(tmp_path / "search", 30)).content
    assert [metric["mode"] for metric in content["search"]["metrics"]] == ["max", "min"]
    assert content["trials"]["others"]["num_params"] == content["trials"]["num_params"]
    assert content["front"]


@pytest.mark.parametrize("made", ["none", "one", "failed"])
def test_a_search_without_a_best_trial_has_a_page(tmp_path: Path, made: str) -> None:
    if made == "failed":
        directory = make_up_failed_search(tmp_path / "search")
    else:
        directory = make_up_search(tmp_path / "search", [trial(0, [], Outcome.interrupted)] if made == "one" else [])
    content = page_of(directory).content
    assert content["search"]["best"] is None
    assert content["search"]["state"] == "stopped"
    assert content["trials"]["value"] == {"none": [], "one": [None], "failed": [None, 0.1, None, None]}[made]


def test_a_password_is_in_no_part_of_the_page(tmp_path: Path) -> None:
    directory = make_up_search(tmp_path / "search", [trial(0, [0.5])])
    provenance = {"command": "sesemi-search run search.storage=mysql://me:hunter2@host/db", "git": {"commit": "abc"}}
    (directory / "provenance.json").write_text(json.dumps(provenance))
    text = render_report(read_search(directory))
    assert "hunter2" not in text
    assert ["git commit", "abc"] in Page(text).content["provenance"]


def test_reading_for_the_page_leaves_the_search_as_it_is(halved: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in halved.rglob("*") if path.is_file()}
    file = sesemi_search.open_search(halved).report(tmp_path / "elsewhere.html")
    assert file.read_text().startswith("<!doctype html>")
    assert {path: path.read_bytes() for path in halved.rglob("*") if path.is_file()} == before


def test_a_file_that_cannot_be_written_is_a_mistake(halved: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--out FILE"):
        sesemi_search.open_search(halved).report(tmp_path / "nowhere" / "report.html")


def test_the_page_names_the_licence_of_what_is_in_it(halved: Path) -> None:
    text = render_report(read_search(halved))
    assert "uPlot 1.6.32" in text and "MIT licence" in text
    assets = Path(sesemi_search.__file__).parent / "report" / "page" / "assets" / "uplot"
    assert "Leon Sorokin" in (assets / "LICENSE").read_text()


def spans_of(times: list[tuple[float, float | None]]) -> Iterator[Span | None]:
    """The spans of trials that began and ended after so many seconds; one without an end was left after two epochs."""
    records = [
        trial(
            number,
            [0.1, 0.2],
            Outcome.complete if ended is not None else Outcome.running,
            began=BEGAN + timedelta(seconds=began),
            ended=None if ended is None else BEGAN + timedelta(seconds=ended),
            seconds=1.0,
        )
        for number, (began, ended) in enumerate(times)
    ]
    spans = lay_out(records, None)
    return (spans.get(number) for number in range(len(times)))


def test_trials_at_once_are_in_slots_of_their_own() -> None:
    assert list(spans_of([(0, 10), (1, 4), (4, 9), (10, 12)])) == [
        Span(0, 10, 0),
        Span(1, 4, 1),
        Span(4, 9, 1),
        Span(10, 12, 0),
    ]


def test_a_pause_of_the_search_is_left_out() -> None:
    assert list(spans_of([(0, 10), (86400, 86410)])) == [Span(0, 10, 0), Span(10, 20, 0)]


def test_a_trial_that_was_left_ends_with_its_last_epoch() -> None:
    assert list(spans_of([(0, None)])) == [Span(0, 1, 0)]
