"""Other libraries' searchers, each in the form that its documentation shows, driven through its own interface.

A module has `make(name, table, seed)`. A trial that a peer pauses and takes up again goes on where it
stands: all of them are granted checkpoints.
"""
