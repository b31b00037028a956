"""The experiment config as types: every key, its one default and its meaning.

The names are SESEMI's. What is known of a key besides its type stands beside its default (see `config.keys`). The
tree is closed (an unknown key is an error) except for the nodes typed `Any`, which hold a `_target_` and its arguments:
those keys are checked against the target's signature instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from omegaconf import MISSING

from sesemi_search.config.keys import Effect, at_least, is_name, is_numbers, is_positive, is_text, key

__all__ = [
    "EXPERIMENT_KEYS",
    "OPEN_NODES",
    "Accelerator",
    "ConstraintsConfig",
    "CudaGraph",
    "DataConfig",
    "EMAConfig",
    "ExperimentConfig",
    "FinalConfig",
    "HParamsConfig",
    "Interval",
    "LRSchedulerConfig",
    "LearnerConfig",
    "ModelConfig",
    "Precision",
    "RayConfig",
    "RunConfig",
    "RunExperimentConfig",
    "SearchConfig",
    "SearchExperimentConfig",
    "TestCheckpoint",
    "TrackingConfig",
    "TrackingKind",
    "TrackingMode",
]

# The top of an experiment config; what a trial is run again from.
EXPERIMENT_KEYS = ("run", "data", "learner")

# Nodes whose keys belong to a target's signature and not to this schema.
OPEN_NODES = (
    "data.source",
    "data.test_source",
    "data.train_transforms",
    "learner.metrics",
    "learner.hparams.model.backbone",
    "learner.hparams.model.head",
    "learner.hparams.model.loss",
    "learner.hparams.optimizer",
    "learner.hparams.lr_scheduler.scheduler",
    "search.sampler",
    "search.pruner",
)


_FROM_0, _FROM_1 = "a whole number, at least 0", "a whole number, at least 1"
_NAME = "a name without a slash, of at least one letter"
_FOLDER = "the path of a folder"
_FILE_OR_NULL = "the path of a file, or null for none"
_TEXT_OR_NULL = "a text that is not empty, or null"
_SIZE = "a number of images, at least 1, a share of them between 0 and 1 (0.1), or null for the source's own {} split"


def _is_size(value: Any) -> bool:
    """Whether a value is a number of images or a share of them."""
    return value >= 1 if isinstance(value, int) else 0 < value < 1


class Accelerator(Enum):
    """Where a trial trains. `auto` takes a GPU where there is one."""

    auto = "auto"
    gpu = "gpu"
    cpu = "cpu"


class Precision(Enum):
    """Arithmetic of the forward pass. `auto` is bfloat16 or float16 autocast on a GPU, float32 on the CPU."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


class CudaGraph(Enum):
    """Whether steps on a GPU are recorded and replayed. `auto` does it where it can be done; `always` demands it."""

    auto = "auto"
    always = "always"
    never = "never"


class Interval(Enum):
    """How often the learning-rate schedule steps."""

    step = "step"
    epoch = "epoch"


class TestCheckpoint(Enum):
    """The checkpoint that a final run scores on the test split."""

    best = "best"
    last = "last"


@dataclass
class RunConfig:
    """How one training run is carried out.

    Attributes:
        seed: Seeds initialization, shuffling and dropout.
        num_epochs: Passes over the training split, at least 1.
        batch_size_per_gpu: Images a step, at least 1.
        gpus: GPUs a run takes: 0, a fraction (several trials share a GPU), or 1.
        accelerator: Where to train.
        precision: Arithmetic of the forward pass.
        cuda_graph: Whether steps on a GPU are recorded as a CUDA graph and replayed, which changes no number.
        num_threads: CPU threads a run computes with. Part of the result: another count gives other last bits.
        num_workers: Processes of a run that decode images which do not fit into memory; 0 decodes in the run's own.
        prefetch_factor: Batches that each of these has ready.
        memory_share: Share of the available memory, the machine's and a GPU's, that images may take, in [0, 1]; the
            rest is streamed.
        gradient_clip_norm: Largest L2 norm of the gradient, or null for no clipping.
        id: Name of the folder of its runs in `dir`; where no config sets it, the config's name, or the search's.
        dir: Where runs go; a relative path starts at the project.
        data_root: Where data sets are kept; a relative path starts at the project.
        resume_from_checkpoint: A `last.pt` or `best.pt` to go on from (weights, optimizer, epoch).
        pretrained_checkpoint_path: A `model.pt` whose weights to begin with (weights only, every key must match).
        test: Whether `train` opens the test split, once it has trained; of a trial's own config false, so that trying
            trials leaves it closed.
        test_checkpoint: Which checkpoint is scored on the test split.
        best_metric: The metric of the validation split that says which epoch is the best: val/loss, val/top1 or one of
            `learner.metrics`; null is val/top1, and of a search its first objective of that split.
        profile: Whether `train` says where the time of some steps goes, and leaves a trace of them.
    """

    seed: int = 42
    num_epochs: int = key(80, takes=_FROM_1, holds=at_least(1))
    batch_size_per_gpu: int = key(128, takes=_FROM_1, holds=at_least(1), sesemi_name="batch_size_per_device")
    gpus: float = key(
        1.0,
        takes="0, a fraction (several trials share a GPU) or 1; a search runs trials on several GPUs at once, one on "
        "each",
        holds=lambda v: 0 <= v <= 1,
        effect=Effect.machine,
        is_shared=True,
        sesemi_name="devices",
    )
    accelerator: Accelerator = key(Accelerator.auto, effect=Effect.machine, is_shared=True)
    precision: Precision = Precision.auto
    cuda_graph: CudaGraph = key(CudaGraph.auto, effect=Effect.none, is_shared=True, is_changeable=True)
    num_threads: int = key(1, takes=_FROM_1, holds=at_least(1), effect=Effect.machine, is_shared=True)
    num_workers: int = key(0, takes=_FROM_0, holds=at_least(0), effect=Effect.none, is_shared=True)
    prefetch_factor: int = key(2, takes=_FROM_1, holds=at_least(1), effect=Effect.none, is_shared=True)
    memory_share: float = key(
        0.25,  # a search holds them once while it loads and once for its workers: half the memory
        takes="a share of the available memory, between 0 and 1",
        holds=lambda v: 0 <= v <= 1,
        effect=Effect.none,
        is_shared=True,
    )
    gradient_clip_norm: float | None = key(None, takes="a positive number, or null for no clipping", holds=is_positive)
    id: str = key("default", takes=_NAME, holds=is_name, effect=Effect.none, is_shared=True)
    dir: str = key("./runs", takes=_FOLDER, holds=is_text, effect=Effect.none, is_shared=True)
    data_root: str = key("./data", takes=_FOLDER, holds=is_text, effect=Effect.none, is_shared=True)
    resume_from_checkpoint: str | None = key(None, takes=_FILE_OR_NULL, holds=is_text, is_shared=True)
    pretrained_checkpoint_path: str | None = key(None, takes=_FILE_OR_NULL, holds=is_text, is_shared=True)
    test: bool = key(True, effect=Effect.none, is_shared=True)
    # No trial opens the test split; it stays a part of a trial's identity, which stored searches have with it.
    test_checkpoint: TestCheckpoint = key(TestCheckpoint.best, effect=Effect.machine)
    best_metric: str | None = key(None, effect=Effect.none, is_shared=True)
    profile: bool = key(False, effect=Effect.none, is_shared=True)


@dataclass
class DataConfig:
    """The images, their splits and their shape. Every data YAML sets every key, so one replaces another whole.

    Attributes:
        source: `_target_` of the labelled images (see `sesemi_search.data.sources`), or of a map-style torch Dataset.
        test_source: `_target_` of the test images, where `source` is one that has no test split of its own.
        image_size: Height and width that the model gets, in pixels; null is what the backbone was made for.
        channels: Channels that the model gets; a single gray channel is repeated, colors become gray for one.
        val_size: Images of the training set held out for validation, a number or a share of them; null where the source
            has a validation split of its own.
        test_size: Images held out for the test, likewise.
        split_seed: Fixes which image goes into which split.
        train_fraction: Share of the training images to train with, in (0, 1]: the same ones for the same seed.
        mean: Mean of each channel, of pixel values in [0, 1]; null is what a pretrained backbone was trained with, else
            what the training images measure.
        std: Standard deviation of each channel, likewise.
        train_transforms: `_target_` nodes of random transforms of training images (see `sesemi_search.data.augment`),
            or null.
        class_weights: Weights of the classes in the loss: null, `balanced`, or a number for each class.
        skip_corrupt: Leaves out images that cannot be decoded, instead of refusing to start.
    """

    source: Any = key(MISSING, is_shared=True)
    test_source: Any = key(None, is_shared=True)
    image_size: int | None = key(MISSING, takes="a size in pixels, at least 1", holds=at_least(1), is_shared=True)
    channels: int = key(MISSING, takes=_FROM_1, holds=at_least(1), is_shared=True)
    val_size: int | float | None = key(MISSING, takes=_SIZE.format("validation"), holds=_is_size, is_shared=True)
    test_size: int | float | None = key(MISSING, takes=_SIZE.format("test"), holds=_is_size, is_shared=True)
    split_seed: int = key(MISSING, takes=_FROM_0, holds=at_least(0), is_shared=True)
    train_fraction: float = key(
        1.0, takes="a share of the training images, above 0 and at most 1", holds=lambda v: 0 < v <= 1, is_shared=True
    )
    mean: list[float] | None = key(MISSING, takes="a number for each channel", holds=is_numbers)
    std: list[float] | None = key(
        MISSING, takes="a positive number for each channel", holds=lambda v: is_numbers(v) and min(v, default=1) > 0
    )
    train_transforms: Any = None  # a list or null; where a mapping of a file meets a typed list, no key is named
    class_weights: Any = key(
        None,
        takes="null, balanced, or a positive number for each class",
        holds=lambda v: v == "balanced" or (is_numbers(v) and min(v, default=1) > 0),
    )
    skip_corrupt: bool = key(False, is_shared=True)


@dataclass
class EMAConfig:
    """Exponential moving average of the weights, used for evaluation.

    Attributes:
        decay: What the average keeps of itself at each step, in (0, 1); null for no average.
    """

    decay: float | None = key(None, takes="a number between 0 and 1, or null for no average", holds=lambda v: 0 < v < 1)


@dataclass
class ModelConfig:
    """A classifier.

    Attributes:
        backbone: `_target_` of the backbone: images (B, C, H, W) to features (B, D), `out_features` their number.
        head: `_target_` of the head: features (B, D) to logits (B, K).
        loss: `_target_` of the loss: logits (B, K) and labels (B,) to a scalar, the mean over the batch.
    """

    backbone: Any = MISSING
    head: Any = MISSING
    loss: Any = MISSING
    ema: EMAConfig = field(default_factory=EMAConfig)


@dataclass
class LRSchedulerConfig:
    """A learning-rate schedule.

    Attributes:
        scheduler: `_target_` of a torch schedule that steps without a metric; null keeps the rate constant.
        interval: Whether it steps after optimizer steps or after epochs.
        frequency: After how many of them, at least 1.
    """

    scheduler: Any = None
    interval: Interval = Interval.step
    frequency: int = key(1, takes=_FROM_1, holds=at_least(1))


@dataclass
class HParamsConfig:
    """What is learned and how.

    Attributes:
        num_classes: K, the classes of the labels 0 to K - 1, at least 2; where no config sets it, those that the source
            says it has, as a folder of images does.
        optimizer: `_target_` of a `torch.optim.Optimizer`.
    """

    num_classes: int = key(MISSING, takes="a whole number, at least 2", holds=at_least(2), is_shared=True)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: Any = MISSING
    lr_scheduler: LRSchedulerConfig = field(default_factory=LRSchedulerConfig)


@dataclass
class LearnerConfig:
    """Holder of the hyperparameters, as in SESEMI.

    Attributes:
        metrics: What is measured on the validation and the test split besides loss and top1: `NAME: true` for top5,
            balanced_accuracy, macro_f1, auroc and calibration_error, and under a name of its own the `_target_` of a
            `torchmetrics.Metric`, with `higher_is_better` where its class does not say that.
    """

    hparams: HParamsConfig = field(default_factory=HParamsConfig)
    metrics: dict[str, Any] = key(
        factory=dict,
        takes="a mapping, {macro_f1: true}",
        holds=lambda v: isinstance(v, Mapping),
        effect=Effect.none,
        is_shared=True,
    )


@dataclass
class ExperimentConfig:
    """One experiment: all that a training run needs."""

    run: RunConfig = field(default_factory=RunConfig)
    data: DataConfig = field(default_factory=DataConfig)
    learner: LearnerConfig = field(default_factory=LearnerConfig)


class TrackingKind(Enum):
    """Where runs are shown besides the terminal."""

    wandb = "wandb"
    none = "none"


class TrackingMode(Enum):
    """`auto` is what WANDB_MODE says, else online when an API key is found and offline otherwise."""

    auto = "auto"
    online = "online"
    offline = "offline"


@dataclass
class TrackingConfig:
    """Weights & Biases, or nothing.

    Attributes:
        kind: `wandb` or `none`.
        project: W&B project; where no config sets it, that of the variable WANDB_PROJECT, else `sesemi-search`.
        entity: W&B user or team; where no config sets it, that of WANDB_ENTITY, else the key's own.
        mode: Online, offline, or whichever the key and WANDB_MODE allow.
        init_timeout_s: Seconds a server gets to answer before the search goes on offline.
        finish_timeout_s: Seconds that the end of a run waits for uploads.
        log_model: Whether the checkpoint of a search's best trial is uploaded, as a model with the alias `best`.
    """

    kind: TrackingKind = TrackingKind.wandb
    project: str | None = key(None, takes=_TEXT_OR_NULL, holds=is_text)
    entity: str | None = key(None, takes=_TEXT_OR_NULL, holds=is_text)
    mode: TrackingMode = TrackingMode.auto
    init_timeout_s: float = key(10.0, takes="a positive number of seconds", holds=is_positive)
    finish_timeout_s: float = key(30.0, takes="a positive number of seconds", holds=is_positive)
    log_model: bool = True


@dataclass
class ConstraintsConfig:
    """Limits on the model that a trial may have; null is none. What exceeds them is never trained.

    Attributes:
        max_params: Most parameters, at least 1.
        max_flops: Most floating-point operations of a forward pass of one image, at least 1.
    """

    max_params: float | None = key(None, takes="a number of parameters, at least 1, or null", holds=at_least(1))
    max_flops: float | None = key(None, takes="a number of operations, at least 1, or null", holds=at_least(1))


@dataclass
class SearchConfig:
    """How a space is searched.

    Attributes:
        name: Name of the space.
        study: Name of the Optuna study and of the W&B group; null makes one up, unique to the search.
        num_trials: Trials to finish, at least 1.
        metric: What to optimize, as a trial reports it; a list of several, the first of which the pruner judges by.
        mode: `max` or `min`, whether more or less of it is better, a list for several; null is what the metric says.
        best_within: Of several objectives: how much worse than the best a trial may be in the first, at most, to be
            taken as the best for being better in the next.
        max_concurrent: Most trials at once; null takes what the machine holds.
        seed: Seeds the sampler.
        dir: The search directory; null is `<project>/runs/<name>/<timestamp>`.
        sampler: `_target_` of an Optuna sampler.
        pruner: `_target_` of an Optuna pruner.
        storage: An Optuna storage URL in place of the journal in the search directory.
        max_attempts: Workers, or nodes, that a trial may lose before it is given up.
        keep_checkpoints: Best trials whose checkpoints stay after the search.
        warm_start: Directories of earlier searches, whose trials the sampler is to know.
        enqueue: Configs to try first: values by short or full name of the parameter; what is not given is sampled.
        skip_bad_branches: Whether branches that the check finds bad are left out; otherwise a search does not start.
        baseline: Whether the experiment's own config is tried before all others, if it lies inside the space.
        constraints: Limits on the model of a trial.
        time_budget: Most wall time, all sittings together: `2h`, `1h30m`, seconds; null is no limit.
        epoch_timeout: Most wall time of one epoch of a trial, the start of its worker included, as `30m`: a trial that
            takes longer is `timed_out` and its worker ended; null waits for ever.
        stop_grace: Least time that a trial has to end its epoch once the search stops (Ctrl-C, a spent budget), before
            its worker is ended and it is left to be resumed. It has twice its longest epoch where that is more.
        compute_budget: Most GPU-hours of training (core-hours on the CPU), all trials together; null is no limit.
    """

    name: str = key(MISSING, takes=_NAME, holds=is_name)
    study: str | None = key(None, takes=f"{_NAME}, or null", holds=is_name)
    num_trials: int = key(50, takes=_FROM_1, holds=at_least(1), is_changeable=True)
    metric: Any = "val/top1"
    mode: Any = None
    best_within: float = key(0.0, takes="a number of at least 0, in the unit of the first metric", holds=at_least(0))
    max_concurrent: int | None = key(
        None,
        takes="a whole number, at least 1, or null for all that the machine holds",
        holds=at_least(1),
        is_changeable=True,
    )
    seed: int = 0
    dir: str | None = key(None, takes=f"{_FOLDER}, or null", holds=is_text)
    sampler: Any = MISSING
    pruner: Any = MISSING
    storage: str | None = key(None, takes=_TEXT_OR_NULL, holds=is_text)
    max_attempts: int = key(3, takes=_FROM_1, holds=at_least(1), is_changeable=True)
    keep_checkpoints: int = key(3, takes=_FROM_0, holds=at_least(0), is_changeable=True)
    warm_start: list[str] = key(
        factory=list, takes="a list of search directories", holds=lambda v: all(is_text(x) for x in v)
    )
    enqueue: list[dict[str, Any]] = field(default_factory=list)
    skip_bad_branches: bool = False
    baseline: bool = True
    constraints: ConstraintsConfig = field(default_factory=ConstraintsConfig)
    time_budget: str | None = key(None, is_changeable=True)
    epoch_timeout: str | None = key(None, is_changeable=True)
    stop_grace: str = key("1m", is_changeable=True)
    compute_budget: float | None = key(
        None,
        takes="a positive number of GPU-hours (core-hours on the CPU), or null",
        holds=is_positive,
        is_changeable=True,
    )


@dataclass
class RayConfig:
    """The Ray to run on.

    Attributes:
        address: `local` starts one, `auto` or `ray://host:port` joins a cluster.
    """

    address: str = key("local", takes="local, auto or ray://host:port", holds=is_text)


@dataclass
class FinalConfig:
    """The final run that ends a search (`final DIR`).

    Attributes:
        auto: Whether `run` and `resume` go on with the final run once the search is finished.
        trial: The only trial of the search to train again, which is then taken whatever comes of it; null for the best.
        top_k: Best configs of the search that are trained again over fresh seeds, besides the experiment's own.
        num_seeds: Seeds of the last of them, of which half choose and half measure, at least 2.
        num_models: Models that the winner is trained to on train and validation images, each from a seed of its own.
    """

    auto: bool = False
    trial: int | None = key(None, takes="the number of a trial, or null", holds=at_least(0))
    top_k: int = key(4, takes=_FROM_1, holds=at_least(1))
    num_seeds: int = key(5, takes="a whole number, at least 2", holds=at_least(2))
    num_models: int = key(1, takes=_FROM_1, holds=at_least(1))


@dataclass
class RunExperimentConfig(ExperimentConfig):
    """What `sesemi-search train` composes."""

    tracking: TrackingConfig = key(factory=TrackingConfig, is_changeable=True)


@dataclass
class SearchExperimentConfig(RunExperimentConfig):
    """What `sesemi-search run` composes.

    Attributes:
        space: The search space, chosen by `space=NAME` and changed by `space.PATH=VALUE`; it stays as it was
            written, for `sesemi_search.space` to parse.
    """

    search: SearchConfig = field(default_factory=SearchConfig)
    ray: RayConfig = key(factory=RayConfig, is_changeable=True)
    final: FinalConfig = key(factory=FinalConfig, is_changeable=True)
    space: Any = MISSING
