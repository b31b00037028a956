"""`sesemi_search.run`, `resume` and `train`, from a notebook."""

import json
from pathlib import Path

import nbclient
import nbformat
import pytest

import sesemi_search
from sesemi_search.errors import ConfigError
from tests.search.conftest import copy_project

CELLS = (
    # Ray starts beside the check that refuses this one, and is still being ended when the next search begins.
    "import sesemi_search\n"
    "from sesemi_search.errors import ConfigError\n"
    "backbone = {'_target_': 'faulty.bad_modules.TupleBackbone'}\n"
    "try:\n"
    "    sesemi_search.run(space='tiny', tracking='none', **{'space.learner.hparams.model.backbone': backbone})\n"
    "except ConfigError as error:\n"
    "    print('TupleBackbone says' in str(error))",
    "search = sesemi_search.run(space='tiny', tracking='none', search={'num_trials': 2, 'dir': 'found'},\n"
    "    run={'num_epochs': 2}, **{'space.learner.hparams.model.head': 'linear'})\n"
    "search",
    "search = sesemi_search.resume(search, search={'num_trials': 3})\n"
    "print(list(search.trials.number), 'head' in search.trials, set(search.trials.epochs) <= {1, 2})",
    "run = {'num_epochs': 3, 'dir': 'final', 'test': True}\n"
    "result = sesemi_search.train(search, ['tracking=none'], trial=1, run=run)\n"
    "print(result.num_epochs, result.run_dir.parent.parent.name, 0 <= result.test.top1 <= 1)",
    "assert sesemi_search.open_search('found').best == search.best",
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = copy_project(tmp_path)
    monkeypatch.chdir(root)
    return root


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the notebook's client, in this process
def test_a_search_and_a_final_run_in_a_notebook(project: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(project)}})
    client.execute()
    shown = [cell.outputs for cell in notebook.cells]
    (page,) = [out["data"]["text/html"] for out in shown[1] if out.output_type == "execute_result"]
    assert "finished, 2 trials" in page
    assert "<table" in page
    texts = ["".join(out.get("text", "") for out in outputs) for outputs in shown]
    assert texts[0].endswith("True\n")
    assert "[0, 1, 2] False True" in texts[2]
    assert "3 final True" in texts[3]
    command = json.loads((project / "found" / "provenance.json").read_text())["command"]
    assert command.startswith("sesemi-search run space=tiny tracking=none search.num_trials=2 search.dir=found")


def test_a_mistake_is_raised_and_nothing_is_begun(project: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'num_epochs'"):
        sesemi_search.run(space="tiny", run={"num_epoch": 3})
    with pytest.raises(ConfigError, match="space: missing"):
        sesemi_search.run()
    with pytest.raises(ConfigError, match="holds no search"):
        sesemi_search.resume("runs")
    with pytest.raises(ConfigError, match="holds no search"):
        sesemi_search.run_final("runs", trial=3)
    with pytest.raises(ConfigError, match="say which experiment to train"):
        sesemi_search.train()
    with pytest.raises(ConfigError, match="--trial: got 3; say which search"):
        sesemi_search.train(config_name="tiny", trial=3)
    assert not (project / "runs").exists()


def test_what_is_at_the_top_is_said_and_imported_when_asked_for() -> None:
    assert {"open_search", "resume", "run", "run_final", "train", "Search"} <= set(dir(sesemi_search))
    with pytest.raises(AttributeError):
        getattr(sesemi_search, "nothing")  # noqa: B009
