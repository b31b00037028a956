"""The fit loop: one model, one device, one epoch at a time.

It owns the model, its optimizer, schedule and average, and the numbers of every epoch. It does not load data, write
files or decide when to stop: a trial and the final run do, and both train through this class.
"""

import copy
import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sesemi_search.config.schema import ExperimentConfig, Interval
from sesemi_search.data.images import Images
from sesemi_search.data.memory import release_memory
from sesemi_search.data.splits import check_labels
from sesemi_search.errors import SesemiSearchError
from sesemi_search.models.classifier import build_classifier
from sesemi_search.models.weights import load_strictly
from sesemi_search.training.build import (
    build_average,
    build_loss,
    build_lr_scheduler,
    build_optimizer,
    class_weights,
    settle_lazy,
)
from sesemi_search.training.cuda_graph import StepGraph, records_steps
from sesemi_search.training.device import autocast_dtype, make_deterministic, prefers_channels_last
from sesemi_search.training.evaluation import Predictions, SplitMetrics
from sesemi_search.training.gradients import compute_gradients
from sesemi_search.training.seeds import seed_epoch
from sesemi_search.training.step_profile import Part, StepWatch

__all__ = ["Diverged", "Fit", "eval_weights"]

_UNWATCHED = StepWatch()
_LOSSES = ("train/loss", "val/loss")


# What an epoch reports. `lr` is that of its last step; `val/top1/best` the best so far; top1 lies in [0, 1].
class Diverged(SesemiSearchError):
    """The loss is NaN or infinite.

    Attributes:
        epoch: The epoch that it happened in, from 1 on.
        metrics: That epoch's metrics, the NaN among them.
        lr: The optimizer's own rate, which a schedule may have changed since; None of one without.
    """

    def __init__(self, epoch: int, metrics: Mapping[str, float], lr: float | None = None) -> None:
        self.epoch = epoch
        self.metrics = dict(metrics)
        self.lr = lr
        was = "" if lr is None else f" (it was {float(lr):g})"
        losses = ", ".join(f"{name}={value}" for name, value in self.metrics.items() if name in _LOSSES)
        super().__init__(
            f"training diverged in epoch {epoch}: {losses}. "
            f"Try a lower learner.hparams.optimizer.lr{was} or set run.gradient_clip_norm."
        )

    def __reduce__(self) -> tuple[type["Diverged"], tuple[int, dict[str, float], float | None]]:
        """Keeps the attributes where the error crosses processes."""
        return type(self), (self.epoch, self.metrics, self.lr)


class Fit:
    """Trains one experiment config, deterministically: the same config, data and device give the same numbers.

    On a GPU that holds for what torch adds up in a fixed order, which the backward passes of flash and of
    memory-efficient attention, say, do not.

    Args:
        config: The experiment; nodes that are left open are plain mappings.
        train: Training images.
        val: Validation images, on the same device; None of a run that trains on these as well and reports none of
            their metrics.

    Attributes:
        num_epochs: Epochs of the whole run.
        epoch: Epochs finished.
        history: Metrics of every finished epoch, in order.
        model: The classifier that is trained.

    Raises:
        ConfigError: Something cannot be built, or labels exceed the classes.
    """

    def __init__(self, config: ExperimentConfig, train: Images, val: Images | None) -> None:
        hparams, run = config.learner.hparams, config.run
        for split in (train, val) if val is not None else (train,):
            check_labels(split, hparams.num_classes)
        self.num_epochs = run.num_epochs
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self.device = train.device
        self._run, self._train, self._val = run, train, val
        self._dtype = autocast_dtype(run.precision, self.device)
        release_memory(self.device)
        make_deterministic(self.device, run.num_threads)
        seed_epoch(run.seed, 0)
        self.model = build_classifier(hparams.model.backbone, hparams.model.head, hparams.num_classes).to(self.device)
        if prefers_channels_last(self.model, config.data, self.device, self._dtype):
            self.model.to(memory_format=torch.channels_last)
        weights = class_weights(config.data.class_weights, train.labels, hparams.num_classes)
        self._loss = build_loss(hparams.model.loss, weights).to(self.device)
        self._optimizer = build_optimizer(hparams.optimizer, self.model.parameters())
        # A smaller last batch would weigh its images more, and fails in batch norm when it is one image.
        self._drop_last = len(train) >= run.batch_size_per_gpu
        self._scheduler_config = hparams.lr_scheduler
        self._scheduler = build_lr_scheduler(
            hparams.lr_scheduler.scheduler,
            self._optimizer,
            train.num_batches(run.batch_size_per_gpu, self._drop_last),
            run.num_epochs,
            hparams.lr_scheduler.interval,
            hparams.lr_scheduler.frequency,
        )
        # float16 underflows without scaled gradients; bfloat16 has float32's range.
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self._dtype is torch.float16)
        decay = hparams.model.ema.decay
        self._ema = None if decay is None else build_average(self.model, decay)
        self._step = 0
        params = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        modules, setting = (self.model, self._loss), run.cuda_graph
        records = records_steps(setting, self.device, self._dtype)
        self._training_step = StepGraph("training", modules, params, setting, records)
        self._validation_step = StepGraph("validation", (self.eval_model, self._loss), (), setting, records)
        # Each kept for the run: a recorded step adds to the tensors that it was recorded with.
        self._training_sums, self._validation_sums = _Sums(self.device), _Sums(self.device)
        self._metrics = SplitMetrics(config.learner.metrics, hparams.num_classes, self.device)
        self._num_classes = hparams.num_classes
        self._validation_predictions = self._predictions(val)
        self._watch = _UNWATCHED

    @property
    def eval_model(self) -> nn.Module:
        """The classifier that is evaluated: the average of the weights where there is one."""
        return self.model if self._ema is None else self._ema.module

    def train_epoch(self, watch: StepWatch = _UNWATCHED) -> dict[str, float]:
        """Trains one epoch and evaluates on the validation images, where there are some.

        Args:
            watch: Is told where each step is.

        Returns:
            The metrics, named as in `sesemi_search.metrics`.

        Raises:
            Diverged: The loss of training or validation is NaN or infinite. The epoch does not count as finished.
        """
        start = time.perf_counter()
        epoch = self.epoch + 1
        self._watch = watch
        seed_epoch(self._run.seed, epoch)
        metrics, lr = self._train_pass()
        if self._val is not None:
            metrics |= self.evaluate(self._val, "val")
            best = max([metrics["val/top1"], *(past["val/top1"] for past in self.history)])
            metrics["val/top1/best"] = best
        metrics |= {"lr": lr, "epoch_seconds": time.perf_counter() - start}
        if not all(math.isfinite(metrics[name]) for name in _LOSSES if name in metrics):
            raise Diverged(epoch, metrics, self._optimizer.defaults.get("lr"))
        self.epoch = epoch
        self.history.append(metrics)
        return dict(metrics)

    @torch.no_grad()
    def evaluate(self, images: Images, split: str, model: nn.Module | None = None) -> dict[str, float]:
        """Scores a model on every image of a split, with this run's loss and precision.

        Args:
            images: The split, on this run's device.
            split: Its name, for the metrics.
            model: Images (B, C, H, W) to logits (B, K), left in evaluation mode; None is `eval_model`.

        Returns:
            `<split>/loss` and `<split>/top1`, the share of right answers in [0, 1], and what `learner.metrics` has on.
        """
        is_validation = model is None and images is self._val
        scored = self.eval_model if model is None else model
        scored.eval()
        sums = self._validation_sums if is_validation else _Sums(self.device)
        predictions = self._validation_predictions if is_validation else self._predictions(images)
        sums.clear()
        if predictions is not None:
            predictions.clear()

        def score(batch: Tensor, labels: Tensor) -> None:
            with self._autocast():
                logits = scored(batch)
                loss = self._loss(logits, labels)
            sums.add(loss, logits, labels)
            if predictions is not None:
                predictions.add(logits)

        batch_size = self._run.batch_size_per_gpu
        batches = images.batches(batch_size)
        if is_validation:
            for batch, labels in self._watch.validation(batches, images.num_batches(batch_size)):
                self._validation_step.run(score, batch, labels)
        else:
            for batch, labels in batches:
                score(batch, labels)
        scores = sums.means(split, len(images))
        if predictions is None:
            return scores
        if not math.isfinite(scores[f"{split}/loss"]):
            return scores | self._metrics.missing(split)
        return scores | self._metrics.measure(predictions.probabilities(), images.labels, split)

    def state_dict(self) -> dict[str, Any]:
        """Returns all that a later `load_state_dict` needs to go on as if undisturbed; plain values and tensors.

        The tensors are the live ones: save or copy them before the next epoch.
        """
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scheduler": None if self._scheduler is None else self._scheduler.state_dict(),
            "ema": None if self._ema is None else self._ema.state_dict(),
            "scaler": self._scaler.state_dict(),
            "step": self._step,
            "epoch": self.epoch,
            "num_epochs": self.num_epochs,
            "history": [dict(metrics) for metrics in self.history],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state_dict` of a Fit of the same config.

        Raises:
            SesemiSearchError: The state is another model's, or its parts are not those of this config.
        """
        # The schedule spans the run, and its state holds that span: a longer run would go on at a rate of zero.
        if state.get("num_epochs") != self.num_epochs:
            raise SesemiSearchError(
                f"the checkpoint is of a run of {state.get('num_epochs')} epochs, this one has {self.num_epochs}; "
                "the learning-rate schedule spans the run, so set run.num_epochs to the same number."
            )
        try:
            load_strictly(self.model, state["model"], "the checkpoint does not fit this experiment")
            # torch's optimizers keep the tensors that they are given, and would train on in the caller's state.
            self._optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
            for part, name in ((self._scheduler, "scheduler"), (self._ema, "ema"), (self._scaler, "scaler")):
                if part is not None:
                    part.load_state_dict(state[name])
            self._training_step.clear()
            self._validation_step.clear()
            self._step, self.epoch = state["step"], state["epoch"]
            self.history = [dict(metrics) for metrics in state["history"]]
        except SesemiSearchError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise SesemiSearchError(f"the checkpoint does not fit this experiment: {reason}") from error

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Begins with the weights of a classifier, every one of which must match.

        Raises:
            SesemiSearchError: Names or shapes differ.
        """
        load_strictly(self.model, weights, "the weights do not fit this model")
        # The average starts from the first update's weights, so it never saw the random ones.

    def _predictions(self, images: Images | None) -> Predictions | None:
        """Returns what keeps the logits of a split, None where there is none or no metric needs them."""
        if images is None or not len(self._metrics):
            return None
        return Predictions(len(images), self._num_classes, self.device)

    def _train_pass(self) -> tuple[dict[str, float], float]:
        """Runs the training steps of one epoch; returns train/loss and train/top1, and the rate of the last step."""
        self.model.train()
        order = torch.randperm(len(self._train))
        batch_size = self._run.batch_size_per_gpu
        self._training_sums.clear()
        lr, num_images = 0.0, 0
        batches = self._train.batches(batch_size, order, self._drop_last)
        for images, labels in self._watch.training(batches, self._train.num_batches(batch_size, self._drop_last)):
            lr = float(self._optimizer.param_groups[0]["lr"])
            num_images += len(labels)
            with self._watch.part(Part.gradients):
                self._training_step.run(self._differentiate, images, labels)
            with self._watch.part(Part.update):
                self._update()
        if self._scheduler_config.interval is Interval.epoch:
            self._advance_schedule(self.epoch + 1)
        return self._training_sums.means("train", num_images), lr

    def _autocast(self) -> torch.autocast:
        # A weight's cast of the last step would be kept in a recorded one. Without it, all steps are alike.
        is_cached = self.device.type != "cuda"
        return torch.autocast(self.device.type, self._dtype, enabled=self._dtype is not None, cache_enabled=is_cached)

    def _differentiate(self, images: Tensor, labels: Tensor) -> None:
        """Computes the gradients of a batch, clipped, and adds to the epoch's sums; all of it can be recorded."""
        self._optimizer.zero_grad(set_to_none=True)
        with self._watch.part(Part.forward), self._autocast():
            logits = self.model(images, labels)
            loss = self._loss(logits, labels)
        with self._watch.part(Part.backward):
            compute_gradients(loss, self.model, self._optimizer, self._scaler, self._run.gradient_clip_norm)
        self._training_sums.add(loss, logits, labels)

    def _update(self) -> None:
        """Takes one optimizer step, and what follows a step: schedule and average."""
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._step += 1
        if self._scheduler_config.interval is Interval.step:
            self._advance_schedule(self._step)
        if self._ema is not None:
            if self._step == 1:
                settle_lazy(self._ema, self.model)
            self._ema.update_parameters(self.model)

    def _advance_schedule(self, count: int) -> None:
        """Steps the schedule after every `frequency` steps or epochs."""
        if self._scheduler is not None and count % self._scheduler_config.frequency == 0:
            self._scheduler.step()


def eval_weights(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Returns the classifier weights that a `Fit.state_dict` is evaluated with: the average where there is one."""
    if state["ema"] is None:
        return dict(state["model"])
    prefix = "module."  # AveragedModel's own
    return {name.removeprefix(prefix): value for name, value in state["ema"].items() if name.startswith(prefix)}


class _Sums:
    """Sums of loss and right answers, kept on the device: reading them at every step would wait for the device."""

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), device=device, dtype=torch.float64)
        self._right = torch.zeros((), device=device, dtype=torch.int64)

    def clear(self) -> None:
        """Begins anew, in the same tensors."""
        self._loss.zero_()
        self._right.zero_()

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Adds a batch: its mean loss, logits (B, K) and labels (B,)."""
        self._loss += loss.detach() * len(labels)
        self._right += (logits.detach().argmax(dim=1) == labels).sum()

    def means(self, split: str, num_images: int) -> dict[str, float]:
        """Returns `<split>/loss` and `<split>/top1` of so many images."""
        return {f"{split}/loss": self._loss.item() / num_images, f"{split}/top1": self._right.item() / num_images}
