"""Labelled images: where they come from, how they are split, and how batches of them reach a model."""

from sesemi_search.data.images import InMemoryImages
from sesemi_search.data.labelled import LabelledImages
from sesemi_search.data.sources import MNIST, MNIST5k, Source, SourceWithTest, build_source
from sesemi_search.data.splits import check_labels, load_splits

__all__ = [
    "MNIST",
    "InMemoryImages",
    "LabelledImages",
    "MNIST5k",
    "Source",
    "SourceWithTest",
    "build_source",
    "check_labels",
    "load_splits",
]
