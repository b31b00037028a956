"""Samplers: some of our own, how any is built from its node, and which spaces it can serve.

Like every sampler here ours are built anew for each ask and keep nothing but what the study has.
"""

from sesemi_search.search.samplers.cmaes import CmaEsSampler
from sesemi_search.search.samplers.learning_curves import LearningCurveSampler
from sesemi_search.search.samplers.qmc import QmcSampler

__all__ = ["CmaEsSampler", "LearningCurveSampler", "QmcSampler"]
