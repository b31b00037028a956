"""What `train` leaves can be used: loaded, asked, scored, exported."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sesemi_search
from sesemi_search.errors import ConfigError
from sesemi_search.inference.locate import find_model

Command = Callable[..., tuple[int, str]]
Stdout = Callable[..., str]
README = (Path(__file__).parents[2] / "README.md").read_text()
PAGE = (Path(__file__).parents[2] / "docs" / "using_a_model.md").read_text()


def labels_and_files(digits: Path) -> list[tuple[str, str]]:
    return [(file.parent.name, str(file)) for file in sorted(digits.rglob("*.png"))]


def test_predict_on_files_of_the_test_split_gives_the_top1_of_evaluate(
    trained: Path, digits: Path, stdout: Stdout
) -> None:
    scored = json.loads(stdout("evaluate", str(trained), "--json"))
    rows = list(csv.DictReader(io.StringIO(stdout("predict", str(trained), str(digits), "--csv"))))
    assert [row["file"] for row in rows] == [file for _, file in labels_and_files(digits)]
    right = sum(Path(row["file"]).parent.name == row["class"] for row in rows)
    assert right / len(rows) == scored["top1"]
    assert scored["num_images"] == len(rows) == 500
    assert scored["top1"] == json.loads((trained / "metrics.json").read_text())["test"]["top1"]
    assert sum(each["num_right"] for each in scored["classes"].values()) == right


def test_a_model_predicts_one_image_and_many_whoever_gives_them(trained: Path, digits: Path) -> None:
    model = sesemi_search.load_model(trained)
    assert not model.training
    _, first = labels_and_files(digits)[0]
    one = model.predict(first)
    with Image.open(first) as image:
        pixels = torch.from_numpy(np.array(image))
        many = model.predict([Path(first), image, pixels.numpy(), pixels], batch_size=3)
    assert [each.probabilities for each in many] == [pytest.approx(one.probabilities, abs=1e-6)] * 4
    assert one.top(1) == [(one.label, one.probability)]
    assert sum(one.probabilities.values()) == pytest.approx(1)
    assert model.preprocess(first).shape == (3, 32, 32)
    with torch.no_grad():
        logits = model(model.preprocess(first)[None])
    assert model.classes[logits.argmax()] == one.label


@pytest.mark.parametrize("text", [README, PAGE], ids=["README", "using_a_model"])
def test_the_code_on_the_page_uses_a_model(text: str, trained: Path, digits: Path) -> None:
    (code,) = re.findall(r"^    (import sesemi_search\n\n    model = .*?)\n\n(?!    )", text, re.MULTILINE | re.DOTALL)
    lines = [line.removeprefix("    ") for line in code.splitlines()]
    assert len([line for line in lines if line]) <= 4
    _, image = labels_and_files(digits)[0]
    ready = (
        "\n".join(lines)
        .replace("experiments/runs/mnist_lenet5_cosine/train_<timestamp>", str(trained))
        .replace("7.png", image)
    )
    found: dict[str, object] = {}
    exec(ready, found)
    assert found["prediction"].label in [str(n) for n in range(10)]  # type: ignore[attr-defined]


def test_a_fresh_process_loads_a_model_without_ray_wandb_and_optuna(trained: Path, digits: Path) -> None:
    _, image = labels_and_files(digits)[0]
    script = f"import sys, sesemi_search\nprint(sesemi_search.load_model({str(trained)!r}).predict({image!r}).label)\n"
    script += "print([name for name in ('ray', 'wandb', 'optuna') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [sesemi_search.load_model(trained).predict(image).label, "[]"]


@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
def test_an_exported_model_answers_as_the_model_does(kind: str, run_dir: Path, digits: Path, command: Command) -> None:
    (run_dir / "model.json").write_text(
        (run_dir / "model.json").read_text().replace('"temperature": 1.0', '"temperature": 2.5')
    )
    code, printed = command("export", str(run_dir), "--format", kind)
    assert code == 0, printed
    model = sesemi_search.load_model(run_dir)
    images = torch.stack([model.preprocess(file) for _, file in labels_and_files(digits)[::50]])
    with torch.no_grad():
        expected = model(images)
    if kind == "onnx":
        onnxruntime = pytest.importorskip("onnxruntime")
        session = onnxruntime.InferenceSession(run_dir / "model.onnx", providers=["CPUExecutionProvider"])
        logits = torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])
        facts = session.get_modelmeta().custom_metadata_map
    else:
        facts = {"classes": "", "preprocessing": ""}
        logits = torch.export.load(run_dir / "model.pt2", extra_files=facts).module()(images)
    assert logits.shape == (10, 10)
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)
    assert json.loads(facts["classes"]) == list(model.classes)
    assert json.loads(facts["preprocessing"])["image_size"] == 32


def test_onnx_without_its_packages_says_what_to_install(
    trained: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as Python has what cannot be imported
    code, printed = command("export", str(trained))
    assert code == 2
    assert "onnxruntime is not installed: pip install 'sesemi-search[export]'" in printed
    assert not (trained / "model.onnx").exists()


def test_a_fitted_temperature_changes_how_sure_the_model_is_and_no_answer(
    run_dir: Path, digits: Path, stdout: Stdout
) -> None:
    files = [file for _, file in labels_and_files(digits)[::25]]
    before = sesemi_search.load_model(run_dir).predict(files)
    printed = stdout("calibrate", str(run_dir))
    (losses,) = re.findall(r"their loss goes from (\S+) to (\S+),", printed)
    assert float(losses[1]) < float(losses[0])
    model = sesemi_search.load_model(run_dir)
    assert model.temperature.item() == pytest.approx(json.loads((run_dir / "model.json").read_text())["temperature"])
    after = model.predict(files)
    assert [each.label for each in after] == [each.label for each in before]
    assert all(a.probability != b.probability for a, b in zip(after, before, strict=True))
    assert stdout("calibrate", str(run_dir)) == printed  # fitted anew, not on top


def test_a_run_without_the_newer_files_is_used_by_its_config(run_dir: Path, digits: Path) -> None:
    expected = sesemi_search.load_model(run_dir)
    for name in ("model.json", "model.safetensors"):
        (run_dir / name).unlink()
    model = sesemi_search.load_model(run_dir)
    assert model.classes == expected.classes
    assert model.preprocessing == expected.preprocessing
    _, image = labels_and_files(digits)[0]
    assert model.predict(image) == expected.predict(image)


def test_a_file_of_weights_and_a_whole_state_are_models_too(run_dir: Path, digits: Path) -> None:
    _, image = labels_and_files(digits)[0]
    expected = sesemi_search.load_model(run_dir).predict(image)
    assert sesemi_search.load_model(run_dir / "model.pt").predict(image) == expected
    assert sesemi_search.load_model(run_dir / "model.safetensors").predict(image) == expected
    assert sesemi_search.load_model(run_dir / "best.pt").predict(image) == expected


def test_a_search_is_used_by_its_final_model_else_by_its_best_trial(run_dir: Path, tmp_path: Path) -> None:
    search = tmp_path / "search"
    trial = search / "trials" / "0003"
    trial.mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"no best\.yaml yet"):
        sesemi_search.load_model(search)
    config = (run_dir / "config.yaml").read_text()
    (trial / "config.yaml").write_text(config)
    (search / "best.yaml").write_text("# Trial 0003, val/top1 0.9\n" + config + "# and opens test, as no trial does\n")
    with pytest.raises(ConfigError, match=f"sesemi-search train {search}"):
        sesemi_search.load_model(search)
    (run_dir / "last.pt").rename(trial / "checkpoint.pt")
    assert len(sesemi_search.load_model(search).classes) == 10
    run_dir.rename(search / "final")
    assert find_model(search).folder == search / "final"
    shutil.copytree(search / "final", search / "final-2")
    assert find_model(search).folder == search / "final-2"


def test_other_data_of_the_same_classes_is_scored_and_of_others_refused_by_name(
    trained: Path, digits: Path, command: Command, stdout: Stdout, tmp_path: Path
) -> None:
    data = ["data=image_folder", "--split", "all"]
    whole = json.loads(stdout("evaluate", str(trained), *data, f"data.source.folder={digits}", "--json"))
    assert whole["num_images"] == 500
    # A folder of some of the classes, which it numbers otherwise.
    for name in ("3", "7"):
        (tmp_path / "some").mkdir(exist_ok=True)
        (tmp_path / "some" / name).symlink_to(digits / name)
    data += [f"data.source.folder={tmp_path / 'some'}"]
    scored = json.loads(stdout("evaluate", str(trained), *data, "--json"))["classes"]
    assert {name for name, each in scored.items() if each["num_images"]} == {"3", "7"}
    assert [scored[name] == whole["classes"][name] for name in ("3", "7")] == [True, True]
    (tmp_path / "some" / "seven").symlink_to(digits / "7")
    code, printed = command("evaluate", str(trained), *data)
    assert code == 2
    assert "the data has the classes seven, which the model does not know; it knows 0, 1, 2" in printed


def test_the_card_says_where_the_model_comes_from(trained: Path) -> None:
    card = (trained / "README.md").read_text()
    score = json.loads((trained / "metrics.json").read_text())["test"]
    assert f"| test/top1 | {score['top1']:.4f} ({score['checkpoint']}, epoch {score['epoch']}) |" in card
    assert "sesemi-search train data=mnist5k" in card
    assert "_target_: sesemi_tutorials.models.LeNet5" in card


def test_what_the_verbs_do_is_done_from_python(run_dir: Path, tmp_path: Path) -> None:
    scored = sesemi_search.evaluate(run_dir, split="val", data={"val_size": 100})
    assert scored.num_images == 100
    assert scored.classes["7"].recall is not None
    assert sesemi_search.export(run_dir, tmp_path / "a.pt2", kind="torch-export").stat().st_size > 0
    with pytest.raises(ConfigError, match="'dev'; it takes train, val, test or all"):
        sesemi_search.evaluate(run_dir, split="dev")
    with pytest.raises(ConfigError, match="it takes onnx or torch-export"):
        sesemi_search.export(run_dir, kind="coreml")
