"""A folder of a hundred images as people have them: what happens to each kind of file."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sesemi_search.config.schema import DataConfig
from sesemi_search.data import ImageSplit, LabelledImages, StoredImages, build_source, load_splits
from sesemi_search.data.folder import FileReader
from sesemi_search.data.stored import UnreadableImage
from sesemi_search.errors import ConfigError

SIZE = 16
NEAR = 12  # JPEG's loss, in gray levels
CLASSES = {"ant": (200, 30, 30), "bee": (30, 200, 30), "cow": (30, 30, 200), "dog": (200, 200, 30)}
BROKEN = ["ant/broken.png", "bee/cut.jpg", "cow/empty.jpg"]
NODE = {"_target_": "sesemi_search.data.folder.ImageFolder", "folder": "animals"}


def save(
    path: Path, color: tuple[int, ...], mode: str = "RGB", size: tuple[int, int] = (24, 20), **how: object
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color if len(color) > 1 else color[0]).save(path, **how)


def fill(folder: Path, names: list[str], count: int) -> None:
    for name in names:
        for number in range(count):
            save(folder / name / f"{number:02d}.{'jpg' if number % 2 else 'png'}", CLASSES[name])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """100 images: 88 plain ones, 9 of special kinds, 3 that are broken."""
    folder = tmp_path / "animals"
    fill(folder, list(CLASSES), 22)
    save(folder / "ant" / "deep" / "deeper" / "nested.png", CLASSES["ant"])
    save(folder / "ant" / "später_蟻.png", CLASSES["ant"])
    save(folder / "bee" / "gray.png", (90,), "L")
    save(folder / "bee" / "cmyk.jpg", (255 - 30, 255 - 200, 255 - 30, 0), "CMYK")
    deep = np.full((20, 24), 40_000, dtype=np.uint16)
    Image.fromarray(deep).save(folder / "cow" / "sixteen.png")
    save(folder / "cow" / "alpha.png", (*CLASSES["cow"], 128), "RGBA")
    save(folder / "dog" / "palette.gif", (3,), "P")
    save(folder / "dog" / "tall.png", CLASSES["dog"], size=(8, 60))
    save(folder / "dog" / "bits.png", (1,), "1")
    (folder / BROKEN[0]).write_bytes(b"this is no image")
    whole = (folder / "bee" / "01.jpg").read_bytes()
    (folder / BROKEN[1]).write_bytes(whole[: len(whole) * 2 // 3])
    (folder / BROKEN[2]).write_bytes(b"")
    # What is no image by its name, and what is hidden.
    (folder / "ant" / "notes.txt").write_text("nothing")
    (folder / "ant" / "._00.png").write_bytes(b"a file of macOS's")
    (folder / ".cache" / "x").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def config() -> DataConfig:
    return DataConfig(NODE, None, SIZE, 3, val_size=10, test_size=0.2, split_seed=0, mean=None, std=None)


@pytest.fixture
def whole(root: Path) -> Path:
    for name in BROKEN:
        (root / "animals" / name).unlink()
    return root


def pixels_of(root: Path, name: str, channels: int = 3) -> np.ndarray:
    """What a model gets of one file."""
    return FileReader(root / "animals", [name], np.zeros(1, np.int64)).read(0, SIZE, channels)


def test_broken_files_are_named_all_at_once_before_anything_starts(root: Path, config: DataConfig) -> None:
    with pytest.raises(ConfigError) as raised:
        load_splits(config, root, ("train", "val", "test"))
    message = str(raised.value)
    assert message.startswith(
        "data.source: 3 images cannot be read; mend or delete them, or set data.skip_corrupt=true:"
    )
    for name in BROKEN:
        assert f"  {root / 'animals' / name} (" in message
    assert f"{root / 'animals' / BROKEN[0]} (UnidentifiedImageError: cannot identify image file)" in message


def test_a_file_that_is_gone_is_named_once(whole: Path) -> None:
    (whole / "animals" / "ant" / "00.png").unlink()
    with pytest.raises(UnreadableImage, match=r"00\.png \(FileNotFoundError: \[Errno 2\] No such file or directory\)$"):
        pixels_of(whole, "ant/00.png")


@pytest.mark.parametrize("memory_share", [0.25, 0.0], ids=["in memory", "streamed"])
def test_broken_files_are_left_out_when_asked_for(
    root: Path, config: DataConfig, memory_share: float, said: list[str]
) -> None:
    config = replace(config, skip_corrupt=True)
    splits = load_splits(config, root, ("train", "val", "test"), memory_share)
    kind = LabelledImages if memory_share else StoredImages
    assert all(isinstance(split, kind) for split in splits.values())
    assert sum(len(split) for split in splits.values()) == 97
    assert "left out 3 images" in said[-1]
    assert all(name in said[-1] for name in BROKEN)


def test_a_streamed_split_is_checked_before_the_start_too(root: Path, config: DataConfig) -> None:
    with pytest.raises(ConfigError, match="3 images cannot be read"):
        load_splits(config, root, ("train", "val", "test"), 0.0)


def test_a_split_without_a_readable_file_is_not_told_to_skip_them(
    tmp_path: Path, config: DataConfig, said: list[str]
) -> None:
    fill(tmp_path / "animals" / "train", ["ant", "bee"], 6)
    (tmp_path / "animals" / "val" / "ant").mkdir(parents=True)
    (tmp_path / "animals" / "val" / "ant" / "broken.png").write_bytes(b"broken")
    config = replace(config, val_size=None, test_size=2)
    with pytest.raises(
        ConfigError, match=r"(?s)no image is left for val; 1 image cannot be read:.*broken\.png"
    ) as told:
        load_splits(config, tmp_path, ("train", "val"))
    assert "skip_corrupt" not in str(told.value)
    assert not any("val" in line for line in said)


def test_skipping_moves_no_other_image(root: Path, config: DataConfig) -> None:
    """Who mends a file later trains with the same splits."""
    before = load_splits(replace(config, skip_corrupt=True), root, ("test",), 0.0)["test"]
    for name in BROKEN:
        save(root / "animals" / name, (1, 2, 3))
    after = load_splits(config, root, ("test",), 0.0)["test"]
    assert isinstance(before, StoredImages)
    assert isinstance(after, StoredImages)
    assert set(before.indices) <= set(after.indices)


@pytest.mark.parametrize(
    ("name", "color"),
    [
        ("ant/00.png", CLASSES["ant"]),
        ("ant/01.jpg", CLASSES["ant"]),
        ("ant/deep/deeper/nested.png", CLASSES["ant"]),
        ("ant/später_蟻.png", CLASSES["ant"]),
        ("bee/gray.png", (90, 90, 90)),
        ("bee/cmyk.jpg", CLASSES["bee"]),
        ("cow/sixteen.png", (156, 156, 156)),  # 40,000 of 65,535
        ("cow/alpha.png", CLASSES["cow"]),
        ("dog/palette.gif", (3, 3, 3)),
        ("dog/tall.png", CLASSES["dog"]),
        ("dog/bits.png", (255, 255, 255)),
    ],
)
def test_each_kind_of_file_becomes_color(whole: Path, name: str, color: tuple[int, ...]) -> None:
    pixels = pixels_of(whole, name)
    assert (pixels.shape, pixels.dtype) == ((3, SIZE, SIZE), np.uint8)
    assert np.abs(pixels.astype(int) - np.array(color)[:, None, None]).max() <= NEAR


def test_colors_become_gray_for_one_channel(whole: Path) -> None:
    pixels = pixels_of(whole, "ant/00.png", channels=1)
    assert pixels.shape == (1, SIZE, SIZE)
    assert pixels.max() == pixels.min() == round(0.299 * 200 + 0.587 * 30 + 0.114 * 30)


def test_a_photo_is_turned_as_its_camera_was_held(tmp_path: Path) -> None:
    image = Image.new("RGB", (32, 32))
    image.paste((255, 255, 255), (0, 0, 32, 16))  # white above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    (tmp_path / "animals").mkdir()
    image.save(tmp_path / "animals" / "held.png", exif=exif)
    pixels = pixels_of(tmp_path, "held.png")
    assert pixels[:, :, -4:].min() == 255
    assert pixels[:, :, :4].max() == 0


def test_the_middle_of_a_long_image_is_used(tmp_path: Path) -> None:
    image = Image.new("RGB", (100, 20), (10, 10, 10))
    image.paste((250, 250, 250), (40, 0, 60, 20))
    (tmp_path / "animals").mkdir()
    image.save(tmp_path / "animals" / "long.png")
    pixels = pixels_of(tmp_path, "long.png")
    assert pixels[:, :, 1:-1].min() == 250
    assert pixels.min() > 220  # the outermost columns are blended with their neighbors


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_range_are_refused(whole: Path, config: DataConfig, mode: str) -> None:
    values = np.full((20, 24), 100_000, dtype=np.float32 if mode == "F" else np.int32)
    Image.fromarray(values).save(whole / "animals" / "ant" / "odd.tiff")
    with pytest.raises(ConfigError, match=r"odd\.tiff \(ValueError: its pixels are .* no fixed range\)"):
        load_splits(config, whole, ("train", "val", "test"))


def test_classes_are_numbered_by_name_and_every_image_is_in_one_split(whole: Path, config: DataConfig) -> None:
    splits = load_splits(config, whole, ("train", "val", "test"))
    assert {name: len(split) for name, split in splits.items()} == {"train": 68, "val": 10, "test": 19}
    labels = np.concatenate([split.labels for split in splits.values()])
    assert np.bincount(labels).tolist() == [24, 24, 24, 25]


def test_both_places_give_the_same_pixels(whole: Path, config: DataConfig) -> None:
    def pixels(memory_share: float) -> ImageSplit:
        return load_splits(config, whole, ("train",), memory_share)["train"]

    memory, stored = pixels(0.25), pixels(0.0)
    assert isinstance(memory, LabelledImages)
    assert isinstance(stored, StoredImages)
    assert np.array_equal(memory.images, stored.take(np.arange(len(stored))))
    assert np.array_equal(memory.labels, stored.labels)


def test_a_folder_without_an_image_is_refused(whole: Path, config: DataConfig) -> None:
    (whole / "animals" / "emu").mkdir()
    with pytest.raises(ConfigError, match=r"no image in .*animals/emu\. Every folder is a class"):
        load_splits(config, whole, ("train", "val"))


def test_a_folder_that_is_split_is_used_as_it_is(tmp_path: Path, config: DataConfig) -> None:
    folder = tmp_path / "animals"
    fill(folder / "train", ["ant", "bee"], 6)
    fill(folder / "val", ["ant", "bee"], 2)
    fill(folder / "test", ["bee"], 3)  # a class may be missing where nothing is learned
    splits = load_splits(replace(config, val_size=None, test_size=None), tmp_path, ("train", "val", "test"))
    assert [len(split) for split in splits.values()] == [12, 4, 3]
    assert splits["test"].labels.tolist() == [1, 1, 1]
    with pytest.raises(ConfigError, match=r"data\.val_size: got 10, but ImageFolder has a val split .* takes null"):
        load_splits(replace(config, test_size=None), tmp_path, ("train",))
    fill(folder / "val", ["dog"], 1)
    with pytest.raises(ConfigError, match=r"val has the classes dog, which .*train does not have"):
        load_splits(replace(config, val_size=None, test_size=None), tmp_path, ("train", "val"))


def test_a_folder_whose_val_is_the_test_has_its_validation_images_carved(tmp_path: Path, config: DataConfig) -> None:
    folder = tmp_path / "animals"
    fill(folder / "train", ["ant", "bee"], 6)
    fill(folder / "val", ["bee"], 2)
    source = {**NODE, "test_folder": "val"}
    config = replace(config, source=source, val_size=4, test_size=None)
    splits = load_splits(config, tmp_path, ("train", "val", "test"))
    assert [len(split) for split in splits.values()] == [8, 4, 2]
    assert splits["test"].labels.tolist() == [1, 1]  # numbered as the classes of train
    with pytest.raises(ConfigError, match=r"data\.val_size: got None, but ImageFolder has no val split"):
        load_splits(replace(config, val_size=None), tmp_path, ("train",))


def test_a_search_does_not_look_into_the_test_folder(tmp_path: Path, config: DataConfig) -> None:
    fill(tmp_path / "animals" / "train", ["ant", "bee"], 6)
    (tmp_path / "animals" / "test" / "ant").mkdir(parents=True)
    (tmp_path / "animals" / "test" / "ant" / "broken.png").write_bytes(b"broken")
    config = replace(config, val_size=2, test_size=None)
    load_splits(config, tmp_path, ("train", "val"))
    with pytest.raises(ConfigError, match=r"broken\.png"):
        load_splits(config, tmp_path, ("test",))


def test_a_folder_that_is_not_there_is_told_with_a_near_name(whole: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no folder .*/animal\. Did you mean 'animals'"):
        build_source({**NODE, "folder": "animal"}, whole)


def test_only_one_or_three_channels_are_read_from_files(whole: Path, config: DataConfig) -> None:
    with pytest.raises(ConfigError, match=r"^data\.channels: got 4; image files are read with 1 or 3 channels\.$"):
        load_splits(replace(config, channels=4), whole, ("train",))


def test_a_pipe_among_the_images_is_told_and_not_waited_for(tmp_path: Path, config: DataConfig) -> None:
    fill(tmp_path / "animals", list(CLASSES), 4)
    os.mkfifo(tmp_path / "animals" / "bee" / "pipe.png")
    with pytest.raises(ConfigError, match=r"pipe\.png \(ValueError: it is no regular file\)"):
        load_splits(config, tmp_path, ("train", "val"))
