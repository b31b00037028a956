"""What W&B is told of a trial and of its search."""

import math
from pathlib import Path

from sesemi_search.commands.track import track_command
from sesemi_search.config.compose import Request
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Origin, Outcome
from sesemi_search.search.tracked_run import run_start, run_summary
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space
from tests.made_up_search import LR, WIDTH, make_up_search, trial
from tests.tracking.wandb_files import read_wandb_files

TOP1 = Objectives((Objective("val/top1", True),))
CONFIG = {"run": {"num_epochs": 2}, "learner": {"hparams": {"model": {"head": {"_target_": "x.Linear"}}}}}


def test_a_name_says_the_options_then_the_numbers_with_the_shortest_names() -> None:
    numbers = {WIDTH: 34, LR: 0.1834, "run.batch_size_per_gpu": 64, **{f"data.{'z' * 20}{i}": 1 for i in range(3)}}
    tree: dict[str, object] = {}
    for name in numbers:
        *parents, last = name.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})  # type: ignore[assignment]
        node[last] = {"float": [0, 100]}
    tree["learner"]["hparams"]["model"]["head"] = {"choice": {"scaled": {"_target_": "x.S"}}}  # type: ignore[index]
    params = {"learner.hparams.model.head": "scaled", **numbers}
    record = trial(17, [0.5], params=params, origin=Origin.enqueued)
    start = run_start(Path("/a b/c"), "s", record, Space(parse_space(tree)), TOP1, CONFIG, "text")
    assert start.name == "0017 scaled lr=0.18 out_features=34 batch_size_per_gpu=64"
    assert (start.run_id, start.tags) == ("s-0017", ["Linear", "enqueued"])
    assert start.notes.endswith("sesemi-search train '/a b/c' --trial 17")
    assert {key: start.config[key] for key in ("lr", "head/choice", "head", "flops")} == {
        "lr": 0.1834,
        "head/choice": "scaled",
        "head": "Linear",
        "flops": 2000,
    }


def test_each_objective_has_its_best_and_its_last() -> None:
    objectives = Objectives((*TOP1.each, Objective("train/loss", False), Objective("num_params", False)))
    summary = run_summary(trial(0, [0.5, 0.75, math.nan]), "diverged", objectives)
    assert summary["val/top1"]["max"] == summary["best"] == 0.75
    assert math.isnan(summary["val/top1"]["last"])
    assert summary["train/loss"]["min"] == 0.25
    assert summary["num_params"] == 1000


def test_the_run_of_a_search_has_its_trials_importances_report_and_best_model(no_account: None, tmp_path: Path) -> None:
    records = [trial(number, [number / 10, 0.9 - number / 20], lr=(1 + number) / 20) for number in range(9)]
    records.append(trial(9, [], Outcome.error, message="E: no"))
    directory = make_up_search(tmp_path / "search", records, "search.num_trials=10")
    (directory / "report.html").write_text("<p>a report</p>")
    (directory / "trials/0000/checkpoint.pt").write_bytes(b"weights")
    overrides = [str(directory), "tracking.mode=offline", "tracking.finish_timeout_s=60"]
    assert track_command(Request(search=True, overrides=overrides)) == 0
    run = read_wandb_files(directory)["search-search"]
    assert (run.job_type, run.group, run.tags) == ("search", "search", ["tiny", "finished"])
    assert {"best_trial": 0, "best": 0.9, "outcomes/complete": 9, "outcomes/error": 1}.items() <= run.summary.items()
    assert [row.get("progress") for row in run.history] == [*((n + 1) / 10 for n in range(10)), None]
    assert {row["best/val/top1"] for row in run.history[:-1]} == {0.9}
    assert set(run.files) >= {"search.yaml"}
    by_kind = {Path(name).name.split("_")[0]: text for name, text in run.files.items()}
    assert by_kind["report"] == "<p>a report</p>"
    assert '"lr"' in by_kind["trials"]
    assert '["head/choice",' in by_kind["importances"]
    assert run.models["search-model"][0] == ["best", "latest", "trial-0000"]
    assert run.models["search-model"][1]["val/top1"] == 0.9
    assert track_command(Request(search=True, overrides=[*overrides, "tracking.log_model=false"])) == 0
    assert not read_wandb_files(directory)["search-search"].models
