"""A search directory from a stranger: reading it runs nothing, writes nothing outside wandb/ and tells no secret."""

import json
import os
import pickle
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import optuna
import pytest
import torch
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from sesemi_search.cli import main
from sesemi_search.config.compose import Request
from sesemi_search.errors import ConfigError
from sesemi_search.report.search import open_search
from sesemi_search.search.plan import Plan, make_plan
from sesemi_search.search.resume import compose_resumed
from sesemi_search.search.stored_search import read_search
from sesemi_search.search.trial import TrialRun
from tests.payload import Payload
from tests.processes import count_reports, read_trials, start, wait_for
from tests.search.told_search import STUDY, tell_search
from tests.tracking.wandb_files import read_wandb_files
from tests.tracking.wandb_server import serve_status

pytestmark = pytest.mark.usefixtures("no_account")

READING = (["status"], ["trials"], ["trials", "--json"], ["list"], ["compare"])
KEY = "c0ffee" * 6 + "abcd"
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    def run(*argv: str) -> tuple[int, str]:
        code = main(argv)
        captured = capfd.readouterr()
        assert "Traceback (most" not in captured.out + captured.err
        return code, captured.out + captured.err

    return run


@pytest.fixture(scope="module")
def template(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("hostile") / "search"
    tell_search(project, directory)
    return directory


@pytest.fixture
def told(template: Path, directory: Path) -> Path:
    """A search of six trials, before anybody tampered with it."""
    shutil.copytree(template, directory)
    return directory


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "executed"


@pytest.fixture
def hostile(told: Path, marker: Path) -> Path:
    """Code in every place where a search keeps a `_target_` or a checkpoint."""
    bomb = {"_target_": "os.system", "_args_": [f"touch {marker}"]}
    for name in ("search.yaml", *(f"trials/{number:04d}/config.yaml" for number in range(6))):
        content = yaml.safe_load((told / name).read_text())
        content["data"]["source"] = bomb
        hparams = content["learner"]["hparams"]
        hparams["optimizer"] = hparams["lr_scheduler"]["scheduler"] = bomb
        hparams["model"] |= {"backbone": bomb, "head": bomb, "loss": bomb}
        if name == "search.yaml":
            content["search"] |= {"sampler": bomb, "pruner": bomb}
            content["space"]["learner"]["hparams"]["model"]["backbone"]["bomb"] = bomb
            content["space"]["learner"]["hparams"]["model"]["head"]["choice"]["bomb"] = bomb
        (told / name).write_text(json.dumps(content))  # YAML without aliases
    (told / "best.yaml").write_text((told / "trials/0000/config.yaml").read_text())
    for number in range(6):
        plant_pickle(told / f"trials/{number:04d}/checkpoint.pt", marker)
    (told / "study.pkl").write_bytes(pickle.dumps(Payload(marker)))
    return told


def plant_pickle(path: Path, marker: Path) -> None:
    torch.save({"model": Payload(marker), "epoch": 2}, path)


def snapshot(root: Path, aside: Path) -> dict[Path, bytes | None]:
    """Everything below a folder but for one."""
    paths = (path for path in root.rglob("*") if not path.is_relative_to(aside) and "__pycache__" not in path.parts)
    return {path: path.read_bytes() if path.is_file() else None for path in paths}


def test_the_payload_works(tmp_path: Path, marker: Path) -> None:
    plant_pickle(tmp_path / "x.pt", marker)
    torch.load(tmp_path / "x.pt", weights_only=False)
    assert marker.exists()


def test_reading_runs_nothing_and_writes_nothing_outside_wandb(
    hostile: Path, marker: Path, command: Command, project: Path
) -> None:
    before = snapshot(hostile, hostile / "wandb"), snapshot(project, project / "none")
    assert len(read_search(hostile).records) == 6
    code, output = command("resume", str(hostile), "--dry-run")
    assert code == 0, output
    for argv in READING:
        code, output = command(*argv, str(hostile), *[str(hostile)] * (argv == ["compare"]))
        assert code == 0, output
    code, output = command("report", str(hostile), "--out", str(hostile.parent / "report.html"))
    assert code == 0, output
    assert open_search(hostile).config()["data"]["source"]["_target_"] == "os.system"
    assert not (hostile / "wandb").exists()
    code, output = command("track", str(hostile), "tracking.mode=offline")
    assert code == 0, output
    after = snapshot(hostile, hostile / "wandb"), snapshot(project, project / "none")
    assert not marker.exists()
    assert after == before
    runs = read_wandb_files(hostile)
    assert len(runs) == 7
    assert runs[f"{STUDY}-0000"].tags == ["system", "complete"]
    assert "os.system" in runs[f"{STUDY}-0000"].files["experiment.yaml"]


def test_a_checkpoint_that_is_a_pickle_is_not_run_and_its_trial_begins_anew(
    told: Path, marker: Path, project: Path
) -> None:
    plan: Plan = make_plan(compose_resumed(Request(search=True, overrides=[str(told)], project=project)), resume=True)
    plant_pickle(told / "trials/0005/checkpoint.pt", marker)
    report = TrialRun(told, 5, plan.data).step()
    assert (report.epoch, report.outcome) == (1, None), report.message
    assert not marker.exists()


@pytest.mark.slow
def test_resume_ends_a_search_whose_checkpoints_are_pickles(directory: Path, marker: Path, project: Path) -> None:
    slow = "space.learner.hparams.model.backbone={_target_: faulty.Slow}"
    search = start(project, "run", "space=tiny", slow, "search.num_trials=3", f"search.dir={directory}")
    wait_for(lambda: count_reports(directory) >= 1)
    search.send_signal(signal.SIGINT)
    search.communicate(timeout=60)
    unfinished = [trial.number for trial in read_trials(directory) if trial.state.name == "WAITING"]
    assert unfinished
    for number in unfinished:
        plant_pickle(directory / f"trials/{number:04d}/checkpoint.pt", marker)
    search = start(project, "resume", str(directory))
    output, _ = search.communicate(timeout=120)
    assert search.returncode == 0, output
    assert not marker.exists()
    assert {trial.state.name for trial in read_trials(directory)} <= {"COMPLETE", "PRUNED"}


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x80\x04\x95garbage\n",
        b"{}\n",
        b"[]\n",
        b'{"op_code": 4}\n',
        b'{"op_code": 99, "worker_id": "x"}\n',
        b'{"op_code": 5, "worker_id": "x", "trial_id": 77, "state": 1, "values": [1]}\n',
        b"\0" * 100,
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_ledger_of_garbage_is_an_error_of_one_message(
    garbage: bytes, whole: bool, told: Path, command: Command
) -> None:
    journal = told / "study.journal"
    journal.write_bytes(garbage if whole else journal.read_bytes() + garbage + b'{"op_code": 0}\n')
    for argv in (["track"], ["resume", "--dry-run"], ["status"], ["trials"]):
        argv.append(str(told))
        code, output = command(*argv)
        assert code == 2
        assert output.count("error:") == 1
    assert not (told / "wandb").exists()


def test_a_ledger_with_values_of_wrong_types_costs_those_trials_only(told: Path, command: Command) -> None:
    journal = told / "study.journal"
    text = journal.read_text()
    journal.write_text(text.replace('"train/loss":0.5,', '"train/loss":{"_type":"image-file","path":"/etc/x"},'))
    assert journal.read_text() != text
    code, output = command("track", str(told))
    assert code == 1
    assert output.count("left out") == 1
    assert len(read_wandb_files(told)) == 5 + 1  # that of the search


def test_nothing_outside_the_directory_is_read(told: Path, tmp_path: Path, command: Command) -> None:
    secret = tmp_path / "outside"
    secret.mkdir()
    text = (told / "trials/0000/config.yaml").read_text()
    (secret / "config.yaml").write_text(text + "secret: hunter2\n")
    (told / "trials/0000/config.yaml").unlink()
    (told / "trials/0000/config.yaml").symlink_to(secret / "config.yaml")
    for path in (told / "trials/0001").iterdir():
        path.unlink()
    (told / "trials/0001").rmdir()
    (told / "trials/0001").symlink_to(secret)
    (told / "trials/0002/config.yaml").unlink()
    os.mkfifo(told / "trials/0002/config.yaml")  # who reads it waits for ever
    (told / "driver.lock").unlink(missing_ok=True)
    os.mkfifo(told / "driver.lock")
    code, output = command("track", str(told))
    assert code == 1
    assert output.count("leads out of the search directory") == 2
    assert output.count("not a file") == 1
    assert sorted(read_wandb_files(told)) == [*(f"{STUDY}-{number:04d}" for number in (3, 4, 5)), f"{STUDY}-search"]
    assert not any(b"hunter2" in path.read_bytes() for path in (told / "wandb").rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["wandb", "study.journal", "search.yaml"])
def test_links_to_elsewhere_are_refused(name: str, told: Path, tmp_path: Path, command: Command) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    victim = outside / f"run-20260101_000000-{STUDY}-0000"
    victim.mkdir()
    if (told / name).exists():
        (told / name).rename(outside / name)
        (told / name).symlink_to(outside / name)
    else:
        (told / name).symlink_to(outside)
    before = snapshot(outside, outside / "none")
    code, output = command("track", str(told))
    assert code == 2, output
    assert snapshot(outside, outside / "none") == before


def test_what_is_missing_is_not_made(told: Path, tmp_path: Path, command: Command) -> None:
    (told / "study.journal").unlink()
    assert command("track", str(told))[0] == 2
    assert not (told / "study.journal").exists()
    content = yaml.safe_load((told / "search.yaml").read_text())
    content["search"]["storage"] = f"sqlite:///{tmp_path}/new.db"
    (told / "search.yaml").write_text(yaml.safe_dump(content))
    assert command("track", str(told))[0] == 2
    assert not (tmp_path / "new.db").exists()


def test_a_database_that_a_search_names_is_read_and_not_written(told: Path, tmp_path: Path, command: Command) -> None:
    content = yaml.safe_load((told / "search.yaml").read_text())
    content["search"]["storage"] = f"sqlite:///{tmp_path}/some.db"
    (told / "search.yaml").write_text(yaml.safe_dump(content))
    with closing(sqlite3.connect(tmp_path / "some.db")) as database:
        database.execute("CREATE TABLE precious (x)")
        database.commit()
    before = (tmp_path / "some.db").read_bytes()
    code, output = command("track", str(told))
    assert code == 2
    assert "the ledger cannot be read" in output
    assert (tmp_path / "some.db").read_bytes() == before
    (tmp_path / "some.db").unlink()
    journal = JournalStorage(JournalFileBackend(str(told / "study.journal")))
    optuna.copy_study(from_study_name=STUDY, from_storage=journal, to_storage=content["search"]["storage"])
    before = (tmp_path / "some.db").read_bytes()
    assert [record.number for record in read_search(told).records] == list(range(6))
    assert (tmp_path / "some.db").read_bytes() == before


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("tracking", "project", "${oc.env:WANDB_API_KEY}"),
        ("tracking", "project", "${${run.id}:WANDB_API_KEY}"),
        ("tracking", "finish_timeout_s", "${oc.env:WANDB_API_KEY}"),
        ("tracking", "entity", "${oc.decode:'${oc.env:WANDB_API_KEY}'}"),
        ("search", "study", "${oc.env:WANDB_API_KEY}"),
        ("search", "storage", "sqlite:///${oc.env:WANDB_API_KEY}"),
        ("search", "num_trials", "${oc.env:WANDB_API_KEY}"),
        ("run", "num_epochs", "${oc.env:WANDB_API_KEY}"),
        ("run", "data_root", "${oc.env:WANDB_API_KEY}"),
    ],
)
def test_a_config_gets_nothing_from_the_environment_while_it_is_read(
    section: str, key: str, value: str, told: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    for name in ("search.yaml", "trials/0000/config.yaml"):
        content = yaml.safe_load((told / name).read_text())
        content["run"]["id"] = "oc.env"
        content.setdefault(section, {})[key] = value
        (told / name).write_text(yaml.safe_dump(content))
    outputs = [command("resume", str(told), "--dry-run"), command("track", str(told), "tracking.mode=offline")]
    outputs += [command(*argv, str(told), *[str(told)] * (argv == ["compare"])) for argv in READING]
    outputs.append(command("report", str(told)))
    assert not any(KEY in output for _, output in outputs)
    assert {code for code, _ in outputs} <= {0, 2}
    files = [path for path in told.rglob("*") if path.is_file()]
    assert not [path for path in files if KEY in str(path) or KEY.encode() in path.read_bytes()]


def test_interpolations_of_a_trial_are_followed_in_bounds(told: Path, command: Command) -> None:
    circle = {"a": "${.b}", "b": "${.a}"}
    doubled = {f"k{i}": f"${{.k{i + 1}}}${{.k{i + 1}}}" for i in range(60)} | {"k60": "x"}
    for number, node in enumerate((circle, doubled, {"name": "seed ${run.seed}"})):
        path = told / f"trials/{number:04d}/config.yaml"
        content = yaml.safe_load(path.read_text())
        content["learner"]["hparams"]["model"]["head"] = node
        path.write_text(yaml.safe_dump(content))
    code, output = command("track", str(told), "tracking.mode=offline")
    assert code == 1
    assert output.count("left out") == 2
    assert "RecursionError" in output
    assert "its interpolations make more than" in output
    runs = read_wandb_files(told)
    assert sorted(runs) == [*(f"{STUDY}-{number:04d}" for number in (2, 3, 4, 5)), f"{STUDY}-search"]
    assert runs[f"{STUDY}-0002"].config["head"] == "seed 42"


def test_the_environment_is_there_again_afterwards(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from omegaconf import OmegaConf

    monkeypatch.setenv("COLOUR", "green")
    read_search(told)
    with pytest.raises(ConfigError):
        read_search(told / "trials")
    assert OmegaConf.create({"a": "${oc.env:COLOUR}"}).a == "green"


class _Thief(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.heard.append(str(self.headers))  # type: ignore[attr-defined]
        self.send_error(500)

    do_GET = do_POST

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.mark.slow
def test_the_key_goes_to_no_server_that_the_directory_names(
    told: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wandb reads `wandb/settings` below the working directory, and a user may have gone there to look around."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Thief)
    server.heard = []  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    (told / "wandb").mkdir()
    (told / "wandb/settings").write_text(f"[default]\nbase_url = http://127.0.0.1:{server.server_address[1]}\n")
    with serve_status(500) as own:
        (tmp_path / "wandb-CONFIG").mkdir()
        (tmp_path / "wandb-CONFIG/settings").write_text(f"[default]\nbase_url = {own}\n")
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.chdir(told)
        code, output = command("track", ".", "tracking.init_timeout_s=1", "tracking.finish_timeout_s=3")
    server.shutdown()
    thread.join()
    server.server_close()
    assert code == 1
    assert "kept offline" in output
    assert server.heard == []  # type: ignore[attr-defined]
    assert KEY not in output
