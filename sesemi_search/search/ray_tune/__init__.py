"""Ray Tune, which places and runs the trials: the only importer of ray."""
