"""The verb `resume`: go on with a search, or say what that would do."""

from collections.abc import Sequence

from sesemi_search.commands.run import carry_out
from sesemi_search.config.compose import Request
from sesemi_search.console import make_console
from sesemi_search.search.resume import describe_resume, resume_directory, resume_plan

__all__ = ["resume_command"]


def resume_command(request: Request, argv: Sequence[str], dry_run: bool = False) -> int:
    """Goes on with the search in a directory, or says what that would do; returns the exit code."""
    console, say = make_console()
    if dry_run:
        for line in describe_resume(request):
            say(line)
        return 0
    plan = resume_plan(request, say)
    return carry_out(plan, resume_directory(request), argv, console, say, resume=True)
