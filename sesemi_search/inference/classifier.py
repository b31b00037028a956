"""A trained model with what is needed to ask it: classes, preprocessing, probabilities."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import overload

import torch
from torch import Tensor, nn

from sesemi_search.inference.description import ModelDescription
from sesemi_search.inference.preprocessing import ImageLike, Preprocessing

__all__ = ["ImageClassifier", "Prediction"]

ImageList = list[ImageLike] | tuple[ImageLike, ...] | Iterator[ImageLike]


@dataclass(frozen=True)
class Prediction:
    """What a model says of an image.

    Attributes:
        label: The most probable class.
        probability: Its probability, in [0, 1].
        probabilities: Of every class, the most probable first.
    """

    label: str
    probability: float
    probabilities: Mapping[str, float]

    def top(self, count: int) -> list[tuple[str, float]]:
        """Returns the `count` most probable classes, each with its probability."""
        return list(islice(self.probabilities.items(), count))


class ImageClassifier(nn.Module):
    """Images (B, C, S, S), as `preprocess` makes them, to logits (B, K), of which a softmax gives the probabilities.

    Args:
        classifier: Images to logits, trained.
        description: What it is.

    Attributes:
        classes: K names, in the order of the logits.
        preprocessing: How an image becomes what the model takes.
        temperature: What the classifier's logits are divided by; 1 changes nothing.
    """

    temperature: Tensor

    def __init__(self, classifier: nn.Module, description: ModelDescription) -> None:
        super().__init__()
        self.classes: tuple[str, ...] = description.classes
        self.preprocessing: Preprocessing = description.preprocessing
        self.classifier = classifier
        self.register_buffer("temperature", torch.tensor(float(description.temperature)), persistent=False)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, S, S) to logits (B, K), divided by the temperature."""
        logits: Tensor = self.classifier(images)
        return logits / self.temperature

    def preprocess(self, image: ImageLike) -> Tensor:
        """Returns an image as the model takes it: (C, S, S) float32, on the CPU.

        Args:
            image: A path, a PIL image, an array (H, W, C) or (H, W), a tensor (C, H, W) or (H, W). Integers are 8 or 16
                bits wide, floats lie in [0, 1].

        Raises:
            OSError, SyntaxError, ValueError: It is no image, is cut short, or has pixels without a range.
        """
        return self.preprocessing(image)

    @overload
    def predict(self, images: ImageLike, batch_size: int = 64) -> Prediction: ...

    @overload
    def predict(self, images: ImageList, batch_size: int = 64) -> list[Prediction]: ...

    def predict(self, images: ImageLike | ImageList, batch_size: int = 64) -> Prediction | list[Prediction]:
        """Says what is on one image, or on each of many.

        Args:
            images: One, of what `preprocess` takes; or a list, a tuple or an iterator of such.
            batch_size: Images that the model gets at once, at least 1.

        Raises:
            OSError, SyntaxError, ValueError: As `preprocess`.
        """
        if not isinstance(images, list | tuple | Iterator):
            return self.predict([images], batch_size)[0]
        rest = iter(images)
        predictions: list[Prediction] = []
        while batch := list(islice(rest, batch_size)):
            predictions += self.predict_batch(torch.stack([self.preprocess(image) for image in batch]))
        return predictions

    @torch.inference_mode()
    def predict_batch(self, images: Tensor) -> list[Prediction]:
        """Says what is on each image of a batch that is prepared: (B, C, S, S), on any device."""
        probabilities = self(images.to(self.temperature.device)).float().softmax(dim=1).cpu()
        # A stable order: of equal ones the class that comes first, as argmax takes it.
        order = probabilities.sort(dim=1, descending=True, stable=True).indices.tolist()
        return [self._prediction(row, ranked) for row, ranked in zip(probabilities.tolist(), order, strict=True)]

    def _prediction(self, probabilities: list[float], ranked: list[int]) -> Prediction:
        named = {self.classes[index]: probabilities[index] for index in ranked}
        label = self.classes[ranked[0]]
        return Prediction(label, named[label], named)
