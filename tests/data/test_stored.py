"""Splits that are joined: the training and the validation images of a final training."""

import numpy as np
import pytest

from sesemi_search.data.stored import ArrayReader, ImageSplit, LabelledImages, StoredImages, join_splits


def make_split(start: int, count: int, in_memory: bool) -> ImageSplit:
    """Images whose every pixel is their label."""
    labels = np.arange(start, start + count)
    images = np.broadcast_to(labels[:, None, None, None], (count, 3, 4, 4)).astype(np.uint8)
    labelled = LabelledImages(images, labels)
    return labelled if in_memory else StoredImages(ArrayReader(labelled), np.arange(count), 4, 3)


@pytest.mark.parametrize("first_in_memory", [True, False])
@pytest.mark.parametrize("second_in_memory", [True, False])
def test_joined_splits_give_the_images_of_both(first_in_memory: bool, second_in_memory: bool) -> None:
    first, second = make_split(0, 5, first_in_memory), make_split(5, 3, second_in_memory)
    joined = join_splits(first, second, image_size=4, channels=3)
    assert len(joined) == 8
    assert joined.labels.tolist() == list(range(8))
    for order in ([7, 0, 5, 4], [0, 1], [6]):
        taken = joined.take(np.array(order))
        assert taken.shape == (len(order), 3, 4, 4)
        assert taken[:, 0, 0, 0].tolist() == order
        assert joined.select(np.array(order)).labels.tolist() == order
