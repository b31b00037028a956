from pathlib import Path

import pytest

from sesemi_search.config.schema import DataConfig, ExperimentConfig
from sesemi_search.errors import ConfigError
from sesemi_search.final.openings import OPENINGS, count_opening, describe_openings, earlier_openings


def data(**changes: object) -> DataConfig:
    given = {"source": {"_target_": "a.B"}, "test_size": 500, "split_seed": 0, "val_size": 100, **changes}
    return DataConfig(**given)


def test_each_opening_knows_those_before(tmp_path: Path) -> None:
    assert count_opening([tmp_path], data(), Path("first")) == []
    assert [opening.run for opening in count_opening([tmp_path], data(), Path("second"))] == ["first"]
    assert [opening.run for opening in earlier_openings([tmp_path], data())] == ["first", "second"]


@pytest.mark.parametrize("change", [{"split_seed": 1}, {"test_size": 0.1}, {"source": {"_target_": "a.C"}}])
def test_another_test_split_is_counted_by_itself(tmp_path: Path, change: dict[str, object]) -> None:
    count_opening([tmp_path], data(), Path("first"))
    assert earlier_openings([tmp_path], data(**change)) == []


@pytest.mark.parametrize("change", [{"val_size": 50}, {"train_fraction": 0.5}, {"mean": [0.5]}])
def test_what_leaves_the_test_images_as_they_are_does_not_hide_an_opening(
    tmp_path: Path, change: dict[str, object]
) -> None:
    count_opening([tmp_path], data(), Path("first"))
    assert len(earlier_openings([tmp_path], data(**change))) == 1


def test_a_source_with_a_test_split_of_its_own_has_one_whatever_the_seed(tmp_path: Path) -> None:
    count_opening([tmp_path], data(test_size=None), Path("first"))
    assert len(earlier_openings([tmp_path], data(test_size=None, split_seed=7))) == 1


def test_where_the_search_takes_no_file_the_next_folder_has_the_opening(tmp_path: Path) -> None:
    search, runs = tmp_path / "search", tmp_path / "runs"
    search.mkdir()
    (search / OPENINGS).mkdir()  # as root, no folder is read-only
    count_opening([search, runs], data(), Path("first"))
    assert len(earlier_openings([search, runs], data())) == 1
    assert (runs / OPENINGS).is_file()


def test_without_a_place_to_note_it_the_split_stays_closed(tmp_path: Path) -> None:
    (tmp_path / OPENINGS).mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        count_opening([tmp_path], data(), Path("first"))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    (tmp_path / OPENINGS).symlink_to(target)
    with pytest.raises(ConfigError):
        count_opening([tmp_path], data(), Path("first"))
    assert not target.exists()


def test_a_broken_line_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / OPENINGS).write_text('{"when": "2026\n[]\n')
    count_opening([tmp_path], data(), Path("first"))
    assert len(earlier_openings([tmp_path], data())) == 1


def test_the_words(tmp_path: Path) -> None:
    assert describe_openings([]) == ""
    for run in ("a", "b", "c", "d"):
        count_opening([tmp_path], data(), Path(run))
    found = earlier_openings([tmp_path], data())
    assert describe_openings(found[:1]).startswith("test has been opened once before: 20")
    assert describe_openings(found[:2]).startswith("test has been opened twice before: 20")
    text = describe_openings(found)
    assert text.startswith("test has been opened 4 times before: the last ones: ")
    assert [text.count(f"by {run}") for run in ("a", "b", "c", "d")] == [0, 1, 1, 1]


def test_a_run_counts_its_look_and_one_that_is_not_to_look_has_none(
    run: object, experiment: ExperimentConfig, tmp_path: Path
) -> None:
    experiment.run.num_epochs, experiment.run.test = 1, False
    closed, _ = run("closed")  # type: ignore[operator]
    assert closed.test is None
    assert (tmp_path / "closed" / "model.pt").exists()
    assert not (tmp_path / OPENINGS).exists()
    experiment.run.test = True
    experiment.run.resume_from_checkpoint = str(tmp_path / "closed" / "last.pt")
    assert run("opened")[0].test.openings_before == 0  # type: ignore[operator]
    assert run("again")[0].test.openings_before == 1  # type: ignore[operator]
    assert [Path(o.run).name for o in earlier_openings([tmp_path], experiment.data)] == ["opened", "again"]
