"""The search-space language."""
