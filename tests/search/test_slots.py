"""What no node of the Ray can hold."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("run.accelerator=gpu", "run.accelerator: got 'gpu', but no node has a GPU"),
        ("run.precision=fp16", "run.precision: got 'fp16'"),
        ("run.cuda_graph=always", "run.cuda_graph: got 'always'"),
        ("run.num_threads=4096", "run.num_threads=4096, run.gpus=0: no node can hold a trial"),
    ],
)
def test_it_is_one_message_and_exit_code_2_and_nothing_is_written(
    ray: None, command: Callable[..., tuple[int, str]], project: Path, override: str, says: str
) -> None:
    before = sorted(path for path in project.rglob("*") if "__pycache__" not in path.parts)
    code, output = command("run", "space=tiny", "tracking=none", override)
    assert code == 2, output
    assert "Traceback" not in output
    assert output.count("error:") == 1, output
    assert says in output
    assert sorted(path for path in project.rglob("*") if "__pycache__" not in path.parts) == before
