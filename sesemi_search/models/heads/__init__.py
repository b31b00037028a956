"""Heads: features (B, D) to logits (B, K)."""

from sesemi_search.models.heads.base import Head
from sesemi_search.models.heads.cosine import ScaledCosineHead
from sesemi_search.models.heads.linear import LinearHead

__all__ = ["Head", "LinearHead", "ScaledCosineHead"]
