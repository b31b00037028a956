"""`status`, `trials`, `list`, `compare` and `remove`, on made-up ledgers: running, finished, killed, of no use."""

import csv
import fcntl
import io
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sesemi_search.formatting import format_path
from sesemi_search.search.ledger.records import Origin, Outcome, TrialRecord
from tests.made_up_search import make_up_scripted_search, make_up_search, trial

Command = Callable[..., tuple[int, str]]
OOM = "torch.OutOfMemoryError: CUDA out of memory"
TRIALS = [
    trial(0, [0.3, 0.5, 0.7], origin=Origin.baseline),
    trial(1, [0.4], Outcome.stopped, lr=0.9),
    trial(2, [0.5, 0.6, 0.9], lr=0.2),
    trial(3, [0.5, math.nan], Outcome.diverged, lr=0.8),
    trial(4, [], Outcome.error, message='Traceback:\n  File "a.py", line 1, in f\nValueError: no'),
    trial(5, [0.1], Outcome.out_of_memory, message=OOM),
    trial(6, [0.2, 0.3], Outcome.running, lr=0.05),
]
SEARCH_KEYS = {
    *("directory", "name", "state", "holder", "began", "seconds", "seconds_left", "num_trials", "metrics", "outcomes"),
    *("slots_in_use", "max_concurrent", "best", "baseline"),
}
TRIAL_KEYS = {
    *("number", "params", "value", "epochs", "outcome", "seconds", "others", "num_params", "flops", "origin", "error"),
}


RUN_KEYS = {
    *("directory", "kind", "began", "state", "num_bytes", "num_ended", "num_trials", "metric", "best"),
}


@pytest.fixture
def directory(project: Path) -> Path:
    return make_up_search(project / "runs" / "tiny" / "one", TRIALS, "search.num_trials=9")


@contextmanager
def at_work(directory: Path) -> Iterator[None]:
    """A driver is at work in a search directory."""
    with (directory / "driver.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write('{"host": "there", "pid": 7}')
        file.flush()
        yield


def numbers(output: str) -> list[int]:
    """The trials of a table, in its order."""
    return [int(line[:5]) for line in output.splitlines() if line[:5].strip().isdigit()]


def test_status_of_a_search_that_runs(directory: Path, command: Command) -> None:
    with at_work(directory):
        code, output = command("status", str(directory))
    assert code == 0
    lines = output.splitlines()
    assert lines[0] == "tiny: running, by process 7 on there"
    counts = "7 trials: 2 complete, 1 stopped, 1 diverged, 1 out of memory, 1 error, 1 running; 9 were asked for"
    assert lines[1] == counts
    assert lines[2] == "best: trial 2, val/top1 0.9000, 0.2000 above the experiment's own config (trial 0)"
    assert "slots in use: 1" in lines
    assert "1 trial failed: ValueError: no (the whole of it: runs/tiny/one/trials/0004/error.txt)" in lines
    assert any(OOM in line for line in lines)
    assert numbers(output) == [6]
    assert "resume" not in output


def test_status_says_how_long_the_rest_takes(project: Path, command: Command) -> None:
    directory = project / "made"
    make_up_search(directory, TRIALS, "search.num_trials=10", wall_seconds=60.0)
    with at_work(directory):
        _, output = command("status", "made", "--json")
    # Six trials took a minute; four are left, of one of which two epochs of three are done.
    assert json.loads(output)["seconds_left"] == pytest.approx(60 / 6 * (4 - 2 / 3))
    assert json.loads(command("status", "made", "--json")[1])["seconds_left"] is None


def test_status_of_a_search_that_was_killed_says_how_to_go_on(directory: Path, command: Command) -> None:
    code, output = command("status", str(directory))
    assert code == 0
    assert output.startswith("tiny: stopped\n")
    assert "1 orphaned" in output
    assert "slots" not in output
    assert "go on with it:  sesemi-search resume runs/tiny/one" in output


@pytest.mark.parametrize("verb", ["status", "trials"])
@pytest.mark.parametrize("records", [[], [trial(n, [], Outcome.error, message=OOM) for n in range(3)], TRIALS[:1]])
def test_a_search_of_which_nothing_or_one_trial_came_is_shown(
    verb: str, records: list[TrialRecord], project: Path, command: Command
) -> None:
    make_up_search(project / "made", records, "search.num_trials=3")
    code, output = command(verb, "made")
    assert code == 0, output
    assert f"{len(records)} trial" in output
    assert "Traceback" not in output
    if verb == "status":
        assert ("no trial has run all its epochs" in output) == (records != TRIALS[:1])


def test_trials_are_shown_best_first(directory: Path, command: Command) -> None:
    code, output = command("trials", str(directory))
    assert code == 0
    assert numbers(output) == [2, 0, 1, 6, 5, 3, 4]
    assert output.splitlines()[-1].startswith("7 trials: 2 complete")


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--sort", "lr"], [6, 0, 4, 5, 2, 3, 1]),
        (["--sort=-lr"], [1, 3, 2, 0, 4, 5, 6]),
        (["--sort", "-lr"], [1, 3, 2, 0, 4, 5, 6]),
        (["--sort", "value"], [5, 6, 1, 0, 2, 3, 4]),
        (["--sort=-scale"], [5, 3, 1, 0, 2, 4, 6]),
        (["--state", "complete"], [2, 0]),
        (["--state", "error,out of memory"], [5, 4]),
        (["--state", "orphaned"], [6]),
        (["--state", "lost"], []),
    ],
)
def test_trials_are_sorted_and_chosen(options: list[str], shown: list[int], directory: Path, command: Command) -> None:
    code, output = command("trials", str(directory), *options)
    assert code == 0, output
    assert numbers(output) == shown


def test_of_many_trials_twenty_are_shown_or_all(project: Path, command: Command) -> None:
    make_up_search(project / "made", [trial(n, [n / 30]) for n in range(30)], configs=False)
    output = command("trials", "made")[1]
    assert len(numbers(output)) == 20
    assert output.endswith("20 of 30 shown; all of them: --all\n")
    assert len(numbers(command("trials", "made", "--all")[1])) == 30


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("verb", ["trials", "status"])
def test_a_trial_is_a_line_at_any_width(
    width: int, verb: str, directory: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    with at_work(directory):
        output = command(verb, str(directory))[1]
    table = [line for line in output.splitlines() if line[:5].strip().isdigit()]
    assert len(table) == (len(TRIALS) if verb == "trials" else 1)
    assert all(len(line) <= width for line in table)
    says_where = f"parameters fit; all of them: sesemi-search trials {format_path(directory)} " in output
    assert says_where or width > 40
    assert not says_where or width < 200


def test_json_has_what_is_documented(directory: Path, command: Command) -> None:
    trials = json.loads(command("trials", str(directory), "--json")[1])
    assert set(trials) == SEARCH_KEYS | {"trials"}
    assert [each["number"] for each in trials["trials"]] == [2, 0, 1, 6, 5, 3, 4]
    assert all(set(each) == TRIAL_KEYS for each in trials["trials"])
    assert trials["trials"][-2]["value"] is None
    assert trials["trials"][-1]["error"] == "ValueError: no"
    assert trials["best"] == trials["trials"][0]
    assert trials["metrics"] == {"val/top1": "max"}
    assert trials["state"] == "stopped"
    with at_work(directory):
        status = json.loads(command("status", str(directory), "--json")[1])
    assert set(status) == SEARCH_KEYS | {"running", "advice"}
    assert [each["number"] for each in status["running"]] == [6]
    assert (status["state"], status["holder"], status["slots_in_use"]) == ("running", "process 7 on there", 1)
    (run,) = json.loads(command("list", "--json")[1])
    assert set(run) == RUN_KEYS
    assert (run["num_ended"], run["num_trials"], run["metric"], run["best"]) == (6, 9, "val/top1", 0.9)
    first, second = json.loads(command("compare", str(directory), str(directory), "--json")[1])
    assert set(first) == SEARCH_KEYS
    assert first == second


def test_csv_has_a_line_a_trial(directory: Path, command: Command) -> None:
    rows = list(csv.DictReader(io.StringIO(command("trials", str(directory), "--csv")[1])))
    assert [row["number"] for row in rows] == ["2", "0", "1", "6", "5", "3", "4"]
    assert float(rows[0]["lr"]) == 0.2
    assert rows[0]["scale"] == ""
    assert list(rows[0])[:5] == ["number", "outcome", "value", "epochs", "seconds"]


def test_several_objectives_have_a_column_each(project: Path, command: Command) -> None:
    overrides = ("search.metric=[val/top1,train/loss]", "search.mode=[max,min]")
    make_up_search(project / "made", TRIALS, *overrides)
    _, header, first = command("trials", "made")[1].splitlines()[:3]
    assert header.split()[:6] == ["trial", "val/top1", "train/loss", "epochs", "time", "outcome"]
    assert first.split()[:3] == ["2", "0.9000", "0.1000"]
    assert "best: trial 2, val/top1 0.9000, train/loss 0.1000" in command("status", "made")[1]


def test_list_has_the_searches_and_final_runs_of_the_project(
    directory: Path, project: Path, command: Command, tmp_path: Path
) -> None:
    finals = {"complete": {"top1": 0.978}, "running": None}
    for outcome, test in finals.items():
        folder = project / "runs" / "tiny" / f"train_{outcome}"
        folder.mkdir()
        (folder / "config.yaml").write_text("run: {}\n")
        (folder / "provenance.json").write_text('{"started": "2026-01-02T00:00:00+00:00"}')
        (folder / "metrics.json").write_text(json.dumps({"outcome": outcome, "test": test}))
    for name in ("provenance.json", "metrics.json"):  # of whoever's making
        stranger = project / "runs" / "strange" / name
        shutil.copytree(project / "runs" / "tiny" / "train_complete", stranger)
        (stranger / name).write_text("[1")
    broken = make_up_search(project / "runs" / "broken", TRIALS[:1])
    (broken / "study.journal").write_text("{}\n")
    (project / "runs" / "elsewhere").symlink_to(tmp_path)
    code, output = command("list")
    assert code == 0, output
    rows = {line.split()[-1]: line for line in output.splitlines()[1:]}
    assert set(rows) == {"runs/tiny/one", "runs/tiny/train_complete", "runs/tiny/train_running", "runs/broken"} | {
        f"runs/strange/{name}" for name in ("provenance.json", "metrics.json")
    }
    for words in ("search", "stopped", "6 of 9", "val/top1 0.9000", "kB"):
        assert words in rows["runs/tiny/one"]
    assert "complete" in rows["runs/tiny/train_complete"]
    assert "test/top1 0.9780" in rows["runs/tiny/train_complete"]
    assert "not ended" in rows["runs/tiny/train_running"]
    assert "unreadable" in rows["runs/broken"]
    assert "unreadable" in rows["runs/strange/metrics.json"]
    assert command("list", "runs/broken")[1].count("\n") == 2
    assert command("list", "runs/broken", "runs/broken")[1].count("\n") == 2
    with at_work(project / "runs/tiny/train_running"):
        assert "running" in command("list", "runs/tiny/train_running")[1].split()
    assert "no searches" in command("list", "configs")[1]


def test_compare_has_a_column_a_search(directory: Path, project: Path, command: Command) -> None:
    make_up_search(project / "other", TRIALS[:2])
    code, output = command("compare", str(directory), "other")
    assert code == 0, output
    rows = {line[:14].strip(): line.split()[-2:] for line in output.splitlines()}
    assert output.splitlines()[0].split() == ["runs/tiny/one", "other"]
    assert rows["best val/top1"] == ["0.9000", "0.7000"]
    assert rows["best trial"] == ["2", "0"]
    assert rows["lr"] == ["0.2", "0.1"]
    assert "do not compare" not in output
    make_up_search(project / "least", TRIALS, "search.metric=val/loss", "search.mode=min")
    assert "different metrics" in command("compare", "other", "least")[1]


def test_names_from_anybody_command_no_terminal(tmp_path: Path, project: Path, command: Command) -> None:
    directory = make_up_scripted_search(tmp_path / "scripted")
    for verb in ("status", "trials", "list", "compare"):
        code, output = command(verb, *[str(directory)] * (1 + (verb == "compare")))
        assert code == 0, output
        assert "\x1b" not in output
        assert "\\x1b[31m" in output or verb == "trials"
    assert "<script>alert(1)</scr..." in command("trials", str(directory))[1]
    assert "\x1b" not in command("trials", str(directory), "--csv")[1]
    assert "\x1b" not in command("trials", str(directory), "--json")[1]


@pytest.mark.parametrize("answer", ["", "no\n", "yes\n"])
def test_remove_asks_first(answer: str, directory: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    code, output = command("remove", str(directory))
    assert "search, stopped, 6 of 9 trials, val/top1 0.9000" in output
    assert (code, directory.exists()) == ((0, False) if answer == "yes\n" else (1, True))
    if directory.exists():
        assert command("status", str(directory))[0] == 0


def test_remove_takes_only_what_a_search_wrote(directory: Path, project: Path, command: Command) -> None:
    (directory / "notes.txt").write_text("mine")
    outside = project / "outside"
    outside.mkdir()
    (outside / "kept").write_text("mine")
    (directory / "wandb").symlink_to(outside)
    code, output = command("remove", str(directory), "--yes")
    assert code == 0
    assert "stays for what else is in it: notes.txt" in output
    assert [path.name for path in directory.iterdir()] == ["notes.txt"]
    assert (outside / "kept").exists()


def test_remove_takes_a_final_run(project: Path, command: Command) -> None:
    folder = project / "runs" / "tiny" / "train_1"
    folder.mkdir(parents=True)
    for name in ("config.yaml", "provenance.json", "metrics.json", "model.pt"):
        (folder / name).write_text("{}")
    assert command("remove", str(folder), "--yes")[0] == 0
    assert not folder.exists()


def test_remove_refuses_a_final_run_that_trains(project: Path, command: Command) -> None:
    folder = project / "runs" / "tiny" / "train_1"
    folder.mkdir(parents=True)
    for name in ("config.yaml", "provenance.json"):
        (folder / name).write_text("{}")
    with at_work(folder):
        code, output = command("remove", str(folder), "--yes")
    assert code == 2
    assert "in use by process" in output
    assert (folder / "config.yaml").exists()


def test_remove_refuses_a_search_that_runs(directory: Path, command: Command) -> None:
    with at_work(directory):
        code, output = command("remove", str(directory), "--yes")
    assert code == 2
    assert "in use by process 7 on there" in output
    assert (directory / "study.journal").exists()


def test_a_lock_that_is_a_link_empties_nothing(directory: Path, project: Path, command: Command) -> None:
    mine = project / "mine"
    mine.write_text("mine")
    (directory / "driver.lock").symlink_to(mine)
    assert command("remove", str(directory), "--yes")[0] == 2
    assert mine.read_text() == "mine"


def test_train_takes_a_trial_of_a_search(directory: Path, command: Command) -> None:
    for options, rate in (([], 0.2), (["--trial", "1"], 0.9), (["--trial", "0"], 0.1)):
        code, output = command("train", str(directory), *options, "run.num_epochs=7", "--cfg", "job")
        assert code == 0, output
        assert f"lr: {rate}\n" in output
        assert "num_epochs: 7" in output


@pytest.mark.parametrize("verb", ["status", "trials", "list", "compare", "remove"])
def test_reading_imports_nothing_heavy(verb: str, directory: Path) -> None:
    arguments = [str(directory)] * (1 + (verb == "compare")) + ["--yes"] * (verb == "remove")
    code = f"""
import sys
from sesemi_search.cli import main
main({[verb, *arguments]!r})
heavy = ("torch", "ray", "hydra", "wandb", "pandas", "sklearn")
print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def _missing(directory: Path) -> None:
    shutil.rmtree(directory / "trials" / "0002")


def _none_complete(directory: Path) -> None:
    shutil.rmtree(directory)
    make_up_search(directory, [trial(0, [0.5], Outcome.stopped)])


@pytest.mark.parametrize(
    ("argv", "says", "before"),
    [
        (["status"], "say which search it is about, sesemi-search status DIR", None),
        (["status", "runs"], "runs holds no search", None),
        (["trials", "DIR", "lr=1"], "got 'lr=1' behind the directory", None),
        (["trials", "DIR", "--sort", "ls"], "--sort: got 'ls'; there are: number, outcome", None),
        (["trials", "DIR", "--state", "completed"], "Did you mean 'complete'?", None),
        (["trials", "DIR", "--json", "--csv"], "--json: got --csv as well", None),
        (["list", "nowhere"], "got 'nowhere', which is no folder", None),
        (["run", "DIR"], "a search that has begun. To go on with it: sesemi-search resume", None),
        (["train", "nothere", "--trial", "1"], "got 1, and 'nothere', which holds no search; say which", None),
        (["compare", "DIR"], "it takes two or more", None),
        (["remove", "runs"], "holds no search and no final run", None),
        (["status", "DIR", "--csv"], "--csv is an option of trials, predict, not of status", None),
        (["train", "DIR", "--trial", "77"], "got 77; ", None),
        (["train", "DIR", "--config-name", "x"], "and --config-name or --config-dir; one of them", None),
        (["train", "--config-name", "tiny", "--trial", "1"], "--trial: got 1; say which search it is of", None),
        (["train", "DIR"], "there is no such file", _missing),
        (["train", "DIR"], "has no best trial: none is complete", _none_complete),
    ],
)
def test_a_mistake_is_one_message(
    argv: list[str], says: str, before: Callable[[Path], Any] | None, directory: Path, command: Command
) -> None:
    if before is not None:
        before(directory)
    code, output = command(*(str(directory) if word == "DIR" else word for word in argv))
    assert code == 2, output
    assert output.count("error:") == 1
    assert says in output
