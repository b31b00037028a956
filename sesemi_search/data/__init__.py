"""Labelled images: where they come from, how they are split, and how batches of them reach a model."""

from sesemi_search.data.batching import Preparation
from sesemi_search.data.images import Images, InMemoryImages, StreamedImages, open_images
from sesemi_search.data.normalization import fill_normalization
from sesemi_search.data.sources import (
    CIFAR10,
    CIFAR100,
    MNIST,
    STL10,
    FashionMNIST,
    MNIST5k,
    Source,
    SourceWithTest,
    SourceWithVal,
    build_source,
)
from sesemi_search.data.splits import check_labels, load_splits
from sesemi_search.data.stored import ImageReader, ImageSplit, LabelledImages, StoredImages

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "FashionMNIST",
    "ImageReader",
    "ImageSplit",
    "Images",
    "InMemoryImages",
    "LabelledImages",
    "MNIST",
    "STL10",
    "MNIST5k",
    "Preparation",
    "Source",
    "SourceWithTest",
    "SourceWithVal",
    "StoredImages",
    "StreamedImages",
    "build_source",
    "check_labels",
    "fill_normalization",
    "load_splits",
    "open_images",
]
