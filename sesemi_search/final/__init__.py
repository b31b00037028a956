"""The final run: one config trained in full, and scored on the test split once."""

from sesemi_search.final.result import FinalResult, FinalScore
from sesemi_search.final.train import train

__all__ = ["FinalResult", "FinalScore", "train"]
