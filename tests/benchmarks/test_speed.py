"""The instrument of speed: that all contenders search the same, and what is read from the times that it takes."""

import json
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from benchmarks.speed import task
from benchmarks.speed.bare_loop import build_loop, build_model, polynomial_schedule
from benchmarks.speed.commands import Commands
from benchmarks.speed.driver import DriverCost, measure_here
from benchmarks.speed.floor import Replayed, replay
from benchmarks.speed.peers import RESULT
from benchmarks.speed.processes import ROOT, run_module
from benchmarks.speed.report import Figures, make_report
from benchmarks.speed.searches import EXPERT, OPTUNA, OurSearch, Round, Search
from benchmarks.speed.stamps import Idle, Stamp, measure_idle, read_stamps
from benchmarks.speed.steps import Step
from sesemi_search.models import build_classifier
from sesemi_search.project.sesemi_modules import install
from sesemi_search.search.pruners import ArchitectureHalvingPruner
from sesemi_search.training.lr_schedules import PolynomialLR

SEARCH = Search(40.0, 48, 160, 0.98, 0.1)
IDLE = Idle([0.004, 0.005, 0.2], [0.02, 0.03, 0.04])
OURS = OurSearch(SEARCH, [], 33.0, 32.0, 5.0, 6.5, 0.9, IDLE)
PEERS = {EXPERT: SEARCH._replace(seconds=80.0), OPTUNA: SEARCH._replace(seconds=30.0)}


def test_the_bare_model_is_the_tutorials() -> None:
    install()
    ours = build_classifier(
        {"_target_": "sesemi_tutorials.models.LeNet5", "out_features": 40},
        {"_target_": "sesemi_tutorials.models.CosineSimilarityHead"},
        10,
    )
    bare = build_model(40)
    for parameter, same in zip(bare.parameters(), ours.parameters(), strict=True):
        parameter.data.copy_(same.data)
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(bare(images), ours(images))


def test_the_bare_schedule_is_the_tutorials() -> None:
    def rates(make: type[PolynomialLR] | None) -> list[float]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
        scheduler = polynomial_schedule(optimizer, 5, 9) if make is None else make(optimizer, 45, 5, warmup_epochs=3)
        values = []
        for _ in range(45):
            values.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return values

    assert rates(None) == pytest.approx(rates(PolynomialLR), abs=1e-12)


def test_peers_search_the_space_of_the_tutorial_and_stop_where_it_stops() -> None:
    written = OmegaConf.load(ROOT / "search_spaces" / "space" / "lenet_cosine.yaml")
    hparams = written.space.learner.hparams
    assert tuple(hparams.model.backbone.out_features.int) == task.OUT_FEATURES
    for name, bounds in (("lr", task.LR), ("momentum", task.MOMENTUM), ("weight_decay", task.WEIGHT_DECAY)):
        assert tuple(hparams.optimizer[name].float) == bounds
    assert written.run.num_epochs == task.NUM_EPOCHS
    rungs = ArchitectureHalvingPruner(max_resource=task.NUM_EPOCHS).rungs
    assert rungs == [task.FIRST_RUNG, task.FIRST_RUNG * task.FACTOR]


def test_the_bare_loop_learns() -> None:
    torch.set_num_threads(1)  # as trials in this process do
    torch.manual_seed(0)
    loop = build_loop(task.Params(84, 0.1, 0.9, 5e-4), task.load_digits())
    assert [loop.train_epoch() for _ in range(3)][-1] > 0.8


def test_the_floor_ends_with_more_processes_than_trials() -> None:
    assert replay([Replayed(task.Params(32, 0.1, 0.9, 0.0), 1)], num_processes=2) > 0


def test_a_slot_is_idle_from_an_evaluation_to_the_next_step_of_its_own_process(tmp_path: Path) -> None:
    path = tmp_path / "stamps"
    path.touch()

    def epoch(start: float, process: int, model: int) -> None:
        steps = [f"{start + step / 100} {process} {model} 1" for step in range(task.STEPS_PER_EPOCH)]
        with path.open("a") as file:
            file.write("\n".join([*steps, f"{start + 1.0} {process} {model} 0\n"]))

    path.write_text("0.5 7 0 1\n0.6 7 0 0\n")  # of the check
    epoch(1.0, 7, 1)
    epoch(2.5, 8, 0)
    epoch(4.0, 7, 1)
    epoch(5.25, 7, 2)
    stamps = read_stamps(path)
    assert stamps[0] == Stamp(1.0, 7, 1, True)
    assert measure_idle(stamps) == Idle(between_epochs=[2.0], between_trials=[0.25])


def test_the_driver_is_measured_on_the_session_of_a_search() -> None:
    cost = measure_here("random", 60, 6)
    assert cost.trial_ms > 0
    assert cost.optuna_trial_ms > 0
    assert cost.epoch_ms > 0


def test_the_report_holds_each_ratio_of_a_round_against_its_goal() -> None:
    rounds = [Round(OURS, 30.0, PEERS), Round(OURS._replace(span_s=36.0), 30.0, PEERS)]
    driver = [DriverCost("random", size, 20.0 + size / 1000, 3.0, 14.0, 2.0, 0.1, 700.0) for size in (100, 1000, 5000)]
    steps = [Step("LeNet5", 31, [1.0, 1.1, 1.3], [1.0, 1.0, 1.0], [0.1], [0.1])]
    text = make_report(Figures(rounds, [Commands(0.1, 6.0)] * 2, driver, steps, 0.2), quick=False)
    assert f"| whole search / {EXPERT}, per epoch trained | 0.50 | 0.50, 0.50 | <= 0.7 | yes |" in text
    assert f"| whole search / {OPTUNA}, per epoch trained | 1.33 | 1.33, 1.33 | <= 1 | no |" in text
    assert "| first trial's start to the last one's end / floor | 1.15 | 1.10, 1.20 | <= 1.1 | no |" in text
    assert "| idle slot between two epochs, median | 5.0 ms | 5.0, 5.0 | <= 5 ms | yes |" in text
    assert "beyond Optuna's own | 7.0 ms | 7.0 | <= 8 ms | yes |" in text
    assert "| step and data path / bare loop, LeNet5 | 1.10 | 1.10 | <= 1.03 | no |" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["optuna_processes", "ray_expert", "ray_documented"])
def test_a_peer_trains_a_trial_to_its_end(name: str, tmp_path: Path) -> None:
    run_module(f"benchmarks.speed.peers.{name}", ["1", "0"], tmp_path)
    result = json.loads((tmp_path / RESULT).read_text())
    assert result["num_epochs"] >= task.NUM_EPOCHS  # each process of Optuna begins one
    assert result["best"] > 0.7
