"""Hyperparameter and architecture search for image classifiers."""

__all__ = ["__version__"]

__version__ = "0.1.0"
