"""Heads: features (B, D) to logits (B, K)."""

from sesemi_search.models.heads.base import Head
from sesemi_search.models.heads.cosine import ArcFaceHead, CosineHead, ScaledCosineHead
from sesemi_search.models.heads.linear import LinearHead, MLPHead
from sesemi_search.models.heads.prototype import PrototypeHead

__all__ = ["ArcFaceHead", "CosineHead", "Head", "LinearHead", "MLPHead", "PrototypeHead", "ScaledCosineHead"]
