import subprocess
import sys

import pytest

HEAVY = ("torch", "torchmetrics", "torchvision", "ray", "optuna", "wandb", "timm", "hydra")


@pytest.mark.parametrize(
    "code",
    [
        "import sesemi_search",
        "import sesemi_search.cli; import sys; sys.argv = ['sesemi-search', '--help']\n"
        "try: sesemi_search.cli.main()\nexcept SystemExit: pass",
        "import sesemi_search.tracking, sesemi_search.errors",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    script = f"{code}\nimport sys; print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_torchmetrics_is_imported_where_a_metric_is_on() -> None:
    script = """
import sys, torch
import sesemi_search.search.ray_tune.trainable
from sesemi_search.training.evaluation import SplitMetrics, check_metrics

off, cpu = {"auroc": False, "kappa": None}, torch.device("cpu")
print(check_metrics(off, 10, "val/top1"), len(SplitMetrics(off, 10, cpu)), "torchmetrics" in sys.modules)
SplitMetrics({"auroc": True}, 10, cpu)
print("torchmetrics" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[] 0 False", "True"]
