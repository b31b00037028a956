"""`predict` on whatever lies in a folder."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images of every kind, whose left half is dark and whose right half is bright, and files that are none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.zeros((40, 40), dtype=np.uint8)
    pixels[:, 20:] = 255
    gray = Image.fromarray(pixels)
    rgb = gray.convert("RGB")
    for name, image in {"gray": gray, "rgb": rgb, "rgba": gray.convert("RGBA"), "palette": rgb.quantize(4)}.items():
        image.save(folder / f"{name}.png")
    Image.fromarray(pixels.astype(np.uint16) * 257).save(folder / "16bit.png")
    rgb.convert("CMYK").save(folder / "cmyk.tif")
    rgb.save(folder / "animated.gif", save_all=True, append_images=[rgb.rotate(90)])
    exif = Image.Exif()
    exif[0x0112] = 6  # held so that it has to be turned by 90 degrees
    rgb.rotate(90).save(folder / "turned.png", exif=exif)
    (folder / "deep" / "er").mkdir(parents=True)
    rgb.save(folder / "deep" / "er" / "LOUD.PNG")
    (folder / "link.png").symlink_to("rgb.png")
    (folder / "loop").symlink_to(folder)
    for name in (".hidden.png", "notes.txt"):
        (folder / name).write_bytes(b"no image")
    return folder


READABLE = [
    *("16bit.png", "animated.gif", "cmyk.tif", "deep/er/LOUD.PNG", "gray.png"),
    *("link.png", "palette.png", "rgb.png", "rgba.png", "turned.png"),
]


def test_images_of_every_kind_are_the_same_image(
    photos: Path, save_untrained: Callable[..., Path], command: Command
) -> None:
    code, printed = command("predict", str(save_untrained()), str(photos), "--jsonl", "--top", "3")
    assert code == 0, printed
    rows = [json.loads(line) for line in printed.splitlines()]
    assert [os.path.relpath(row["file"], photos) for row in rows] == READABLE
    for row in rows:
        assert [each["class"] for each in row["top"]] == [each["class"] for each in rows[0]["top"]], row["file"]
        assert row["probability"] == pytest.approx(rows[0]["probability"], abs=0.02), row["file"]
        assert len(row["top"]) == 3


def test_files_that_cannot_be_read_are_named_and_the_others_are_not_held_up(
    photos: Path,
    save_untrained: Callable[..., Path],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from sesemi_search.cli import main

    (photos / "cut.png").write_bytes((photos / "rgb.png").read_bytes()[:60])
    (photos / "empty.jpg").touch()
    (photos / "text.jpeg").write_text("no image")
    (photos / "gone.png").symlink_to("nowhere")
    (photos / "a\nb.png").write_bytes((photos / "rgb.png").read_bytes())
    os.mkfifo(photos / "pipe.png")
    Image.fromarray(np.zeros((8, 8), dtype=np.float32)).save(photos / "floats.tif")
    code = main(["predict", str(save_untrained()), str(photos), "--batch", "3", "--csv"])
    out, err = capfd.readouterr()
    assert code == 1
    assert out.splitlines()[0] == "file,class,probability"
    assert len(out.splitlines()) == 1 + len(READABLE) + 2  # a name of two lines is quoted
    broken = ("cut.png", "empty.jpg", "text.jpeg", "gone.png", "pipe.png", "floats.tif")
    for name in broken:
        assert f"error: {photos / name} (" in err
        assert name not in out
    assert err.splitlines()[-1] == f"{len(broken)} of {len(broken) + len(READABLE) + 1} images cannot be read"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.png"], "IMAGES: there is no file or folder"),
        (["photos/loop/.none"], "IMAGES: there is no file or folder"),
        (["empty"], "IMAGES: empty has no image in it"),
        ([], "say of which images"),
        (["photos", "--top", "0"], "--top: got 0"),
        (["photos", "--csv", "--jsonl"], "one of them"),
        (["photos", "--device", "toaster"], "--device: got 'toaster'"),
    ],
)
def test_a_mistake_is_told_before_anything_is_predicted(
    words: list[str],
    message: str,
    photos: Path,
    project: Path,
    save_untrained: Callable[..., Path],
    command: Command,
) -> None:
    (project / "empty").mkdir()
    photos.rename(project / "photos")
    code, printed = command("predict", str(save_untrained()), *words)
    assert code == 2
    assert message in printed


def test_a_file_is_tried_whatever_its_name_is(
    photos: Path, save_untrained: Callable[..., Path], command: Command
) -> None:
    (photos / "rgb.png").rename(photos / "image.dat")
    code, printed = command("predict", str(save_untrained()), str(photos / "image.dat"), str(photos / "notes.txt"))
    assert code == 1
    assert f"{photos / 'image.dat'}: " in printed
    assert f"error: {photos / 'notes.txt'} (" in printed
