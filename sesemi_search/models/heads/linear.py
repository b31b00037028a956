"""The linear head: a fully connected layer, with dropout before it."""

from torch import Tensor, nn

from sesemi_search.models.heads.base import Head

__all__ = ["LinearHead"]


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
