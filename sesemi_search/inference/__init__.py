"""A trained model as something to use: saved so that it can be, loaded, asked, exported."""

from sesemi_search.inference.save import save_model

__all__ = ["save_model"]
