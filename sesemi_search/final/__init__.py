"""The final run: one config trained in full, and scored on the test split once."""
