import torch
import torch.nn as nn

from torch import Tensor
from sesemi.models.backbones.base import Backbone
from sesemi.models.heads.base import Head


class LeNet5(Backbone):
    def __init__(self, out_features: int = 84):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 6, 5, 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(6, 16, 5, 2),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(400, 120),
            nn.ReLU(inplace=True),
            nn.Linear(120, out_features),
            nn.ReLU(inplace=True),
        )
        self.out_features = out_features

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layers(inputs)


class CosineSimilarityHead(Head):
    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features

        self.weight = nn.Parameter(
          torch.zeros(
            (out_features, in_features), dtype=torch.float32))
        torch.nn.init.kaiming_normal_(self.weight)

    def forward(self, features: Tensor) -> Tensor:
      return torch.cosine_similarity(self.weight[None], features[:, None], dim=-1)
