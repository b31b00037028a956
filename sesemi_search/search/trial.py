"""A trial in its worker: an epoch a step, a checkpoint after each, every end reported and none raised.

An exception would cost the worker (a new one imports torch again and loads the data again), so what goes wrong in a
user's module becomes the outcome of its trial. Nothing here knows of Ray.
"""

import shutil
import socket
import traceback
from collections.abc import Mapping
from pathlib import Path

from sesemi_search.atomic import remove_torn
from sesemi_search.config.experiment import load_experiment, type_experiment
from sesemi_search.data.images import open_images
from sesemi_search.data.normalization import fill_normalization
from sesemi_search.data.stored import ImageSplit
from sesemi_search.errors import user_code
from sesemi_search.search.directory import output_file, trial_dir
from sesemi_search.search.fingerprint import digest_experiment
from sesemi_search.search.ledger.records import Outcome, TrialReport
from sesemi_search.search.trial_output import keep_output
from sesemi_search.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from sesemi_search.training.device import is_out_of_memory, resolve_device
from sesemi_search.training.fit import Diverged, Fit

__all__ = ["TrialRun"]

_DIGEST = "config_digest"


class TrialRun:
    """Trains one trial of a search.

    Args:
        directory: The search directory; the trial's config and checkpoint are in its folder there.
        number: The trial's number.
        data: The splits `train` and `val`; without `val`, its images are in `train`.
    """

    def __init__(self, directory: Path, number: int, data: Mapping[str, ImageSplit]) -> None:
        self._folder = trial_dir(directory, number)
        self._output = output_file(directory, number)
        self._number = number
        self._data = data
        self._fit: Fit | None = None
        self._digest = ""
        self._repeat = False

    def step(self) -> TrialReport:
        """Trains one epoch and reports it.

        After a crash the first report is the checkpoint's own epoch once more: whoever died may not have recorded it.
        """
        with keep_output(self._output):
            return self._step()

    def _step(self) -> TrialReport:
        try:
            if self._fit is None:
                with user_code():
                    self._fit = self._begin()
            if self._repeat:
                self._repeat = False
            else:
                with user_code():
                    self._fit.train_epoch()
                if (fault := self._save(self._fit)) is not None:
                    return fault
            outcome = Outcome.complete if self._fit.epoch >= self._fit.num_epochs else None
            return self._report(self._fit.epoch, self._fit.history[-1], outcome)
        except Diverged as error:
            return self._report(error.epoch, error.metrics, Outcome.diverged, str(error))
        except Exception as error:
            return self._failed(Outcome.out_of_memory if is_out_of_memory(error) else Outcome.error)

    def _begin(self) -> Fit:
        """Builds the trial from its config, and takes up its checkpoint where there is one."""
        experiment = load_experiment(self._folder / "config.yaml")
        self._digest = digest_experiment(experiment)
        config = type_experiment(experiment)
        device = resolve_device(config.run.accelerator, config.run.gpus).device
        data = fill_normalization(config.data, self._data["train"], quiet=True)
        images = {name: open_images(name, split, data, config.run, device) for name, split in self._data.items()}
        fit = Fit(config, images["train"], images.get("val"))
        remove_torn(self._folder, "checkpoint.pt")
        try:
            checkpoint = load_checkpoint(self._folder / "checkpoint.pt")
        except CheckpointError:
            # None yet, or one that a crash cut short: from the beginning. The epochs come out the same.
            return fit
        if checkpoint.pop(_DIGEST, None) == self._digest:  # else it is another trial's that had this folder before
            fit.load_state_dict(checkpoint)
            self._repeat = fit.epoch > 0
        return fit

    def _save(self, fit: Fit) -> TrialReport | None:
        """Writes the checkpoint; a disk that does not take it ends the attempt and is no fault of the trial.

        The last one may be kept, and is waited for. After a power cut, which may spoil another, a trial begins anew.
        """
        is_last = fit.epoch >= fit.num_epochs
        state = {**fit.state_dict(), _DIGEST: self._digest}
        try:
            save_checkpoint(self._folder / "checkpoint.pt", state, wait_for_disk=is_last)
        except (OSError, RuntimeError) as error:  # torch's writer makes a RuntimeError of some
            free_kb = shutil.disk_usage(self._folder).free // 1000
            reason = f"the checkpoint could not be written ({free_kb} kB are free there): {str(error).splitlines()[0]}"
            return self._report(fit.epoch, {}, Outcome.interrupted, reason)
        return None

    def _failed(self, outcome: Outcome) -> TrialReport:
        message = traceback.format_exc()
        epoch = self._fit.epoch if self._fit else 0
        # A failed model may hold a GPU's memory; the next trial of this worker needs it.
        self._fit = None
        return self._report(epoch, {}, outcome, message)

    def _report(
        self, epoch: int, metrics: Mapping[str, float], outcome: Outcome | None, message: str = ""
    ) -> TrialReport:
        return TrialReport(self._number, epoch, metrics, outcome, message, socket.gethostname())
