"""Backbones: images (B, C, H, W) to features (B, D)."""

from sesemi_search.models.backbones.base import Backbone
from sesemi_search.models.backbones.lenet import LeNet5
from sesemi_search.models.backbones.mlp import MLP
from sesemi_search.models.backbones.resnet import WRN, CIFARResNet
from sesemi_search.models.backbones.timm import TimmBackbone
from sesemi_search.models.backbones.torchvision import TorchVisionBackbone
from sesemi_search.models.backbones.vit import ViT

__all__ = ["Backbone", "CIFARResNet", "LeNet5", "MLP", "TimmBackbone", "TorchVisionBackbone", "ViT", "WRN"]
