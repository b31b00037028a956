"""The search-space language, and the check before any trial."""
