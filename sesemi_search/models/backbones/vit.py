"""A small Vision Transformer, trained from scratch.

Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, arXiv:2010.11929, without a class token: the features
are the mean over the patches, as in Beyer et al., "Better plain ViT baselines", 2022, arXiv:2205.01580.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sesemi_search.errors import ArgumentError
from sesemi_search.models.backbones.base import Backbone

__all__ = ["ViT"]


class ViT(Backbone):
    """A transformer encoder over the patches of an image, with learned positions.

    Args:
        image_size: H and W of the images.
        patch_size: Side of a patch in pixels; divides `image_size`.
        dim: D, features of a patch and of the image.
        depth: Encoder blocks, at least 1.
        num_heads: Attention heads; divides `dim`.
        mlp_ratio: Hidden features of a block's MLP, as a multiple of `dim`; above 0.
        dropout: Share of the features that are zeroed in training after the positions, the attention and the layers of
            the MLP, in [0, 1].
        in_channels: C of the images.

    Raises:
        ValueError: An argument lies outside its range.
    """

    def __init__(
        self,
        image_size: int = 32,
        patch_size: int = 4,
        dim: int = 192,
        depth: int = 6,
        num_heads: int = 3,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise ArgumentError(
                "image_size", f"{image_size=}, {patch_size=}; the size of a patch divides that of the image"
            )
        if dim % num_heads:
            raise ArgumentError(
                "dim", f"{dim=}, {num_heads=}; the number of heads divides dim, so that each gets as much of it"
            )
        if depth < 1 or round(mlp_ratio * dim) < 1:
            raise ArgumentError(
                "depth", f"{depth=}, {mlp_ratio=}; depth takes 1 or more blocks, mlp_ratio a number above 0"
            )
        self.out_features = dim
        self.patches = nn.Conv2d(in_channels, dim, kernel_size=patch_size, stride=patch_size)
        self.positions = nn.Parameter(torch.empty((image_size // patch_size) ** 2, dim))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.dropout = nn.Dropout(dropout)
        hidden = round(mlp_ratio * dim)
        self.blocks = nn.Sequential(*(_Block(dim, num_heads, hidden, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) to features (B, D)."""
        patches = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        features: Tensor = self.norm(self.blocks(self.dropout(patches))).mean(dim=1)
        return features


class _Block(nn.Module):
    """Attention between the patches, then an MLP on each: both behind a normalization and beside a shortcut."""

    def __init__(self, dim: int, num_heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(dim)
        self.queries_keys_values = nn.Linear(dim, 3 * dim)
        self.projection = nn.Sequential(nn.Linear(dim, dim), nn.Dropout(dropout))
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, dim),
            nn.Dropout(dropout),
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Maps features of patches (B, N, D) to as many."""
        batch, number, dim = patches.shape
        joint = self.queries_keys_values(self.attention_norm(patches))
        queries, keys, values = joint.view(batch, number, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(queries, keys, values)
        patches = patches + self.projection(attended.transpose(1, 2).reshape(batch, number, dim))
        mixed: Tensor = patches + self.mlp(patches)
        return mixed
