"""One verb, one module: what is typed, handed over, and what is printed."""
