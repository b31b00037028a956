"""A trained model as something to use: saved so that it can be, loaded, asked, exported."""

from sesemi_search.inference.classifier import ImageClassifier, Prediction
from sesemi_search.inference.load import load_model
from sesemi_search.inference.save import save_model

__all__ = ["ImageClassifier", "Prediction", "load_model", "save_model"]
