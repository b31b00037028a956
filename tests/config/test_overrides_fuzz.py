"""Whatever is typed as an override composes, or is a mistake with a message."""

from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import plain
from sesemi_search.errors import ConfigError
from sesemi_search.space.overrides import override_space
from sesemi_search.space.parse import parse_space

KEYS = [
    *("run", "run.seed", "run.num_epochs", "run.id", "run.gpus", "run.accelerator", "run.dir", "data", "data.source"),
    *("data.mean", "data.std", "data.test_size", "learner", "learner.hparams.num_classes", "search", "search.name"),
    *("learner.hparams.model.backbone", "learner.hparams.model.backbone._target_", "learner.hparams.model.head"),
    *("learner.hparams.optimizer.lr", "learner.hparams.lr_scheduler", "search.sampler", "search/sampler"),
    *("search.num_trials", "tracking", "tracking.kind", "ray", "ray.address", "space", "space.run.seed", "space.run"),
    *(
        "space.learner.hparams.model.head",
        "space.learner.hparams.optimizer.lr",
        "space.learner.hparams.model.head.linear",
        "space.data.mean.0",
        "data.mean.1",
    ),
    *("hydra", "hydra.verbose", "hydra/launcher", "base/supervised/head", "defaults", "_target_", "nope", "a.b.c", ""),
]
VALUES = [
    *("", "1", "-1", "0", "0.5", "1e400", "nan", "null", "true", "???", "x", "none", "mnist", "tpe", "lenet_cosine"),
    *("[]", "[1,2,3]", "[[1]]", "{}", "{a: 1}", "{_target_: x.y}", "{float: [0, 1]}", "{choice: {a: 1}}", "'q u o'"),
    *("${run.seed}", "${run}", "${nope}", "${", "${oc.env:HOME}", "a,b", "range(3)", "glob(*)", "choice(1,2)", "1_000"),
    *("'[a", "{a", "é", "\\", "'", '"', "9" * 400, "linear", "{literal: {int: 3}}", "[{float: [0, 1]}]", "\u0000"),
]
structured = st.builds(
    "{}{}{}{}".format,
    st.sampled_from([*[""] * 6, "+", "++", "~"]),
    st.one_of(*[st.sampled_from(KEYS)] * 4, st.text("abrunspec.@/_", max_size=8)),
    st.sampled_from([*["="] * 12, "", "@_global_=", "@run=", "=="]),
    st.one_of(*[st.sampled_from(VALUES)] * 5, st.text(max_size=6)) | st.text("[]{}:,'\"$\\ 1ae", max_size=8),
)
PROJECT = Path(__file__).parents[2] / "experiments"
SEARCH = Request(search=True, project=PROJECT)
TRAIN = Request(search=False, config_name="mnist_lenet5_cosine", project=PROJECT)


@example(overrides=["9" * 400], search=True)  # no folder can have such a name
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.one_of(structured, structured, structured, st.text(max_size=12)), min_size=1, max_size=2), st.booleans()
)
def test_any_override_composes_or_is_a_config_error(overrides: list[str], search: bool) -> None:
    known = ["space=lenet_cosine"] if search else []
    request = SEARCH if search else TRAIN
    try:
        composed = compose_config(Request(search, [*known, *overrides], request.config_name, project=request.project))
        if search:
            with composed.source_lines.added():
                parse_space(override_space(plain(composed.config)["space"], composed.space_overrides))
    except ConfigError as error:
        assert str(error).strip()
        assert "object_type" not in str(error)
