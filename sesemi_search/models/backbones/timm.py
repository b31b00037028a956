"""Any model of timm (Wightman, "PyTorch Image Models", github.com/huggingface/pytorch-image-models) as a backbone.

timm is imported when one is built, never before: it takes seconds.
"""

import logging
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sesemi_search.errors import ArgumentError, suggest
from sesemi_search.models.backbones.published import PublishedBackbone, check_beginning, load_file, loading_error
from sesemi_search.models.expected_input import ExpectedInput
from sesemi_search.models.weights import weights_wanted

__all__ = ["PyTorchImageModel", "TimmBackbone"]


class TimmBackbone(PublishedBackbone):
    """A model of timm without its classifier.

    An argument that is None leaves the model its own default; one that the model does not take is an error.

    Args:
        name: Name of the model, with or without the tag of its weights: `resnet10t`, `resnet10t.c3_in1k`.
        pretrained: Loads the published weights; timm downloads them to its cache when they are not there.
        global_pool: How the feature map becomes features: `avg`, `max`, `avgmax`, `catavgmax`, `token`.
        drop_rate: Share of the features that are zeroed in training, in [0, 1].
        drop_path_rate: Share of the residual branches that are left out in training, in [0, 1].
        freeze: Keeps the weights, and the statistics of batch norm, as they are; dropout is off.
        in_channels: C of the images.
        image_size: H and W of the images. Models that are made for one size are made for this one.
        checkpoint: Absolute path of weights to begin with in place of the published ones; a classifier in them is
            passed over, everything else must fit.

    Raises:
        ValueError: An argument is not one that the model takes.
        ConfigError: The weights cannot be had, or do not fit.
    """

    channels_help = "set its in_channels to ${data.channels}, or data.channels=3, which repeats a gray channel"

    def __init__(
        self,
        name: str = "resnet50d",
        pretrained: bool = False,
        global_pool: str | None = None,
        drop_rate: float | None = None,
        drop_path_rate: float | None = None,
        freeze: bool = False,
        in_channels: int = 3,
        image_size: int | None = None,
        checkpoint: str | None = None,
    ) -> None:
        config = _pretrained_config(name)
        check_beginning(pretrained, checkpoint)
        if pretrained and not (config.url or config.hf_hub_id or config.file):
            raise ArgumentError("name", f"{name=} has no published weights; it takes pretrained=False")
        arguments = {"drop_rate": drop_rate, "drop_path_rate": drop_path_rate}
        arguments["in_chans"] = None if in_channels == config.input_size[0] else in_channels
        arguments["img_size"] = image_size if config.fixed_input_size else None
        encoder = _build(name, pretrained and weights_wanted(), arguments)
        _take_classifier_off(encoder, name, global_pool)
        if checkpoint is not None:
            classifier = config.classifier or ()
            load_file(encoder, name, checkpoint, (classifier,) if isinstance(classifier, str) else classifier)
        super().__init__(encoder, in_channels, image_size or config.input_size[-1], freeze)

    @staticmethod
    def expected_input(name: str) -> ExpectedInput:
        """Returns what the published weights of a model were trained on."""
        config = _pretrained_config(name)
        return ExpectedInput(tuple(config.mean), tuple(config.std), config.input_size[-1])


PyTorchImageModel = TimmBackbone  # SESEMI's name


def _pretrained_config(name: str) -> Any:
    """Returns timm's description of a model and its weights.

    Raises:
        ArgumentError: There is no such model, or no such tag of it.
    """
    import timm

    if prefix := re.match(r"(hf[-_]hub:)?timm/", name):
        raise ArgumentError("name", f"{name=}; it takes timm's own names: write name: {name[prefix.end() :]}")
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = suggest(architecture, timm.list_models())
        raise ArgumentError("name", f"{name=}; timm {timm.__version__} has no such model.{near}")
    tags = [tagged.partition(".")[2] for tagged in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise ArgumentError(
            "name", f"{name=}; the weights of {architecture} are {', '.join(tags) or 'none'}.{suggest(tag, tags)}"
        )
    return timm.get_pretrained_cfg(name, allow_unregistered=False)


def _build(name: str, pretrained: bool, arguments: dict[str, Any]) -> nn.Module:
    """Builds a model, its classifier included: only with it does timm want every published weight to fit."""
    import timm

    if pretrained:
        # The client of the hub warns at each of its twelve attempts; what came of them is said once, below.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        return timm.create_model(name, pretrained=pretrained, **arguments)
    except TypeError as error:
        refused = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if refused is None:
            raise
        ours = {"in_chans": "in_channels", "img_size": "image_size"}.get(refused[1], refused[1])
        raise ValueError(f"{name} takes no {ours}; leave it out, or set it to null") from error
    except Exception as error:  # of the network, of the hub's client, of torch where weights do not fit
        if not pretrained:
            raise
        raise loading_error(name, error, _remedy(name)) from error


def _take_classifier_off(model: nn.Module, name: str, global_pool: str | None) -> None:
    pool = {} if global_pool is None else {"global_pool": global_pool}
    try:
        model.reset_classifier(0, **pool)  # type: ignore[operator]
    except (AssertionError, TypeError, ValueError) as error:
        raise ValueError(f"{name} does not take {global_pool=} ({error})") from error


def _remedy(name: str) -> str:
    """Says where published weights are looked for, and how to put them there."""
    from huggingface_hub.constants import HF_HUB_CACHE

    config = _pretrained_config(name)
    if config.hf_hub_id:
        folder = Path(HF_HUB_CACHE) / f"models--{config.hf_hub_id.replace('/', '--')}"
        return f"`hf download {config.hf_hub_id}` on a machine with network makes {folder}, to be copied here"
    return f"{config.url} belongs into {Path(torch.hub.get_dir()) / 'checkpoints'}"
