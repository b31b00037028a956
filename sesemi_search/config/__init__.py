"""Configuration: the schema, composition with Hydra, and errors that say what to do."""
