"""The verb `resume`: go on with a search, or say what that would do."""

import logging
from collections.abc import Sequence

from sesemi_search.commands.run import carry_out, exit_code
from sesemi_search.config.compose import Request
from sesemi_search.console import make_console
from sesemi_search.search.directory import refuse_running
from sesemi_search.search.result import SearchResult
from sesemi_search.search.resume import compose_resumed, describe_resume, resume_directory

__all__ = ["resume_command", "resume_search"]

logger = logging.getLogger(__name__)


def resume_command(request: Request, argv: Sequence[str], dry_run: bool = False) -> int:
    """Goes on with the search in a directory, or says what that would do; returns the exit code."""
    if not dry_run:
        return exit_code(resume_search(request, argv))
    make_console()
    for line in describe_resume(request):
        logger.info(line)
    return 0


def resume_search(request: Request, argv: Sequence[str]) -> SearchResult:
    """Goes on with the search in a directory, to its end, and prints what came of it."""
    console = make_console()
    directory = resume_directory(request)
    refuse_running(directory)
    return carry_out(compose_resumed(request), directory, argv, console, resume=True)
