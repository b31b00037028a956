"""The check before any trial: no GPU second for a config that cannot work."""
