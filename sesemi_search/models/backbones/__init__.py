"""Backbones: images (B, C, H, W) to features (B, D)."""

from sesemi_search.models.backbones.base import Backbone

__all__ = ["Backbone"]
