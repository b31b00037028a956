"""The command line: parses, hands over, turns errors into messages. It imports nothing heavy."""

import argparse
import difflib
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sesemi_search import __version__

__all__ = ["main"]

_VERBS = {
    "check": "build every branch of a space and say what it costs: sesemi-search check space=NAME [KEY=VALUE ...]",
    "run": "search a space: sesemi-search run space=NAME [KEY=VALUE ...]",
    "resume": "go on with a search that was interrupted: sesemi-search resume DIR [KEY=VALUE ...]",
    "status": "say how a search stands, while it runs or after: sesemi-search status DIR [--json]",
    "trials": "list the trials of a search: sesemi-search trials DIR [--sort KEY] [--state STATE] [--all]",
    "report": "write a search as an HTML page, or serve it: sesemi-search report DIR [--out FILE | --watch]",
    "list": "list the searches and final runs of the project: sesemi-search list [DIR ...] [--json]",
    "compare": "set searches side by side: sesemi-search compare DIR DIR ... [--json]",
    "refine": "write the space that follows from what a search has shown: sesemi-search refine DIR [--out FILE]",
    "dashboard": "show a search in Optuna's dashboard, on this machine: sesemi-search dashboard DIR [--port PORT]",
    "remove": "take a search or a final run off the disk: sesemi-search remove DIR [--yes]",
    "track": "write the Weights & Biases runs of a search anew: sesemi-search track DIR [tracking.KEY=VALUE ...]",
    "train": "train one config and score it on the test split: sesemi-search train DIR [--trial NUMBER] "
    "[KEY=VALUE ...], or train --config-name NAME [KEY=VALUE ...]",
    "final": "confirm the best of a search over fresh seeds, train the winner on all images and test it once: "
    "sesemi-search final DIR [trial=NUMBER] [KEY=VALUE ...]",
    "reproduce": "run a trial again and compare it with the ledger, epoch by epoch: sesemi-search reproduce DIR "
    "[trial=NUMBER]",
    "predict": "say what is on images, with a trained model: sesemi-search predict DIR IMAGES... [--top N] [--csv]",
    "evaluate": "score a trained model on a split of its data or of other data: sesemi-search evaluate DIR "
    "[--split SPLIT] [data=NAME]",
    "calibrate": "fit the temperature of a model's probabilities on validation images: sesemi-search calibrate DIR",
    "export": "write a trained model for another runtime: sesemi-search export DIR [--format FORMAT] [--out FILE]",
    "spaces": "list the spaces there are: sesemi-search spaces [--project DIR]",
    "show": "print a space, overrides applied, and its size: sesemi-search show space=NAME [space.PATH=VALUE ...]",
}
_COMPOSING = ("check", "run", "train", "show")
_OF_MODELS = ("predict", "evaluate", "calibrate", "export")
# The options of some verbs: of which, and what argparse is to know of them.
_OPTIONS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "--config-name": (
        (*_COMPOSING, "spaces"),
        {"metavar": "NAME", "help": "the experiment: a YAML file on the search path"},
    ),
    "--config-dir": (
        (*_COMPOSING, "spaces"),
        {"metavar": "DIR", "type": Path, "help": "a folder of YAML to search first"},
    ),
    "--cfg": (_COMPOSING, {"choices": ["job"], "help": "print the composed config and do nothing else"}),
    "--dry-run": (("resume", "final"), {"action": "store_true", "help": "say what it would do, write and run nothing"}),
    "--measure": (("check",), {"action": "store_true", "help": "also load the data and train a few steps"}),
    "--trial": (
        ("train", "final", "reproduce"),
        {"metavar": "NUMBER", "type": int, "help": "the trial whose config to train; by default the best"},
    ),
    "--sort": (("trials",), {"metavar": "KEY", "help": "a column, smallest first; -KEY for largest first"}),
    "--state": (("trials",), {"metavar": "STATE", "help": "outcomes to show, complete,stopped"}),
    "--all": (("trials",), {"action": "store_true", "help": "all trials, not the first twenty"}),
    "--csv": (("trials", "predict"), {"action": "store_true", "help": "print CSV: all trials, all images"}),
    "--json": (("status", "trials", "list", "compare", "evaluate"), {"action": "store_true", "help": "print JSON"}),
    "--again": (
        ("final",),
        {"action": "store_true", "help": "another final run, which opens the test split once more"},
    ),
    "--watch": (("report",), {"action": "store_true", "help": "serve the page, and what is new while the search runs"}),
    "--port": (
        ("report", "dashboard"),
        {"metavar": "PORT", "type": int, "help": "to listen on; by default a free one, of dashboard 8080"},
    ),
    "--jsonl": (("predict",), {"action": "store_true", "help": "print JSON, an object a line"}),
    "--top": (("predict",), {"metavar": "N", "type": int, "help": "classes to print for an image, the most probable"}),
    "--batch": (("predict",), {"metavar": "B", "type": int, "help": "images that the model gets at once; 64"}),
    "--split": (("evaluate",), {"choices": ["test", "val", "train", "all"], "help": "which images; by default test"}),
    "--format": (("export",), {"choices": ["onnx", "torch-export"], "help": "of the file; by default onnx"}),
    "--out": (
        ("export", "report", "refine"),
        {
            "metavar": "FILE",
            "type": Path,
            "help": "the file; by default beside the model, DIR/report.html, or in the project's spaces",
        },
    ),
    "--device": (
        ("predict", "evaluate", "calibrate"),
        {"metavar": "DEVICE", "help": "cpu or cuda; by default a GPU where there is one"},
    ),
    "--trust": (
        ("predict", "export"),
        {"action": "store_true", "help": "build whatever the model names, not classes of torch modules alone"},
    ),
    "--yes": (("remove",), {"action": "store_true", "help": "do not ask"}),
}
_SHORT = {"--config-name": ["-cn"], "--config-dir": ["-cd"]}
_EPILOG = """\
overrides (Hydra's syntax):
  run.num_epochs=9 data=mnist          a value, an option of a config group
  space.PATH=VALUE                     replaces a node of the space: a value pins it,
                                       '{float: [1e-4, 1e-2], log: true}' reshapes it, the name of an option pins that
  ~space.PATH.choice.NAME              drops an option

examples:
  sesemi-search run space=lenet_cosine search.num_trials=100
  sesemi-search resume experiments/runs/lenet_cosine/20260101_120000
  sesemi-search trials experiments/runs/lenet_cosine/20260101_120000 --sort lr
  sesemi-search final experiments/runs/lenet_cosine/20260101_120000
  sesemi-search train experiments/runs/lenet_cosine/20260101_120000 --trial 17
  sesemi-search predict experiments/runs/lenet_cosine/train_20260101_130000 photos/ --top 3
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line; returns its exit code: 0 done, 1 failed, 2 a mistake of the user's, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parsed = _parse(arguments)
    from sesemi_search.console import EscapingFormatter, print_text
    from sesemi_search.errors import ConfigError, SesemiSearchError

    handler = logging.StreamHandler()
    handler.setFormatter(EscapingFormatter("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it tells of an import that fails, and so do we
    try:
        return _dispatch(parsed, arguments)
    except SesemiSearchError as error:
        if parsed.debug:
            raise
        print_text(f"error: {error}", is_error=True)
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        print_text("interrupted", is_error=True)
        return 130


class _Parser(argparse.ArgumentParser):
    """A parser whose messages show what was typed without control characters."""

    def _print_message(self, message: str, file: Any = None) -> None:
        from sesemi_search.formatting import escape_controls

        super()._print_message(escape_controls(message), file)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _make_parser()
    parsed, unknown = parser.parse_known_intermixed_args(_join_sort_key(arguments))
    if parsed.help and parsed.verb in _VERBS:
        from sesemi_search.console import print_text

        print_text(_describe_verb(parsed.verb))
        parser.exit(0)
    if parsed.help:
        parser.print_help()
        parser.exit(0)
    if parsed.verb is None:
        parser.error(f"the following arguments are required: VERB, one of {', '.join(_VERBS)}")
    if parsed.verb not in _VERBS:
        near = difflib.get_close_matches(parsed.verb, _VERBS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        parser.exit(2, f"error: unknown verb {parsed.verb!r}; there are: {', '.join(_VERBS)}.{hint}\n")
    for option in unknown:
        parser.exit(2, f"error: {_explain_option(parsed.verb, option, arguments)}\n")
    for option, (verbs, _) in _OPTIONS.items():
        value = getattr(parsed, option.removeprefix("--").replace("-", "_"))
        if value is not None and value is not False and parsed.verb not in verbs:
            parser.exit(2, f"error: {option} is an option of {', '.join(verbs)}, not of {parsed.verb}.\n")
    return parsed


def _join_sort_key(arguments: Sequence[str]) -> list[str]:
    """Makes `--sort=-lr` of `--sort -lr`, whose second half argparse takes for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined[-1:] == ["--sort"] and argument[:1] == "-" and argument[:2] != "--":
            argument = f"{joined.pop()}={argument}"
        joined.append(argument)
    return joined


def _make_parser(verb: str | None = None) -> _Parser:
    """Returns the parser of every verb, or one whose help is that of a verb alone."""
    parser = _Parser(
        prog="sesemi-search",
        description="Hyperparameter and architecture search for image classifiers.\n\n"
        + "\n".join(f"  {name:11}{text}" for name, text in _VERBS.items()),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("verb", nargs="?", metavar="VERB", help=", ".join(_VERBS))
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="Hydra overrides; a search directory comes before them"
    )
    parser.add_argument("--help", "-h", action="store_true", help="show this, or after a verb what it takes")
    for option, (verbs, known) in _OPTIONS.items():
        if verb is None or verb in verbs:
            of = "" if verb or "run" in verbs else f"of {', '.join(verbs)}: "
            parser.add_argument(option, *_SHORT.get(option, []), **{**known, "help": of + known["help"]})
    parser.add_argument("--project", metavar="DIR", type=Path, help="the folder that has configs/ and src/")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("--version", action="version", version=__version__)
    return parser


def _describe_verb(verb: str) -> str:
    from sesemi_search.commands.verb_help import describe_verb

    options = _make_parser(verb).format_help().partition("options:\n")[2].partition("\n\n")[0]
    return describe_verb(verb, _VERBS[verb], options)


def _explain_option(verb: str, option: str, arguments: Sequence[str]) -> str:
    """Says what is meant by an option that there is not: a key of the config, as a rule."""
    from sesemi_search.commands.verb_help import suggest_key

    name, equals, value = option.partition("=")
    following = [*arguments[list(arguments).index(option) + 1 :], "-"][0]
    if not equals:
        value = "VALUE" if following.startswith("-") or "=" in following else following
    return f"{name}: there is no such option; a key is set by KEY=VALUE.{suggest_key(verb, name.lstrip('-'), value)}"


def _dispatch(parsed: argparse.Namespace, arguments: Sequence[str]) -> int:
    if parsed.verb == "status":
        from sesemi_search.commands.status import status_command

        return status_command(parsed.overrides, parsed.json)
    if parsed.verb == "trials":
        from sesemi_search.commands.trials import trials_command

        return trials_command(
            parsed.overrides, parsed.sort, parsed.state, as_json=parsed.json, as_csv=parsed.csv, show_all=parsed.all
        )
    if parsed.verb == "report":
        from sesemi_search.commands.report import report_command

        return report_command(parsed.overrides, parsed.out and str(parsed.out), parsed.watch, parsed.port)
    if parsed.verb == "list":
        from sesemi_search.commands.list_runs import list_command

        return list_command(parsed.overrides, parsed.project, parsed.json)
    if parsed.verb == "compare":
        from sesemi_search.commands.compare import compare_command

        return compare_command(parsed.overrides, parsed.json)
    if parsed.verb == "refine":
        from sesemi_search.commands.refine import refine_command

        return refine_command(parsed.overrides, parsed.out, parsed.project)
    if parsed.verb == "dashboard":
        from sesemi_search.commands.dashboard import dashboard_command

        return dashboard_command(parsed.overrides, parsed.port)
    if parsed.verb == "remove":
        from sesemi_search.commands.remove import remove_command

        return remove_command(parsed.overrides, parsed.yes)
    if parsed.verb in _OF_MODELS:
        return _dispatch_model(parsed)
    return _dispatch_composing(parsed, arguments)


def _dispatch_model(parsed: argparse.Namespace) -> int:
    from sesemi_search.commands.model_request import ModelRequest

    device = "cpu" if parsed.verb == "export" else parsed.device
    request = ModelRequest(parsed.verb, parsed.overrides, parsed.project, parsed.trust, device)
    if parsed.verb == "predict":
        from sesemi_search.commands.predict import predict_command

        return predict_command(request, parsed.top, parsed.batch, as_csv=parsed.csv, as_jsonl=parsed.jsonl)
    if parsed.verb == "evaluate":
        from sesemi_search.commands.evaluate import evaluate_command

        return evaluate_command(request, parsed.split or "test", parsed.json)
    if parsed.verb == "calibrate":
        from sesemi_search.commands.calibrate import calibrate_command

        return calibrate_command(request)
    from sesemi_search.commands.export import export_command

    return export_command(request, parsed.format or "onnx", parsed.out)


def _dispatch_composing(parsed: argparse.Namespace, arguments: Sequence[str]) -> int:
    from sesemi_search.config.compose import Request

    request = Request(
        search=parsed.verb != "train",
        overrides=parsed.overrides,
        config_name=parsed.config_name,
        config_dir=parsed.config_dir,
        project=parsed.project,
    )
    if parsed.verb == "train":
        from sesemi_search.commands.trial_request import request_trial

        request = request_trial(request, parsed.trial)
    if parsed.cfg:
        from sesemi_search.commands.show_config import show_config

        return show_config(request)
    if parsed.verb == "check":
        from sesemi_search.commands.check import check_command

        return check_command(request, parsed.measure)
    if parsed.verb == "spaces":
        from sesemi_search.commands.spaces import spaces_command

        return spaces_command(request)
    if parsed.verb == "show":
        from sesemi_search.commands.show import show_command

        return show_command(request)
    if parsed.verb == "track":
        from sesemi_search.commands.track import track_command

        return track_command(request)
    if parsed.verb == "train":
        from sesemi_search.commands.train import train_command

        return train_command(request, arguments)
    if parsed.verb == "final":
        from sesemi_search.commands.final import final_command

        given = [] if parsed.trial is None else [f"trial={parsed.trial}"]
        request = replace(request, overrides=[*request.overrides, *given])
        return final_command(request, arguments, parsed.dry_run, parsed.again)
    if parsed.verb == "reproduce":
        from sesemi_search.commands.reproduce import reproduce_command

        return reproduce_command(request, parsed.trial)
    if parsed.verb == "run":
        from sesemi_search.commands.run import run_command

        return run_command(request, arguments)
    from sesemi_search.commands.resume import resume_command

    return resume_command(request, arguments, parsed.dry_run)
