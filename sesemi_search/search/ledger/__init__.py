"""The ledger of a search, an Optuna study: the only record of it, and what can be read in it."""
