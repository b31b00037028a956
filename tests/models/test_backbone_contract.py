"""One contract for every backbone, the tutorial's included, and what each backbone is by itself."""

from typing import Any

import pytest
import torch
from torch import nn

from sesemi_search.config.targets import instantiate
from sesemi_search.errors import ConfigError
from sesemi_search.models import backbones
from tests.models.contract import check_module

OURS = "sesemi_search.models.backbones."
BACKBONES: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "lenet5": ({"_target_": OURS + "LeNet5"}, (3, 32)),
    "lenet5-gray-28": ({"_target_": OURS + "LeNet5", "in_channels": 1, "image_size": 28, "out_features": 5}, (1, 28)),
    "cifar-resnet": ({"_target_": OURS + "CIFARResNet", "n": 1, "width": 4}, (3, 32)),
    "cifar-resnet-gray-odd": (
        {"_target_": OURS + "CIFARResNet", "n": 2, "width": 3, "in_channels": 1, "drop_rate": 0.5},
        (1, 13),
    ),
    "wrn": ({"_target_": OURS + "WRN", "depth": 16, "k": 1, "drop_rate": 0.3}, (3, 16)),
    "wrn-gray-odd": ({"_target_": OURS + "WRN", "depth": 10, "k": 2, "in_channels": 1}, (1, 13)),
    "vit": ({"_target_": OURS + "ViT", "dim": 24, "depth": 2, "dropout": 0.1}, (3, 32)),
    "vit-gray": (
        {"_target_": OURS + "ViT", "dim": 8, "depth": 1, "num_heads": 2, "in_channels": 1}
        | {"image_size": 28, "patch_size": 7, "mlp_ratio": 0.5},
        (1, 28),
    ),
    "mlp": ({"_target_": OURS + "MLP", "dropout": 0.2}, (3, 32)),
    "mlp-gray": ({"_target_": OURS + "MLP", "depth": 1, "width": 3, "in_channels": 1, "image_size": 8}, (1, 8)),
    "timm": ({"_target_": OURS + "TimmBackbone", "name": "test_resnet", "global_pool": "catavgmax"}, (3, 32)),
    "timm-gray": (
        {"_target_": OURS + "TimmBackbone", "name": "test_vit", "in_channels": 1, "image_size": 64},
        (1, 64),
    ),
    "torchvision": ({"_target_": OURS + "TorchVisionBackbone", "name": "squeezenet1_1", "drop_rate": 0.5}, (3, 32)),
    "tutorial-lenet5": ({"_target_": "sesemi_tutorials.models.LeNet5"}, (3, 32)),
    "tutorial-lenet5-narrow": ({"_target_": "sesemi_tutorials.models.LeNet5", "out_features": 1}, (3, 32)),
}

# Families and the smallest image, in pixels, that each is made for or that keeps a feature map to normalize.
TIMM_FAMILIES = {
    **{"resnet10t": 64, "mobilenetv3_small_100": 64, "efficientnet_b0": 64, "convnext_atto": 64, "regnetx_002": 64},
    **{"densenet121": 64, "vit_tiny_patch16_224": 64, "swin_tiny_patch4_window7_224": 224, "mixer_s32_224": 224},
    **{"xcit_nano_12_p16_224": 64, "levit_128s": 224, "inception_v3": 96, "ghostnet_100": 64, "vgg11": 64},
}
TORCHVISION_FAMILIES = {
    **{"resnet18": 64, "mobilenet_v3_small": 64, "efficientnet_b0": 64, "convnext_tiny": 64, "densenet121": 64},
    **{"vit_b_32": 224, "swin_t": 64, "googlenet": 64, "inception_v3": 96, "squeezenet1_1": 64, "mnasnet0_5": 64},
    **{"shufflenet_v2_x0_5": 64, "vgg11": 64, "maxvit_t": 224},
}


def build(target: str, **arguments: Any) -> nn.Module:
    torch.manual_seed(0)
    return instantiate({"_target_": OURS + target, **arguments}, "backbone")


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_every_backbone_of_the_library_is_here() -> None:
    tested = {node["_target_"].split(".")[-1] for node, _ in BACKBONES.values()}
    assert set(backbones.__all__) - {"Backbone"} <= tested


@pytest.mark.parametrize("name", BACKBONES)
def test_backbone_keeps_the_contract(name: str) -> None:
    node, (channels, size) = BACKBONES[name]
    features = instantiate(node, "backbone").out_features
    assert isinstance(features, int)
    torch.manual_seed(1)
    check_module(lambda: instantiate(node, "backbone"), torch.randn(4, channels, size, size), features)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), TIMM_FAMILIES.items())
def test_family_of_timm_keeps_the_contract(name: str, size: int) -> None:
    node = {"_target_": OURS + "TimmBackbone", "name": name, "image_size": size}
    features = instantiate(node, "backbone").out_features
    check_module(lambda: instantiate(node, "backbone"), torch.randn(3, 3, size, size), features)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), TORCHVISION_FAMILIES.items())
def test_family_of_torchvision_keeps_the_contract(name: str, size: int) -> None:
    node = {"_target_": OURS + "TorchVisionBackbone", "name": name}
    features = instantiate(node, "backbone").out_features
    check_module(lambda: instantiate(node, "backbone"), torch.randn(3, 3, size, size), features)


def test_regnets_of_torchvision_are_built_on_the_cpu_and_not_on_meta() -> None:
    # docs/models.md says so: their constructor computes the widths of the stages with tensors.
    assert build("TorchVisionBackbone", name="regnet_x_400mf").out_features == 400
    with torch.device("meta"), pytest.raises(ConfigError, match="Cannot copy out of meta tensor"):
        build("TorchVisionBackbone", name="regnet_x_400mf")


@pytest.mark.parametrize(
    ("build_backbone", "params"),
    [
        # He et al., table 6, less the 650 of its last layer; the paper rounds to 0.27M and 1.7M.
        (lambda: build("CIFARResNet", n=3), 269_722 - 650),
        (lambda: build("CIFARResNet", n=18), 1_727_962 - 650),
        # The tutorial's.
        (lambda: build("LeNet5"), 61_156),
    ],
)
def test_backbone_has_its_published_size(build_backbone: Any, params: int) -> None:
    with torch.device("meta"):
        assert count(build_backbone()) == params


@pytest.mark.parametrize(
    ("depth", "k", "millions"), [(40, 1, 0.6), (16, 4, 2.7), (40, 4, 8.9), (16, 8, 11.0), (28, 10, 36.5)]
)
def test_wrn_has_the_size_in_the_papers_tables(depth: int, k: int, millions: float) -> None:
    with torch.device("meta"):
        backbone = build("WRN", depth=depth, k=k)
    assert backbone.out_features == 64 * k
    with_head = count(backbone) + 64 * k * 10 + 10
    assert with_head / 1e6 == pytest.approx(millions, abs=0.1)


@pytest.mark.parametrize("target", ["CIFARResNet", "WRN"])
def test_residual_network_halves_the_image_twice(target: str) -> None:
    backbone = build(target, **({"n": 2, "width": 2} if target == "CIFARResNet" else {"depth": 10, "k": 1}))
    sizes = []
    for module in backbone.layers[1:]:
        if "Block" in type(module).__name__:
            module.register_forward_hook(lambda module, args, output: sizes.append(output.shape[-1]))
    backbone(torch.randn(2, 3, 32, 32))
    assert sizes == ([32, 32, 16, 16, 8, 8] if target == "CIFARResNet" else [32, 16, 8])


def test_vit_tells_positions_apart() -> None:
    backbone, images = build("ViT", dim=24, depth=1).eval(), torch.randn(1, 3, 32, 32)
    moved = images.roll(4, dims=-1)  # the same patches at other places
    assert not torch.allclose(backbone(images), backbone(moved), atol=1e-4)
    torch.nn.init.zeros_(backbone.positions)
    torch.testing.assert_close(backbone(images), backbone(moved))


def test_vit_mixes_patches() -> None:
    backbone, images = build("ViT", dim=24, depth=1).eval(), torch.randn(1, 3, 32, 32)
    changed = images.clone()
    changed[:, :, :4, :4] += 1
    outputs: list[torch.Tensor] = []
    backbone.blocks[0].register_forward_hook(lambda module, args, output: outputs.append(output))
    backbone(images), backbone(changed)
    assert (outputs[0][0, -1] != outputs[1][0, -1]).any()


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ("LeNet5", {"image_size": 12}, "image_size=12; it takes images of at least 13 pixels"),
        ("CIFARResNet", {"n": 0}, "n=0"),
        ("CIFARResNet", {"width": 0}, "width=0"),
        ("WRN", {"depth": 27}, "depth=27; it takes 6n + 4"),
        ("WRN", {"depth": 4}, "depth=4"),
        ("WRN", {"k": 0}, "k=0"),
        ("ViT", {"dim": 10}, "dim=10, num_heads=3; the number of heads divides dim"),
        ("ViT", {"patch_size": 5}, "image_size=32, patch_size=5; the size of a patch divides that of the image"),
        ("ViT", {"patch_size": 64}, "image_size=32, patch_size=64"),
        ("ViT", {"depth": 0}, "depth=0"),
        ("ViT", {"mlp_ratio": 0}, "mlp_ratio=0"),
        ("MLP", {"depth": 0}, "depth=0"),
        ("MLP", {"width": 0}, "width=0"),
    ],
)
def test_backbone_refuses_an_argument_outside_its_range(target: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        build(target, **arguments)
    assert message in str(raised.value)
