"""Pruners of our own; like every pruner here they read the study and keep nothing."""

from sesemi_search.search.pruners.architecture_halving import ArchitectureHalvingPruner

__all__ = ["ArchitectureHalvingPruner"]
