"""Backbones of timm and torchvision: their names and arguments, their weights, and what stays frozen.

No test downloads. The weights are a test's own, in the caches that timm and torchvision look in.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sesemi_search.config.targets import instantiate
from sesemi_search.errors import ConfigError
from sesemi_search.models import build_classifier
from sesemi_search.models.weights import are_weights, load_strictly, without_weights

KEY = "learner.hparams.model.backbone"
TIMM = {"_target_": "sesemi_search.models.backbones.TimmBackbone", "name": "test_resnet"}
VISION = {"_target_": "sesemi_search.models.backbones.TorchVisionBackbone", "name": "squeezenet1_1"}
BOTH = pytest.mark.parametrize("node", [TIMM, VISION], ids=["timm", "torchvision"])


def build(node: dict[str, Any], **arguments: Any) -> nn.Module:
    return instantiate({**node, **arguments}, KEY)


def whole_model(node: dict[str, Any]) -> nn.Module:
    """The model as published, its classifier included."""
    import timm
    import torchvision

    make = timm.create_model if node is TIMM else torchvision.models.get_model
    torch.manual_seed(7)
    return make(node["name"])


def publish(node: dict[str, Any], cache: Path, weights: dict[str, torch.Tensor]) -> None:
    """Puts weights where a download would."""
    if node is TIMM:
        repository = cache / "models--timm--test_resnet.r160_in1k"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("0123abcd")
        (repository / "snapshots" / "0123abcd").mkdir(parents=True)
        save_file(weights, repository / "snapshots" / "0123abcd" / "model.safetensors")
    else:
        torch.save(weights, cache / "squeezenet1_1-b8a52dc0.pth")


@pytest.fixture
def cache(node: dict[str, Any], request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue("timm_cache" if node is TIMM else "torch_cache")


def check_loaded(backbone: nn.Module, published: nn.Module) -> None:
    own, theirs = backbone.encoder.state_dict(), published.state_dict()
    assert len(own) > 10
    assert all(torch.equal(value, theirs[name]) for name, value in own.items())


@BOTH
def test_pretrained_weights_are_taken_from_the_cache(node: dict[str, Any], cache: Path) -> None:
    published = whole_model(node)
    publish(node, cache, published.state_dict())
    check_loaded(build(node, pretrained=True), published)


@BOTH
def test_pretrained_weights_that_do_not_all_fit_are_an_error(node: dict[str, Any], cache: Path) -> None:
    weights = whole_model(node).state_dict()
    name = next(name for name in weights if name.endswith("weight"))
    publish(node, cache, {key: value for key, value in weights.items() if key != name})
    with pytest.raises(ConfigError, match=name.replace(".", r"\.") if node is VISION else "could not be loaded"):
        build(node, pretrained=True)


def test_densenet_weights_are_read_by_the_names_that_they_were_saved_with(torch_cache: Path) -> None:
    node = {**VISION, "name": "densenet121"}
    published = whole_model(node)
    # As the file is, from 2017: dots inside names, and no counts of batches.
    dotted = {
        re.sub(r"(denselayer\d+\.[a-z]+)([12])", r"\1.\2", name): value
        for name, value in published.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in dotted
    torch.save(dotted, torch_cache / "densenet121-a639ec97.pth")
    check_loaded(build(node, pretrained=True), published)


@pytest.mark.parametrize("name", ["mnasnet0_5", "googlenet"])
def test_modules_with_versions_and_side_exits_load_their_published_weights(name: str, torch_cache: Path) -> None:
    import torchvision

    published = torchvision.models.get_model(name, **({"init_weights": True} if name == "googlenet" else {}))
    weights = torchvision.models.get_model_weights(name).DEFAULT
    torch.save(published.state_dict(), torch_cache / weights.url.rpartition("/")[2])
    backbone = build({**VISION, "name": name}, pretrained=True)
    check_loaded(backbone, published)
    assert getattr(backbone.encoder, "transform_input", True)


@BOTH
def test_a_failed_download_says_where_the_file_goes(node: dict[str, Any], cache: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        build(node, pretrained=True)
    text = str(raised.value)
    place = "models--timm--test_resnet.r160_in1k" if node is TIMM else "squeezenet1_1-b8a52dc0.pth"
    assert text.startswith(KEY)
    assert str(cache / place) in text
    assert f"{KEY}.checkpoint" in text
    assert "\n" not in text


@BOTH
@pytest.mark.parametrize("where", ["meta", "cpu"])
def test_where_weights_are_not_wanted_none_is_looked_for(node: dict[str, Any], cache: Path, where: str) -> None:
    with torch.device("meta") if where == "meta" else without_weights():
        assert build(node, pretrained=True).out_features == build(node).out_features
    assert not [path for path in cache.rglob("*") if path.is_file()]


@BOTH
@pytest.mark.parametrize("form", ["plain", "state_dict", "model", "safetensors", "without-classifier"])
def test_a_checkpoint_of_ones_own_is_loaded(node: dict[str, Any], tmp_path: Path, form: str) -> None:
    published = whole_model(node)
    weights = published.state_dict()
    path = tmp_path / ("own.safetensors" if form == "safetensors" else "own.pt")
    if form == "without-classifier":
        kept = build(node).encoder.state_dict()
        weights = {name: value for name, value in weights.items() if name in kept}
        assert len(weights) == len(kept)
    if form == "safetensors":
        save_file(weights, path)
    else:
        torch.save({form: weights, "epoch": 3} if form in ("state_dict", "model") else weights, path)
    check_loaded(build(node, checkpoint=str(path)), published)


@BOTH
def test_a_checkpoint_that_does_not_fit_says_what_differs(node: dict[str, Any], tmp_path: Path) -> None:
    weights = whole_model(node).state_dict()
    first, second = [name for name in weights if name.endswith("weight")][:2]
    del weights[first]
    weights[second] = weights[second][:1]
    weights["extra.bias"] = torch.zeros(1)
    torch.save(weights, tmp_path / "own.pt")
    with pytest.raises(ConfigError) as raised:
        build(node, checkpoint=str(tmp_path / "own.pt"))
    text = str(raised.value)
    assert text.startswith(f"{KEY}.checkpoint: the weights of {tmp_path / 'own.pt'} do not fit {node['name']}: ")
    for words in (f"1 missing ({first})", "1 unknown (extra.bias)", f"1 of another shape ({second} (1,"):
        assert words in text
    assert text.endswith("in a space, make each name an option with its own checkpoint.")


@BOTH
@pytest.mark.parametrize("form", ["parallel", "classifier", "run", "parallel-classifier"])
def test_a_checkpoint_is_loaded_under_the_names_that_training_gave_it(
    node: dict[str, Any], tmp_path: Path, form: str
) -> None:
    if form == "parallel":
        weights = (published := whole_model(node)).state_dict()
    else:
        classifier = build_classifier(node, {"_target_": "sesemi_search.models.heads.MLPHead"}, 5)
        weights, published = classifier.state_dict(), classifier.backbone.encoder
    if form.startswith("parallel"):
        weights = nn.ModuleDict({"module": published if form == "parallel" else classifier}).state_dict()
    path = tmp_path / "own.pt"
    torch.save({"model": weights, "optimizer": {}} if form == "run" else weights, path)
    check_loaded(build(node, checkpoint=str(path)), published)


def test_the_versions_of_modules_are_known_under_a_prefix_too(tmp_path: Path) -> None:
    node = {**VISION, "name": "mnasnet0_5"}  # which refuses weights of no version
    classifier = build_classifier(node, {"_target_": "sesemi_search.models.heads.LinearHead"}, 5)
    torch.save(nn.ModuleDict({"module": classifier}).state_dict(), tmp_path / "own.pt")
    check_loaded(build(node, checkpoint=str(tmp_path / "own.pt")), classifier.backbone.encoder)


def test_a_checkpoint_of_another_classifier_is_refused(tmp_path: Path) -> None:
    lenet = {"_target_": "sesemi_search.models.backbones.LeNet5"}
    other = build_classifier(lenet, {"_target_": "sesemi_search.models.heads.LinearHead"}, 5)
    torch.save(other.state_dict(), tmp_path / "model.pt")
    with pytest.raises(ConfigError, match=r"unknown \(backbone\.\w+"):
        build(TIMM, checkpoint=str(tmp_path / "model.pt"))


def test_weights_for_color_say_how_gray_images_take_them(tmp_path: Path) -> None:
    torch.save(whole_model(TIMM).state_dict(), tmp_path / "own.pt")
    with pytest.raises(ConfigError, match=r"1 of another shape .* data\.channels=3 repeats a gray one\.$"):
        build(TIMM, checkpoint=str(tmp_path / "own.pt"), in_channels=1)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("content", ["object", "model"])
def test_a_checkpoint_of_pickled_objects_says_what_to_save(content: str, zipped: bool, tmp_path: Path) -> None:
    model = whole_model(TIMM)
    saved = model if content == "model" else {"state_dict": model.state_dict(), "options": Path("options")}
    torch.save(saved, tmp_path / "own.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ConfigError) as raised:
        build(TIMM, checkpoint=str(tmp_path / "own.pt"))
    reason = "it holds pickled objects, which are not executed; save model.state_dict() again."
    assert str(raised.value) == f"{KEY}.checkpoint: got '{tmp_path / 'own.pt'}', which cannot be read: {reason}"


@pytest.mark.parametrize("name", ["own.pt", "own.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"hello" * 100, "cut"])
def test_a_checkpoint_that_is_no_file_of_weights_is_said_to_be_none(
    name: str, content: bytes | str, tmp_path: Path
) -> None:
    torch.save({"weight": torch.zeros(5000)}, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / name).write_bytes(whole[:5000] if isinstance(content, str) else content)
    with pytest.raises(ConfigError, match=r"cannot be read: it is cut short or not a checkpoint \(\w+\); save"):
        build(TIMM, checkpoint=str(tmp_path / name))


class Payload:
    """Unpickling it would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.touch, (self.path,)


@BOTH
def test_a_checkpoint_that_carries_code_is_not_executed(node: dict[str, Any], tmp_path: Path) -> None:
    torch.save({"state_dict": Payload(tmp_path / "executed")}, tmp_path / "own.pt")
    with pytest.raises(ConfigError, match="cannot be read"):
        build(node, checkpoint=str(tmp_path / "own.pt"))
    assert not (tmp_path / "executed").exists()


@BOTH
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet1O"}, r"name='resnet1O'; (timm|torchvision) .* has no such .*model\. Did you mean 'resnet"),
        ({"checkpoint": "weights.pt"}, "is a relative path; it takes an absolute one"),
        ({"checkpoint": "/nowhere/weights.pt"}, "there is no such file"),
        ({"checkpoint": "/nowhere/weights.pt", "pretrained": True}, "are both set"),
    ],
)
def test_a_mistake_is_found_before_any_trial(node: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    with torch.device("meta"), pytest.raises(ConfigError, match=message):
        build(node, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "vgg11", "drop_path_rate": 0.1}, "vgg11 takes no drop_path_rate; leave it out"),
        ({"global_pool": "avgg"}, "test_resnet does not take global_pool='avgg'"),
        ({"global_pool": ""}, r"gives shape \(1, \d+, \d+, \d+\)"),
        ({"name": "resnet10t.nothing"}, "the weights of resnet10t are c3_in1k"),
        ({"name": "resnet19"}, "no such model"),
        ({"name": "hf_hub:timm/resnet10t.c3_in1k"}, r"write name: resnet10t\.c3_in1k$"),
        ({"name": "hf-hub:timm/resnet10t.c3_in1k"}, r"write name: resnet10t\.c3_in1k$"),
    ],
)
def test_an_argument_that_a_model_of_timm_does_not_take_is_named(arguments: dict[str, Any], message: str) -> None:
    with torch.device("meta"), pytest.raises(ConfigError, match=message):
        build(TIMM, **arguments)


def test_features_are_counted_and_not_believed() -> None:
    with torch.device("meta"):
        backbone = build(TIMM, name="mobilenetv3_small_100")
        assert backbone.encoder.num_features == 576
        assert backbone.out_features == 1024
        assert build(TIMM, name="resnet10t", global_pool="catavgmax").out_features == 1024


def test_rates_reach_the_model_of_timm() -> None:
    with torch.device("meta"):
        encoder = build(TIMM, drop_rate=0.25, drop_path_rate=0.5).encoder
    assert encoder.drop_rate == 0.25
    assert max(getattr(module, "drop_prob", 0) for module in encoder.modules()) == 0.5


def test_a_model_of_one_size_is_made_for_that_of_the_images() -> None:
    with torch.device("meta"):
        backbone = build(TIMM, name="vit_tiny_patch16_224", image_size=64)
        assert backbone(torch.empty(2, 3, 64, 64)).shape == (2, 192)


@BOTH
@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_weights_and_statistics_stay_as_they_are(node: dict[str, Any], freeze: bool) -> None:
    node = node if node is TIMM else {**node, "name": "shufflenet_v2_x0_5"}  # which has batch norm
    torch.manual_seed(0)
    backbone = build(node, freeze=freeze)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    for _ in range(2):
        backbone.train()(torch.randn(4, 3, 64, 64)).sum()
    after = backbone.state_dict()
    assert any("running_mean" in name for name in before)
    assert all(torch.equal(before[name], after[name]) for name in before) is freeze
    assert any(parameter.requires_grad for parameter in backbone.parameters()) is not freeze
    assert backbone.training
    assert not backbone.eval().training
    assert nn.Sequential(backbone).train()[0].encoder.training is not freeze


@BOTH
def test_the_heads_dropout_acts_on_a_frozen_backbone(node: dict[str, Any]) -> None:
    head = {"_target_": "sesemi_search.models.heads.LinearHead", "dropout": 1.0}
    classifier = build_classifier({**node, "freeze": True}, head, 5)
    logits = classifier.train()(torch.randn(3, 3, 64, 64))
    assert torch.equal(logits, classifier.head.linear.bias.expand(3, 5))
    assert not torch.equal(classifier.eval()(torch.randn(3, 3, 64, 64)), logits)


@pytest.mark.parametrize(
    ("node", "remedy"),
    [(TIMM, r"in_channels to \$\{data\.channels\}, or data\.channels=3"), (VISION, r"data\.channels=3")],
)
def test_images_of_other_channels_than_the_models_say_what_to_set(node: dict[str, Any], remedy: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=f"1 channels, and a model for 3; .*{remedy}"):
        build(node)(torch.empty(2, 1, 64, 64))


def test_dropout_of_features_acts_in_training() -> None:
    backbone = build(VISION, drop_rate=1.0)
    assert backbone.train()(torch.randn(2, 3, 64, 64)).count_nonzero() == 0
    assert backbone.eval()(torch.randn(2, 3, 64, 64)).count_nonzero() > 0


class Counted(nn.Linear):
    """A layer with state that is no tensor, and a buffer that grows."""

    def __init__(self, seen: int = 0) -> None:
        super().__init__(2, 2)
        self.register_buffer("seen", torch.zeros(seen))
        self.name = "new"

    def get_extra_state(self) -> dict[str, str]:
        return {"name": self.name}

    def set_extra_state(self, state: dict[str, str]) -> None:
        self.name = state["name"]

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        self.seen = torch.zeros_like(state[f"{prefix}seen"])
        super()._load_from_state_dict(state, prefix, *args)


def test_what_a_module_keeps_besides_tensors_is_loaded() -> None:
    trained, fresh = Counted(seen=5), Counted()
    trained.name = "trained"
    weights = trained.state_dict()
    assert are_weights(weights)
    load_strictly(fresh, weights, "x")
    assert fresh.name == "trained"
    assert len(fresh.seen) == 5
    assert torch.equal(fresh.weight, trained.weight)
