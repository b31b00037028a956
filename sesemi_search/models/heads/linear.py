"""Heads of fully connected layers, with dropout before each: one layer, or several with activations between them."""

from torch import Tensor, nn

from sesemi_search.errors import ArgumentError, suggest
from sesemi_search.models.heads.base import Head

__all__ = ["LinearHead", "MLPHead"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


class LinearHead(Head):
    """One fully connected layer.

    Args:
        in_features: D, the number of features of an image.
        out_features: K, the number of classes.
        dropout: Share of the features that are zeroed in training, in [0, 1].
        freeze: Keeps the layer at its initial weights.

    Raises:
        ValueError: `dropout` lies outside [0, 1].
    """

    def __init__(self, in_features: int, out_features: int, dropout: float = 0.0, freeze: bool = False) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(in_features, out_features).requires_grad_(not freeze)

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D) to logits (B, K)."""
        logits: Tensor = self.linear(self.dropout(features))
        return logits


class MLPHead(Head):
    """A multi-layer perceptron.

    Args:
        in_features: D, the number of features of an image.
        out_features: K, the number of classes.
        depth: Hidden layers, at least 0; with none it is a linear head.
        width: Features of a hidden layer, at least 1.
        dropout: Share of the features that are zeroed before each layer in training, in [0, 1].
        activation: `relu`, `gelu`, `silu` or `tanh`.

    Raises:
        ValueError: An argument lies outside its range.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        depth: int = 1,
        width: int = 256,
        dropout: float = 0.0,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if depth < 0 or width < 1:
            raise ArgumentError(
                "depth", f"{depth=}, {width=}; depth takes 0 or more hidden layers, width 1 or more features"
            )
        if activation not in _ACTIVATIONS:
            takes = ", ".join(_ACTIVATIONS)
            raise ArgumentError("activation", f"{activation=}; it takes {takes}.{suggest(activation, _ACTIVATIONS)}")
        self.in_features = in_features
        self.out_features = out_features
        self.layers = nn.Sequential()
        for inputs in [in_features, *[width] * depth][:depth]:
            self.layers.extend([nn.Dropout(dropout), nn.Linear(inputs, width), _ACTIVATIONS[activation]()])
        self.layers.extend([nn.Dropout(dropout), nn.Linear(width if depth else in_features, out_features)])

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D) to logits (B, K)."""
        logits: Tensor = self.layers(features)
        return logits
