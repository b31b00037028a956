"""Ray Tune by who knows it: data in memory, actors that are reused, no loggers, no output, no checkpoints.

The class API, whose actors take the next trial by `reset_config`; the digits go to each actor once, through the object
store.
"""

import os
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from benchmarks.speed.bare_loop import build_loop
from benchmarks.speed.peers import read_arguments
from benchmarks.speed.peers.ray_tune import fit, tune_config
from benchmarks.speed.task import NUM_EPOCHS, NUM_SLOTS, Digits, Params, load_digits


class Trial(tune.Trainable):
    """Trains an epoch a step."""

    def setup(self, config: dict[str, Any], digits: Digits) -> None:  # type: ignore[override]
        """Takes the data, and the first trial."""
        torch.set_num_threads(1)
        self._digits = digits
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes the next trial."""
        self._loop = build_loop(Params(**new_config), self._digits)
        return True

    def step(self) -> dict[str, Any]:
        """Trains an epoch."""
        return {"top1": self._loop.train_epoch()}


def main() -> None:
    """Searches."""
    num_trials, seed = read_arguments()
    os.environ |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}
    ray.init("local", num_cpus=NUM_SLOTS, include_dashboard=False, log_to_driver=False)
    fit(
        tune.with_parameters(Trial, digits=load_digits()),
        tune_config(num_trials, seed, reuse_actors=True),
        tune.RunConfig(
            storage_path=str(Path.cwd()),
            verbose=0,
            stop={"training_iteration": NUM_EPOCHS},
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )


if __name__ == "__main__":
    main()
