"""Image classifiers: a backbone that turns images into features, and a head that turns features into logits."""

from sesemi_search.models.classifier import Classifier, build_classifier
from sesemi_search.models.expected_input import ExpectedInput
from sesemi_search.models.weights import weights_wanted

__all__ = ["Classifier", "ExpectedInput", "build_classifier", "weights_wanted"]
