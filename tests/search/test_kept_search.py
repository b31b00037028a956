"""A search directory that an earlier version wrote and whose driver was killed: what is stored there goes on counting.

`kept/` was written on 2026-11-27 by `sesemi-search run space=lenet_cosine search.seed=0 search.max_concurrent=1
search.num_trials=4 run.num_epochs=3 data.train_fraction=0.1 search.study=kept tracking=none`, killed in its third
trial; the places of its files are made up and that trial's checkpoint is left out. It is never written anew.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sesemi_search.report.search import open_search
from sesemi_search.search.ledger.records import Outcome, TrialRecord
from sesemi_search.search.result import SearchResult
from sesemi_search.search.resume import find_drift
from sesemi_search.search.stored_search import read_search

KEPT = Path(__file__).parent / "kept"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return Path(shutil.copytree(KEPT, tmp_path / "kept"))


def facts(record: TrialRecord) -> tuple[object, ...]:
    return record.params, record.values, record.digest, record.num_params, record.flops, record.origin


def test_a_search_of_an_earlier_version_is_read(kept: Path) -> None:
    records = read_search(kept).records
    assert [record.outcome for record in records] == [Outcome.complete, Outcome.complete, Outcome.running]
    assert [record.epochs for record in records][:2] == [3, 3]


def test_a_search_of_an_earlier_version_is_opened(kept: Path) -> None:
    search = open_search(kept)
    assert list(search.trials.outcome) == ["complete", "complete", "orphaned"]
    assert search.best is not None
    assert search.config()["learner"]["hparams"]["model"]["head"]["scale"] == search.best.params["scale"]


def test_a_package_that_only_the_other_version_noted_is_no_drift(kept: Path) -> None:
    file = kept / "provenance.json"
    noted = json.loads(file.read_text())
    noted["packages"] = {"a-package-of-long-ago": "1.0", "optuna": "0.1"}
    noted["files"] = {}
    file.write_text(json.dumps(noted))
    (line,) = find_drift(kept, None)
    assert line.startswith("optuna was 0.1, is ")


def test_a_search_of_an_earlier_version_goes_on(kept: Path, resume_search: Callable[..., SearchResult]) -> None:
    before = read_search(kept).records
    result = resume_search(kept)
    assert [facts(record) for record in result.records[:2]] == [facts(record) for record in before[:2]]
    assert result.records[2].params == before[2].params
    assert result.records[2].digest == before[2].digest
    assert len(result.records) == 4
    assert all(record.is_ended for record in result.records)
