import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "ray", "optuna", "wandb", "timm", "hydra")


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
