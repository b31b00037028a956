"""A final run that can start or go on: its candidates fixed, checked, nothing begun and nothing written."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sesemi_search.config.compose import Request
from sesemi_search.config.experiment import plain, resolve
from sesemi_search.config.overrides import override_config, parse_overrides
from sesemi_search.config.schema import FinalConfig
from sesemi_search.errors import ConfigError
from sesemi_search.final.candidates import Configs, choose_configs, describe_candidates, find_record, trial_name
from sesemi_search.final.confirm import Candidate, num_runs_at_most
from sesemi_search.final.openings import describe_openings, earlier_openings
from sesemi_search.final.phases import PhaseSetup, fresh_seeds, read_configs
from sesemi_search.final.result import FinalRun, read_final
from sesemi_search.formatting import format_metric, format_seconds, quote_path
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.project.project import activate, find_project, project_path
from sesemi_search.search.directory import count_finals, final_dir, given_directory
from sesemi_search.search.phase import is_phase
from sesemi_search.search.resume import changeable_keys, find_drift
from sesemi_search.search.stored_search import StoredSearch, load_search_yaml, read_search

__all__ = ["FinalPlan", "plan_final"]

logger = logging.getLogger(__name__)

_SETTINGS = ("search", "ray", "tracking", "final")  # sections of the search; all others are the experiment's
_TRIAL = "trial="
_SEED = "run.seed"


@dataclass(frozen=True)
class FinalPlan:
    """What a final run needs to start.

    Attributes:
        stored: The search that it ends.
        folder: Where it writes.
        setup: What its phases have in common.
        options: The keys `final.*`.
        configs: The candidates' configs.
        candidates: What is known of them.
        seeds: Seeds of confirm.
        training_seeds: Seeds of the models.
    """

    stored: StoredSearch
    folder: Path
    setup: PhaseSetup
    options: FinalConfig
    configs: Configs
    candidates: Sequence[Candidate]
    seeds: Sequence[int]
    training_seeds: Sequence[int]

    @property
    def confirm_folder(self) -> Path:
        """The directory of the phase that confirms."""
        return self.folder / "confirm"

    @property
    def models_folder(self) -> Path:
        """The directory of the phase that trains on all images."""
        return self.folder / "models"

    @property
    def openings_folders(self) -> list[Path]:
        """Where openings of the test split are noted: with the search, and in the project's run folder."""
        run_dir: str = self.setup.config.run.dir
        return [self.stored.directory, project_path(self.setup.project, run_dir)]

    @property
    def chosen(self) -> str | None:
        """The candidate that was asked for, whatever confirm says; None where confirm chooses."""
        return None if self.options.trial is None else trial_name(self.options.trial)

    def describe(self, num_slots: int) -> Iterator[str]:
        """Yields what it will do and cost, line by line.

        Args:
            num_slots: Trainings at once.
        """
        name = self.setup.objective.name
        yield f"final run of {self.stored.name}, in {quote_path(self.folder)}"
        for candidate in self.candidates:
            said = "" if candidate.reported is None else f", {name} {format_metric(candidate.reported)} in the search"
            yield f"  {candidate.name}: {candidate.num_params:,} parameters{said}"
        runs = num_runs_at_most(self.candidates, len(self.seeds))
        epochs = {config["run"]["num_epochs"] for config in map(resolve, self.configs.values())}
        length = " to ".join(map(str, sorted({min(epochs), max(epochs)})))
        yield (
            f"confirm: at most {runs} trainings of {length} epochs, over {len(self.seeds)} seeds that the search did "
            f"not use{self._describe_time(runs, num_slots)}"
        )
        count = len(self.training_seeds)
        models = f"{count} model{'s' * (count != 1)}"
        yield f"final: {models} on train + validation{self._describe_time(count, num_slots)}"
        data = self.setup.typed(next(iter(self.configs.values()))).data
        opened = describe_openings(earlier_openings(self.openings_folders, data))
        yield f"test: opened once, at the end{f'; {opened}' if opened else ''}"

    def _describe_time(self, num_runs: int, num_slots: int) -> str:
        """Says how long so many trainings take, by the epochs of the search."""
        seconds = []
        for name, config in self.configs.items():
            record = find_record(name, self.stored)
            if record is not None and record.epochs:
                seconds.append(record.seconds / record.epochs * resolve(config)["run"]["num_epochs"])
        if not seconds:
            return ""
        mean, rounds = sum(seconds) / len(seconds), -(-num_runs // num_slots)
        slots = f"{num_slots} slot{'s' * (num_slots != 1)}"
        return f"; {format_seconds(mean * rounds)} on {slots}, as epochs took in the search"


def plan_final(request: Request, again: bool = False) -> FinalPlan | FinalRun:
    """Plans the final run of a search, or returns the one that it has.

    Args:
        request: The search directory and the overrides: of `search`, `ray`, `tracking` and `final` for the run as a
            whole, all others for the config of every candidate; `trial=17` takes that trial.
        again: Begins another final run beside the one that there is.

    Raises:
        ConfigError: There is no search or no trial to take, the search is still at work, a config cannot be trained, or
            the final run that there is has other settings.
    """
    directory = given_directory("final", request.overrides)
    stored = read_search(directory)
    if is_phase(stored.config):
        raise ConfigError("final", f"{directory} is a part of a final run; the search is {directory.parent.parent}.")
    if stored.holder:
        raise ConfigError("final", f"{directory} is in use by {stored.holder}; its final run comes after that.")
    settings, overrides = _split(request.overrides[1:])
    count = count_finals(directory)
    is_unfinished = count > 0 and read_final(final_dir(directory, count)) is None
    # The same command goes on, `--again` and all; with overrides it leaves what is unfinished behind.
    goes_on = count > 0 and (not again or (is_unfinished and not request.overrides[1:]))
    attempt = count if goes_on else count + 1
    folder = final_dir(directory, attempt)
    there = read_final(folder)
    state = "without overrides it goes on" if there is None else _describe_opening(there)
    project = find_project(request.project, directory)
    activate(project)
    recorded = read_configs(folder / "confirm")
    began = stored.config if recorded is None else load_search_yaml(folder / "confirm")
    config = override_config(began.copy(), settings, changeable_keys())
    if recorded is not None and config.final != began.final:
        raise ConfigError("final", f"{folder} was begun with {plain(began.final)}; {state}. {_AGAIN}")
    options = FinalConfig(**plain(config.final))
    configs = recorded
    if configs is None or overrides:
        configs = choose_configs(stored, project, overrides, options.top_k, options.trial)
        if recorded not in (None, configs):
            raise ConfigError("final", f"{folder} was begun with other configs; {state}. {_AGAIN}")
    if there is not None:
        logger.info(f"{state}. {_AGAIN}")
        return there
    for line in find_drift(directory, project):
        logger.info(line)
    study = stored.name if attempt == 1 else f"{stored.name}-{attempt}"
    command = f"sesemi-search final {quote_path(directory)}"
    setup = PhaseSetup(config, study, stored.name, stored.objectives.first, project, command, Architectures())
    candidates = describe_candidates(configs, stored, setup.architectures)
    seeds = fresh_seeds(_seeds(stored), attempt, options.num_seeds + options.num_models)
    of_confirm, of_models = seeds[: options.num_seeds], seeds[options.num_seeds :]
    return FinalPlan(stored, folder, setup, options, configs, candidates, of_confirm, of_models)


_AGAIN = (
    "--again begins another final run beside it, which opens the test split for itself: of two looks the better one is "
    "no longer what the model is worth."
)


def _describe_opening(there: FinalRun) -> str:
    return f"the test split was opened on {there.opened}, by {there.directory}: {there.describe_test()}"


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns the overrides of the run as a whole, and those of the candidates' configs."""
    words = [f"final.{word}" if word.startswith(_TRIAL) else word for word in words]
    sections = [override.key_or_group.split(".")[0] for override in parse_overrides(words)]
    pairs = list(zip(words, sections, strict=True))
    return [w for w, section in pairs if section in _SETTINGS], [w for w, section in pairs if section not in _SETTINGS]


def _seeds(stored: StoredSearch) -> set[int]:
    """Returns the seeds that a search has trained with."""
    own = stored.config.run.seed
    return {own, *(record.params.get(_SEED, own) for record in stored.records)}
