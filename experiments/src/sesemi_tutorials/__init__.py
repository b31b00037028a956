"""The modules of the tutorial "Custom Backbones and Heads"."""
