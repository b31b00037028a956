"""The paths of a space held against the experiment's schema, before anything is sampled or built."""

from collections.abc import Iterator, Mapping

from sesemi_search.config.explain import check_key, check_section
from sesemi_search.config.schema import OPEN_NODES, ExperimentConfig
from sesemi_search.space.domains import Constant, Listing, Node, Options, Tree
from sesemi_search.space.space import children, join

__all__ = ["check_paths"]

# What every trial of a search shares: Ray gives each the same resources, and the images are loaded once.
_SHARED = (
    *("run.gpus", "run.num_threads", "run.accelerator", "run.dir", "run.data_root", "run.id"),
    *("run.resume_from_checkpoint", "run.pretrained_checkpoint_path", "learner.hparams.num_classes"),
    *("run.num_workers", "run.prefetch_factor", "run.memory_share"),
    *("data.source", "data.test_source", "data.image_size", "data.channels", "data.val_size", "data.test_size"),
    *("data.split_seed", "data.train_fraction", "data.skip_corrupt"),
)


def check_paths(node: Node, path: str) -> Iterator[str]:
    """Holds the paths of a space against the schema; below an open node the target's signature decides, later."""
    if path in _SHARED:
        yield f"space.{path}: is the same for every trial of a search; set {path} itself."
    elif path in OPEN_NODES:
        return
    elif path:
        yield from (f"space.{problem}" for problem in check_key(ExperimentConfig, path))
        if not isinstance(node, Tree | Options):
            value = node.value if isinstance(node, Constant) else f"a {type(node).__name__.lower()}"
            yield from (f"space.{problem}" for problem in check_section(ExperimentConfig, path, value))
    fragments = node.nodes.values() if isinstance(node, Options) else ()
    below = [(path, fragment) for fragment in fragments]
    if not isinstance(node, Listing):  # whose parts have numbers and no keys
        below += [(join(path, part), child) for part, child in children(node)]
    if isinstance(node, Constant) and isinstance(node.value, Mapping):
        below += [(join(path, str(part)), Constant(value)) for part, value in node.value.items()]
    for child_path, child in below:
        yield from check_paths(child, child_path)
