"""One contract for every backbone and one for every head, the tutorial's included."""

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sesemi_search.config.targets import instantiate

BATCH, FEATURES, CLASSES = 4, 12, 10
HEADS = {
    "linear": {"_target_": "sesemi_search.models.heads.LinearHead"},
    "linear-dropout": {"_target_": "sesemi_search.models.heads.LinearHead", "dropout": 0.5},
    "scaled-cosine": {"_target_": "sesemi_search.models.heads.ScaledCosineHead", "scale": 4.0},
    "scaled-cosine-learned": {"_target_": "sesemi_search.models.heads.ScaledCosineHead", "learnable": True},
    "tutorial-cosine": {"_target_": "sesemi_tutorials.models.CosineSimilarityHead"},
}
BACKBONES = {
    "tutorial-lenet5": {"_target_": "sesemi_tutorials.models.LeNet5"},
    "tutorial-lenet5-narrow": {"_target_": "sesemi_tutorials.models.LeNet5", "out_features": 1},
}


@pytest.fixture(params=HEADS)
def head_node(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(HEADS[request.param])


@pytest.fixture(params=BACKBONES)
def backbone_node(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(BACKBONES[request.param])


def build_head(node: dict[str, Any]) -> nn.Module:
    torch.manual_seed(0)
    return instantiate(node, "head", in_features=FEATURES, out_features=CLASSES)


def build_backbone(node: dict[str, Any]) -> nn.Module:
    torch.manual_seed(0)
    return instantiate(node, "backbone")


def check_module(module: nn.Module, rebuilt: nn.Module, inputs: Tensor, width: int) -> None:
    """Holds a module to what training, the pre-flight and checkpoints need of it."""
    outputs = module(inputs)
    assert outputs.shape == (BATCH, width)
    assert outputs.dtype == torch.float32
    outputs.square().sum().backward()
    assert all(p.grad is not None for p in module.parameters() if p.requires_grad)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    rebuilt.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(module.eval()(inputs), rebuilt.eval()(inputs))


def test_head_keeps_the_contract(head_node: dict[str, Any]) -> None:
    head = build_head(head_node)
    assert (head.in_features, head.out_features) == (FEATURES, CLASSES)
    check_module(
        head,
        instantiate(head_node, "head", in_features=FEATURES, out_features=CLASSES),
        torch.randn(BATCH, FEATURES),
        CLASSES,
    )


def test_backbone_keeps_the_contract(backbone_node: dict[str, Any]) -> None:
    backbone = build_backbone(backbone_node)
    assert isinstance(backbone.out_features, int)
    check_module(backbone, instantiate(backbone_node, "backbone"), torch.randn(BATCH, 3, 32, 32), backbone.out_features)


def test_head_builds_and_runs_on_meta(head_node: dict[str, Any]) -> None:
    with torch.device("meta"):
        assert build_head(head_node)(torch.empty(BATCH, FEATURES)).shape == (BATCH, CLASSES)


def test_backbone_builds_and_runs_on_meta(backbone_node: dict[str, Any]) -> None:
    with torch.device("meta"):
        backbone = build_backbone(backbone_node)
        assert backbone(torch.empty(BATCH, 3, 32, 32)).shape == (BATCH, backbone.out_features)


def test_same_seed_gives_the_same_head(head_node: dict[str, Any]) -> None:
    first, second = build_head(head_node).state_dict(), build_head(head_node).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_scaled_cosine_logits_lie_within_the_scale() -> None:
    logits = build_head({**HEADS["scaled-cosine"], "scale": 4.0})(100 * torch.randn(64, FEATURES))
    assert logits.abs().max() <= 4.0 + 1e-5
    assert logits.abs().max() > 1.0


def test_scaled_cosine_of_scale_one_is_the_tutorials_head() -> None:
    scaled, tutorial = build_head({**HEADS["scaled-cosine"], "scale": 1.0}), build_head(HEADS["tutorial-cosine"])
    features = torch.randn(BATCH, FEATURES)
    torch.testing.assert_close(scaled(features), tutorial(features))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scaled_cosine_refuses_a_scale_that_is_not_above_zero(scale: float) -> None:
    with pytest.raises(ValueError, match="scale="):
        build_head({**HEADS["scaled-cosine"], "scale": scale})


@pytest.mark.parametrize("learnable", [True, False])
def test_scale_is_trained_only_when_learnable(learnable: bool) -> None:
    head = build_head({**HEADS["scaled-cosine"], "learnable": learnable})
    assert head.log_scale.requires_grad is learnable
    torch.testing.assert_close(head.log_scale.exp().item(), 4.0)


def test_frozen_linear_head_does_not_train() -> None:
    head = build_head({**HEADS["linear"], "freeze": True})
    assert not any(parameter.requires_grad for parameter in head.parameters())


def test_dropout_acts_in_training_only() -> None:
    head = build_head({**HEADS["linear"], "dropout": 1.0})
    features = torch.randn(BATCH, FEATURES)
    assert torch.equal(head.train()(features), head.linear.bias.expand(BATCH, CLASSES))
    assert torch.equal(head.eval()(features), head.linear(features))
