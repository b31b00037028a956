"""The final run: one config trained in full, and scored on the test split once."""

from sesemi_search.final.train import FinalResult, FinalScore, train

__all__ = ["FinalResult", "FinalScore", "train"]
