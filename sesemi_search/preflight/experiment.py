"""One composed experiment, with all filled in that it leaves open, and checked: what may be trained."""

from dataclasses import dataclass
from pathlib import Path

from sesemi_search.config.compose import Composed
from sesemi_search.config.experiment import Complete, Written, resolve, type_experiment, written_experiment
from sesemi_search.config.interpolations import keep_interpolations
from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.data.classes import check_classes, follow_classes
from sesemi_search.models.expected_input import describe_followed, follow_backbone
from sesemi_search.preflight.branches import check_experiment
from sesemi_search.project.project import activate, project_path
from sesemi_search.training.evaluation import settle_metrics

__all__ = ["Experiment", "settle_experiment"]


@dataclass(frozen=True)
class Experiment:
    """An experiment that was checked.

    Attributes:
        written: As it is written, with the number of classes and the folder of data sets.
        complete: With nothing left open but a mean and a standard deviation.
        typed: The same as the schema's classes.
        notes: Lines for the user.
    """

    written: Written
    complete: Complete
    typed: ExperimentConfig
    notes: list[str]

    @property
    def stored(self) -> Written:
        """What a file keeps of it: complete, with the interpolations that it was written with."""
        return keep_interpolations(self.written, self.complete)


def settle_experiment(composed: Composed) -> Experiment:
    """Fills in what a composed experiment leaves open, and checks it; its project's modules become importable.

    Raises:
        ConfigError: With all that is wrong, and where it is written.
    """
    config = composed.config
    activate(composed.project)
    data_root: Path = project_path(composed.project, config.run.data_root)
    config.run.data_root = str(data_root)
    with composed.source_lines.added():
        follow_classes(config, data_root)
        settle_metrics(config, config.run.best_metric)
        written = written_experiment(config)
        resolved = resolve(written)
        complete = follow_backbone(written, resolved)
        typed = type_experiment(complete)
        check_classes(typed)
        notes = [*describe_followed(resolved, complete), *check_experiment(complete)]
    return Experiment(written, complete, typed, notes)
