"""The user's project: where it is, its code, what it came from, and SESEMI's names for ours."""
