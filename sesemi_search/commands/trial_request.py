"""`train DIR --trial NUMBER`: the config of a trial as what is composed."""

from dataclasses import replace

from sesemi_search.config.compose import Request
from sesemi_search.errors import ConfigError
from sesemi_search.project.project import project_path
from sesemi_search.report.search import open_search
from sesemi_search.search.directory import file_inside, holds_search, trial_dir
from sesemi_search.search.stored_search import load_search_yaml

__all__ = ["request_trial"]


def request_trial(request: Request, number: int | None) -> Request:
    """Returns what composes the config of a trial, if the first of the overrides is a search directory.

    Args:
        request: What was typed; one without a search directory is returned as it is.
        number: The trial; None for the best.

    Raises:
        ConfigError: There is no such trial, or no search directory to a number.
    """
    given = request.overrides[0] if request.overrides else ""
    if not given or not holds_search(project_path(None, given)):
        if number is not None:
            found = f"got {number}, and {given!r}, which holds no search;" if given else f"got {number};"
            advice = f"say which search it is of, sesemi-search train DIR --trial {number}"
            raise ConfigError("--trial", f"{found} {advice}. sesemi-search list shows the searches there are.")
        return request
    if request.config_name is not None or request.config_dir is not None:
        raise ConfigError("train", f"got {given!r} and --config-name or --config-dir; one of them.")
    search = open_search(given)
    folder = trial_dir(search.directory, search.find_trial(number).number)
    file_inside(search.directory, folder / "config.yaml")
    # The best is what a search is for, and opens test as best.yaml does; another trial is a trial.
    opens_test = number is None and load_search_yaml(search.directory).run.test
    overrides = [f"run.test={str(opens_test).lower()}", *request.overrides[1:]]
    return replace(request, overrides=overrides, config_dir=folder, config_name="config")
