"""Residual networks for small images: the CIFAR ResNet and the Wide ResNet. Both take images of any size.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2, arXiv:1512.03385;
Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016, arXiv:1605.07146.
"""

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional

from sesemi_search.errors import ArgumentError
from sesemi_search.models.backbones.base import Backbone

__all__ = ["WRN", "CIFARResNet"]


class CIFARResNet(Backbone):
    """The 6n+2 layers of the paper (the last one is the head's), with shortcuts that have no parameters.

    Args:
        n: Residual blocks in each of the three stages, at least 1; 3 is ResNet-20, 18 ResNet-110.
        width: Channels of the first stage, at least 1, 16 in the paper; the others have two and four times as many.
        drop_rate: Share of the features that are zeroed in training, in [0, 1].
        in_channels: C of the images.

    Raises:
        ValueError: An argument lies outside its range.
    """

    def __init__(self, n: int = 18, width: int = 16, drop_rate: float = 0.0, in_channels: int = 3) -> None:
        super().__init__()
        if n < 1 or width < 1:
            raise ArgumentError("n", f"{n=}, {width=}; both take 1 or more")
        self.out_features = 4 * width
        self.layers = nn.Sequential(
            _conv3x3(in_channels, width),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            *(_BasicBlock(*shape) for shape in _block_shapes(width, [width, 2 * width, 4 * width], n)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(drop_rate),
        )
        _initialize(self)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) to features (B, D)."""
        features: Tensor = self.layers(images)
        return features


class WRN(Backbone):
    """The Wide ResNet WRN-depth-k: normalization and activation before each convolution, and k times the channels.

    Args:
        depth: Layers as the paper counts them: 6 a block in each stage, and 4; at least 10.
        k: Factor of the channels 16, 32 and 64 of the three stages, at least 1.
        drop_rate: Share of the activations between the two convolutions of a block that are zeroed in training, in
            [0, 1].
        in_channels: C of the images.

    Raises:
        ValueError: An argument lies outside its range.
    """

    def __init__(self, depth: int = 28, k: int = 10, drop_rate: float = 0.0, in_channels: int = 3) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise ArgumentError(
                "depth", f"{depth=}; it takes 6n + 4, as 10, 16, 22 or 28, so that each stage gets n whole blocks"
            )
        if k < 1:
            raise ArgumentError("k", f"{k=}; it takes 1 or more")
        self.out_features = 64 * k
        shapes = _block_shapes(16, [16 * k, 32 * k, 64 * k], (depth - 4) // 6)
        self.layers = nn.Sequential(
            _conv3x3(in_channels, 16),
            *(_PreActivationBlock(*shape, drop_rate) for shape in shapes),
            nn.BatchNorm2d(64 * k),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        _initialize(self)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) to features (B, D)."""
        features: Tensor = self.layers(images)
        return features


class _BasicBlock(nn.Module):
    """Two convolutions around a shortcut that drops every other pixel and adds channels of zeros (option A)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _conv3x3(inputs, outputs, stride),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            _conv3x3(outputs, outputs),
            nn.BatchNorm2d(outputs),
        )
        self.stride = stride
        self.added_channels = outputs - inputs

    def forward(self, inputs: Tensor) -> Tensor:
        shortcut = inputs[:, :, :: self.stride, :: self.stride]
        shortcut = functional.pad(shortcut, (0, 0, 0, 0, 0, self.added_channels))
        return functional.relu(shortcut + self.layers(inputs))


class _PreActivationBlock(nn.Module):
    """Two convolutions, each behind its normalization; the shortcut is a 1x1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, drop_rate: float) -> None:
        super().__init__()
        self.activate = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU())
        self.layers = nn.Sequential(
            _conv3x3(inputs, outputs, stride),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Dropout(drop_rate),
            _conv3x3(outputs, outputs),
        )
        is_same = inputs == outputs and stride == 1
        self.project = None if is_same else nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        activated = self.activate(inputs)
        shortcut = inputs if self.project is None else self.project(activated)
        outputs: Tensor = shortcut + self.layers(activated)
        return outputs


def _block_shapes(inputs: int, stages: list[int], num_blocks: int) -> Iterator[tuple[int, int, int]]:
    """Yields input channels, output channels and stride of each block; every stage but the first halves the image."""
    for stage, channels in enumerate(stages):
        for block in range(num_blocks):
            yield inputs, channels, 2 if stage and not block else 1
            inputs = channels


def _conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)


def _initialize(model: nn.Module) -> None:
    """Initializes convolutions as both papers do: He et al., 2015, arXiv:1502.01852."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
