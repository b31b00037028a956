"""The configs that a final run chooses among: the best of a search and the experiment's own, fixed before it looks.

What is fixed is a config by the name of its candidate, in the ledger of confirm. All else that is known of a candidate
is derived from it and from the search.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import Complete, Written, to_yaml
from sesemi_search.errors import ConfigError
from sesemi_search.final.confirm import Candidate
from sesemi_search.models.expected_input import follow_backbone
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.preflight.experiment import Experiment, settle_experiment
from sesemi_search.project.project import Project
from sesemi_search.search.directory import file_inside, trial_dir
from sesemi_search.search.fingerprint import digest_experiment
from sesemi_search.search.ledger.records import Origin, Outcome, TrialRecord
from sesemi_search.search.stored_search import StoredSearch

__all__ = ["BASELINE", "Configs", "choose_configs", "describe_candidates", "find_record", "trial_name"]

logger = logging.getLogger(__name__)

BASELINE = "your config"

Configs = dict[str, Written]
"""By the name of a candidate its config, complete but for a measured mean and standard deviation."""


def trial_name(number: int) -> str:
    """Returns the name of the candidate that a trial is."""
    return f"trial {number}"


def choose_configs(
    stored: StoredSearch, project: Project | None, overrides: Sequence[str], top_k: int, number: int | None
) -> Configs:
    """Returns the candidates of a search, the best first and the experiment's own config last.

    They are distinct in what they train, seeds aside, with the overrides in them.

    Args:
        stored: The search.
        project: The user's project, whose modules become importable.
        overrides: Of the command line, laid over each config.
        top_k: Trials at most.
        number: The only trial to take, which need not be complete; None for the best ones.

    Raises:
        ConfigError: There is no such trial, none is complete, or a config cannot be trained.
    """
    compose = _Composer(project, overrides)
    configs: Configs = {}
    digests: set[str] = set()
    baseline = next((record for record in stored.records if record.origin is Origin.baseline), None)
    for record in _ranked(stored) if number is None else [_find_trial(stored, number)]:
        if len(configs) >= top_k:
            break
        if record is not baseline or number is not None:
            folder = trial_dir(stored.directory, record.number)
            file_inside(stored.directory, folder / "config.yaml")
            experiment = compose(folder)
            if (digest := _digest(experiment.complete)) not in digests:
                digests.add(digest)
                configs[trial_name(record.number)] = _pin_split(experiment)
    own = _compose_own(stored, baseline, compose)
    if own is not None and _digest(own.complete) not in digests:
        configs[BASELINE] = _pin_split(own)
    if not configs:
        raise ConfigError("final", f"{stored.directory} has no trial that ran all its epochs.")
    return configs


def describe_candidates(configs: Configs, stored: StoredSearch, architectures: Architectures) -> list[Candidate]:
    """Returns what is known of the candidates beside their configs."""
    candidates = []
    for name, config in configs.items():
        complete, record = follow_backbone(config), find_record(name, stored)
        # With other data or of another length it is another number.
        is_same = (
            record is not None and record.outcome is Outcome.complete and record.digest == digest_experiment(complete)
        )
        reported = record.value if record is not None and is_same else None
        num_params = architectures.measure(complete).num_params
        candidates.append(Candidate(name, reported, num_params, name == BASELINE))
    return candidates


def find_record(name: str, stored: StoredSearch) -> TrialRecord | None:
    """Returns the trial of the search that a candidate is; None of a config that was none."""
    for record in stored.records:
        if name == trial_name(record.number) or (name == BASELINE and record.origin is Origin.baseline):
            return record
    return None


class _Composer:
    """Composes and checks the config in a folder, with the overrides of the command line."""

    def __init__(self, project: Project | None, overrides: Sequence[str]) -> None:
        self._project = None if project is None else project.root
        self._overrides = overrides

    def __call__(self, folder: Path) -> Experiment:
        request = Request(
            search=False,
            overrides=self._overrides,
            config_name="config",
            config_dir=folder,
            project=self._project,
        )
        return settle_experiment(compose_config(request))


def _compose_own(
    stored: StoredSearch, baseline: TrialRecord | None, compose: Callable[[Path], Experiment]
) -> Experiment | None:
    """Returns the experiment's own config, None where it leaves to the space what a model needs."""
    folder = None if baseline is None else trial_dir(stored.directory, baseline.number)
    if folder is not None and (folder / "config.yaml").is_file():  # else its model could not be built in the search
        return compose(folder)
    with tempfile.TemporaryDirectory(prefix="sesemi-search-") as temporary:
        Path(temporary, "config.yaml").write_text(to_yaml(stored.experiment))
        try:
            return compose(Path(temporary))
        except ConfigError as error:
            logger.info(f"the experiment's own config is no candidate: {error}")
            return None


def _ranked(stored: StoredSearch) -> Iterator[TrialRecord]:
    """Yields the complete trials, best first: of several objectives the one that is taken, its front, the others."""
    objectives = stored.objectives
    best, sign = objectives.best(stored.records), -1 if objectives.first.maximize else 1
    complete = [record for record in stored.records if objectives.is_comparable(record)]
    by_value = sorted(complete, key=lambda record: sign * objectives.values(record)[0])
    front = objectives.front(stored.records) if objectives.are_several else []
    order = dict.fromkeys(record.number for record in [*([best] if best else []), *front, *by_value])
    numbers = {record.number: record for record in complete}
    yield from (numbers[number] for number in order)


def _find_trial(stored: StoredSearch, number: int) -> TrialRecord:
    for record in stored.records:
        if record.number == number:
            return record
    raise ConfigError("trial", f"got {number}; {stored.directory} has {len(stored.records)} trials.")


def _digest(complete: Complete) -> str:
    """Returns a hash of what a config trains, whatever its seed."""
    return digest_experiment(Complete({**complete, "run": {**complete["run"], "seed": 0}}))


def _pin_split(experiment: Experiment) -> Written:
    """Returns a config whose splits stay as they are with other seeds, which `data.split_seed` may refer to."""
    stored, split_seed = experiment.stored, experiment.complete["data"]["split_seed"]
    return Written({**stored, "data": {**stored["data"], "split_seed": split_seed}})
