"""Image classifiers: a backbone that turns images into features, and a head that turns features into logits."""

from sesemi_search.models.classifier import Classifier, build_classifier

__all__ = ["Classifier", "build_classifier"]
