"""One contract for every head, the tutorial's included, and what each head is by itself."""

import inspect
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from sesemi_search.config.targets import instantiate
from sesemi_search.models import heads
from tests.models.contract import check_module

BATCH, FEATURES, CLASSES = 4, 12, 10
OURS = "sesemi_search.models.heads."
HEADS = {
    "linear": {"_target_": OURS + "LinearHead"},
    "linear-dropout": {"_target_": OURS + "LinearHead", "dropout": 0.5},
    "mlp": {"_target_": OURS + "MLPHead", "depth": 2, "width": 7, "dropout": 0.5, "activation": "gelu"},
    "mlp-of-no-hidden-layer": {"_target_": OURS + "MLPHead", "depth": 0},
    "cosine": {"_target_": OURS + "CosineHead"},
    "scaled-cosine": {"_target_": OURS + "ScaledCosineHead", "scale": 4.0},
    "scaled-cosine-learned": {"_target_": OURS + "ScaledCosineHead", "learnable": True},
    "arcface": {"_target_": OURS + "ArcFaceHead"},
    "prototype": {"_target_": OURS + "PrototypeHead", "temperature": 3.0},
    "tutorial-cosine": {"_target_": "sesemi_tutorials.models.CosineSimilarityHead"},
}
TAKING_LABELS = {name: node for name, node in HEADS.items() if name == "arcface"}
LABELS = torch.tensor([3, 0, 9, 3])


def build(name: str, **arguments: Any) -> nn.Module:
    torch.manual_seed(0)
    return instantiate({**HEADS[name], **arguments}, "head", in_features=FEATURES, out_features=CLASSES)


def test_every_head_of_the_library_is_here() -> None:
    tested = {node["_target_"].split(".")[-1] for node in HEADS.values()}
    assert set(heads.__all__) - {"Head"} <= tested
    taking = {name for name in heads.__all__ if getattr(heads, name).takes_labels}
    assert taking == {node["_target_"].split(".")[-1] for node in TAKING_LABELS.values()}


@pytest.mark.parametrize("name", HEADS)
def test_head_keeps_the_contract(name: str) -> None:
    head = build(name)
    assert (head.in_features, head.out_features) == (FEATURES, CLASSES)
    torch.manual_seed(1)
    check_module(lambda: build(name), torch.randn(BATCH, FEATURES), CLASSES)


@pytest.mark.parametrize("name", HEADS)
def test_head_takes_features_that_are_all_zero(name: str) -> None:
    # ReLU features of a dead layer.
    head, features = build(name), torch.zeros(BATCH, FEATURES, requires_grad=True)
    given = (LABELS,) if name in TAKING_LABELS else ()
    loss = functional.cross_entropy(head(features, *given), LABELS)
    loss.backward()
    assert loss.isfinite()
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_head_takes_long_features_in_half_precision(name: str, dtype: torch.dtype) -> None:
    features = torch.full((BATCH, FEATURES), 300.0, dtype=dtype)
    with torch.autocast("cpu", dtype):
        assert build(name).eval()(features).isfinite().all()


@pytest.mark.parametrize("name", ["cosine", "scaled-cosine", "arcface", "prototype"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_angles_and_distances_are_computed_in_float32_under_autocast(name: str, dtype: torch.dtype) -> None:
    head = build(name)
    features = torch.randn(BATCH, FEATURES).to(dtype)
    given = (LABELS,) if name in TAKING_LABELS else ()
    with torch.autocast("cpu", dtype):
        logits = head(features, *given)
    assert logits.dtype == torch.float32
    assert torch.equal(logits, head(features.float(), *given))


@pytest.mark.parametrize("name", TAKING_LABELS)
def test_head_that_takes_labels_keeps_the_contract_with_them(name: str) -> None:
    head, features = build(name), torch.randn(BATCH, FEATURES)
    parameters = inspect.signature(head.forward).parameters
    assert list(parameters) == ["features", "labels"]
    assert parameters["labels"].default is None
    with_labels, without = head(features, LABELS), head(features)
    assert with_labels.shape == without.shape == (BATCH, CLASSES)
    functional.cross_entropy(with_labels, LABELS).backward()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())
    with torch.device("meta"):
        outputs = build(name)(torch.empty(BATCH, FEATURES), torch.zeros(BATCH, dtype=torch.int64))
        assert outputs.shape == (BATCH, CLASSES)
    with torch.autocast("cpu", torch.bfloat16):
        assert head(features, LABELS).isfinite().all()


def test_scaled_cosine_logits_lie_within_the_scale() -> None:
    logits = build("scaled-cosine", scale=4.0)(100 * torch.randn(64, FEATURES))
    assert logits.abs().max() <= 4.0 + 1e-5
    assert logits.abs().max() > 1.0


@pytest.mark.parametrize("ours", ["cosine", "scaled-cosine", "arcface"])
def test_cosine_of_scale_one_is_the_tutorials_head(ours: str) -> None:
    head = build(ours, **({} if ours == "cosine" else {"scale": 1.0}))
    features = torch.randn(BATCH, FEATURES)
    torch.testing.assert_close(head(features), build("tutorial-cosine")(features))


@pytest.mark.parametrize("learnable", [True, False])
def test_scale_is_trained_only_when_learnable(learnable: bool) -> None:
    head = build("scaled-cosine", learnable=learnable)
    assert head.log_scale.requires_grad is learnable
    torch.testing.assert_close(head.log_scale.exp().item(), 4.0)


def test_frozen_linear_head_does_not_train() -> None:
    assert not any(parameter.requires_grad for parameter in build("linear", freeze=True).parameters())


def test_dropout_acts_in_training_only() -> None:
    head, features = build("linear", dropout=1.0), torch.randn(BATCH, FEATURES)
    assert torch.equal(head.train()(features), head.linear.bias.expand(BATCH, CLASSES))
    assert torch.equal(head.eval()(features), head.linear(features))


@pytest.mark.parametrize(("depth", "params"), [(0, 12 * 10 + 10), (1, 13 * 7 + 8 * 10), (3, 13 * 7 + 2 * 8 * 7 + 80)])
def test_mlp_has_depth_hidden_layers(depth: int, params: int) -> None:
    head = build("mlp", depth=depth, activation="relu")
    assert sum(parameter.numel() for parameter in head.parameters()) == params
    assert sum(isinstance(module, nn.ReLU) for module in head.modules()) == depth


def test_prototype_logits_are_squared_distances() -> None:
    head, features = build("prototype", temperature=2.0), torch.randn(BATCH, FEATURES)
    expected = -(features[:, None] - head.prototypes[None]).square().sum(dim=-1) / 2
    torch.testing.assert_close(head(features), expected)
    at_prototype = head(head.prototypes[4:5])
    assert at_prototype.argmax().item() == 4
    assert abs(at_prototype[0, 4].item()) < 1e-5


@pytest.mark.parametrize("degrees", [0.01, 30, 90, 150, 160, 175])
def test_arcface_adds_the_margin_to_the_angle_of_the_true_class(degrees: float) -> None:
    head = build("arcface", scale=8.0, margin=0.5)
    angle = math.radians(degrees)
    with torch.no_grad():
        head.weight.zero_()[:, 2] = 1.0
        head.weight[3] = torch.eye(FEATURES)[0]
    features = torch.zeros(1, FEATURES)
    features[0, 0], features[0, 1] = 5 * math.cos(angle), 5 * math.sin(angle)
    bare, logits = head(features), head(features, torch.tensor([3]))
    others = [k for k in range(CLASSES) if k != 3]
    torch.testing.assert_close(logits[:, others], bare[:, others])
    if angle + 0.5 <= math.pi:
        assert logits[0, 3].item() == pytest.approx(8 * math.cos(angle + 0.5), abs=1e-2)
    assert logits[0, 3] < bare[0, 3]


def test_arcface_of_the_true_class_falls_with_the_angle_even_past_pi() -> None:
    head = build("arcface", margin=0.5)
    with torch.no_grad():
        head.weight[3] = torch.eye(FEATURES)[0]
    angles = torch.linspace(0.0, math.pi, 200)
    features = torch.zeros(200, FEATURES)
    features[:, 0], features[:, 1] = angles.cos(), angles.sin()
    logits = head(features, torch.full((200,), 3))[:, 3]
    assert (logits.diff() < 1e-4).all()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        *[("scaled-cosine", {"scale": scale}, "scale=") for scale in (0.0, -1.0, math.nan, math.inf)],
        ("arcface", {"scale": 0}, "scale=0; it takes a finite number above 0"),
        ("arcface", {"margin": -0.1}, "margin=-0.1; it takes an angle"),
        ("arcface", {"margin": 2}, "margin=2"),
        ("prototype", {"temperature": 0}, "temperature=0; it takes a finite number above 0"),
        ("mlp", {"depth": -1}, "depth=-1"),
        ("mlp", {"width": 0}, "width=0"),
        ("mlp", {"activation": "rellu"}, "activation='rellu'; it takes relu, gelu, silu, tanh. Did you mean 'relu'?"),
        ("mlp", {"dropout": 1.5}, "dropout probability"),
    ],
)
def test_head_refuses_an_argument_outside_its_range(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        build(name, **arguments)
    assert message in str(raised.value)
