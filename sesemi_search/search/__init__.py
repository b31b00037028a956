"""A search: its ledger, its rules, and Ray Tune underneath."""
