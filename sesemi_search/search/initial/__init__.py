"""What a search begins with: its first trials, and those of earlier searches."""
