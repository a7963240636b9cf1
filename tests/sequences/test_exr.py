"""EXR: bit for bit but for the restyled colours, as the OpenEXR library reads it back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidstyle.errors import InputError, OutputError
from vidstyle.sequences import (
    Picture,
    PictureOptions,
    read_picture,
    write_exr_channels,
    write_picture,
)
from vidstyle.sequences.space import to_display

OpenEXR = pytest.importorskip("OpenEXR")

SRGB = PictureOptions(input_space="srgb")


def light(*shape: int, dtype: type = np.float16, seed: int = 0) -> np.ndarray:
    """Scene light: mostly below 1, some highlights, some negative values."""
    random = np.random.default_rng(seed)
    return (random.lognormal(-1.5, 1.5, shape) - 0.02).astype(dtype)


def planes(letters: str = "RGBA", dtype: type = np.float16, size: int = 24) -> dict[str, Any]:
    found = {letter: light(size, size + 8, dtype=dtype, seed=ord(letter)) for letter in letters}
    if "A" in found:
        alpha = np.random.default_rng(1).uniform(0.1, 1, found["A"].shape)
        alpha[: size // 2] = 1
        found["A"] = alpha.astype(dtype)
    return found


def save(path: Path, channels: dict[str, Any], **attributes: Any) -> Path:
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION} | attributes
    OpenEXR.File(header, dict(channels)).write(str(path))
    return path


def load(path: Path, part: int = 0) -> dict[str, np.ndarray]:
    file = OpenEXR.File(str(path), separate_channels=True)
    return {name: channel.pixels for name, channel in file.channels(part).items()}


def restyled(path: Path, picture: Picture, image: np.ndarray | None = None) -> Path:
    out = path.with_name(f"restyled_{path.name}")
    return write_picture(out, picture, 255 - picture.image if image is None else image)


ATTRIBUTES = {
    "framesPerSecond": Fraction(24000, 1001),
    "pixelAspectRatio": 2.0,
    "screenWindowWidth": 1.5,
    "chromaticities": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767),
    "owner": "vidstyle é",
    "shotNumber": 12,
    "exposure": 1.25,
    "views": ["left", "right"],
    "worldToCamera": np.arange(16, dtype=np.float32).reshape(4, 4),
    "offset": np.array([1.5, -2.5], np.float32),
}


def test_unchanged_files_are_the_same_bytes(tmp_path: Path) -> None:
    attributes = ATTRIBUTES | {
        "timeCode": OpenEXR.TimeCode(1, 2, 3, 4, 1, 0, 1, 0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7),
        "unknown": OpenEXR.OpaqueAttribute(b"\1\2\3", "studioType"),
        "preview": OpenEXR.PreviewImage(4, 2),
    }
    extra = {"depth.Z": light(24, 32, dtype=np.float32), "id": np.arange(768, dtype=np.uint32)}
    extra["id"] = extra["id"].reshape(24, 32)
    path = save(tmp_path / "a.exr", planes() | extra, **attributes)
    picture = read_picture(path)
    assert restyled(path, picture, picture.image).read_bytes() == path.read_bytes()


def test_only_the_colours_change(tmp_path: Path) -> None:
    extra = {"depth.Z": light(24, 32, dtype=np.float32), "N.X": light(24, 32, seed=5)}
    path = save(tmp_path / "a.exr", planes() | extra, **ATTRIBUTES)
    picture = read_picture(path)
    assert picture.linear
    assert picture.depth == "float16"
    assert picture.layers == ("N.X", "depth.Z")
    assert picture.frame_rate == Fraction(24000, 1001)
    out = restyled(path, picture)
    before, after = load(path), load(out)
    assert set(after) == set(before)
    for name in ("A", "depth.Z", "N.X"):
        np.testing.assert_array_equal(after[name], before[name])
        assert after[name].dtype == before[name].dtype
    for name in "RGB":
        assert after[name].dtype == np.float16
        assert (after[name] != before[name]).mean() > 0.9
    header = OpenEXR.File(str(out)).header()
    for name, value in ATTRIBUTES.items():
        assert np.all(np.asarray(header[name] == value)) or np.allclose(header[name], value), name


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_samples_that_stay_are_exact(tmp_path: Path, dtype: type) -> None:
    channels = planes(dtype=dtype)
    channels["R"][3, :5] = [np.nan, np.inf, -np.inf, 6e4, -3]
    channels["A"][4, :4] = [0, np.nan, -1, 1e-4]
    path = save(tmp_path / "a.exr", channels)
    picture = read_picture(path)
    assert np.isfinite(picture.image).all()
    assert picture.image.min() >= 0
    assert picture.image.max() <= 255
    image = picture.image.copy()
    image[10:] = 40
    after = load(restyled(path, picture, image))
    for name in "RGBA":
        np.testing.assert_array_equal(after[name][:10], channels[name][:10])


def test_what_is_no_number_stays(tmp_path: Path) -> None:
    channels = planes("RGB")
    channels["G"][2, :3] = [np.nan, np.inf, -np.inf]
    path = save(tmp_path / "a.exr", channels)
    picture = read_picture(path)
    assert picture.image[2, :3, 1].tolist() == [0, 255, 0]
    after = load(restyled(path, picture, np.full_like(picture.image, 100)))
    np.testing.assert_array_equal(after["G"][2, :3], channels["G"][2, :3])
    assert np.isfinite(after["G"]).sum() == after["G"].size - 3
    assert np.ptp(after["R"]) == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_stylizer_sees_the_view_transform(tmp_path: Path, dtype: type) -> None:
    channels = planes("RGB", dtype=dtype)
    picture = read_picture(save(tmp_path / "a.exr", channels))
    stored = np.dstack([channels[name] for name in "RGB"]).astype(np.float32)
    np.testing.assert_allclose(picture.image, np.maximum(to_display(stored), 0), rtol=1e-6)
    target = np.full_like(picture.image, to_display(np.array([0.18]))[0])
    after = load(restyled(tmp_path / "a.exr", picture, target))
    tolerance = 1e-3 if dtype == np.float16 else 1e-5
    for name in "RGB":
        np.testing.assert_allclose(after[name].astype(float), 0.18, rtol=tolerance)


def test_alpha_is_divided_out_and_multiplied_in_again(tmp_path: Path) -> None:
    surface, shape = np.array([0.5, 0.25, 0.1]), (16, 24)
    alpha = np.linspace(0, 1, 384).reshape(shape).astype(np.float32)
    channels = {
        name: (value * alpha).astype(np.float32) for name, value in zip("RGB", surface, strict=True)
    }
    path = save(tmp_path / "a.exr", channels | {"A": alpha})
    picture = read_picture(path)
    covered = alpha > 0
    np.testing.assert_allclose(
        picture.image[covered],
        np.broadcast_to(to_display(surface), (383, 3)),
        rtol=1e-5,
    )
    target = np.full_like(picture.image, to_display(np.array([0.4]))[0])
    after = load(restyled(path, picture, target))
    np.testing.assert_array_equal(after["A"], alpha)
    for name in "RGB":
        np.testing.assert_allclose(after[name][covered], 0.4 * alpha[covered], rtol=1e-5)


def test_light_without_alpha_is_kept(tmp_path: Path) -> None:
    channels = planes("RGB", dtype=np.float32)
    channels["A"] = np.zeros_like(channels["R"])
    path = save(tmp_path / "a.exr", channels)
    picture = read_picture(path)
    stored = np.dstack([channels[name] for name in "RGB"])
    np.testing.assert_allclose(picture.image, np.maximum(to_display(stored), 0), rtol=1e-6)
    after = load(restyled(path, picture, np.full_like(picture.image, 60)))
    assert (after["R"] > 0).all()


def test_alpha_can_be_replaced_and_added(tmp_path: Path) -> None:
    channels = {name: np.full((8, 16), 0.5, np.float16) for name in "RGB"}
    half = np.full((8, 16), 0.5, np.float32)
    for source in (channels, channels | {"A": np.ones((8, 16), np.float16)}):
        path = save(tmp_path / "a.exr", source)
        picture = read_picture(path)
        after = load(write_picture(tmp_path / "b.exr", picture, picture.image, alpha=half))
        np.testing.assert_array_equal(after["A"], half)
        for name in "RGB":
            np.testing.assert_allclose(after[name].astype(float), 0.25, rtol=1e-3)


def test_a_styles_white_is_paper_white_unless_the_scene_is_brighter(tmp_path: Path) -> None:
    channels = {name: np.full((64, 64), 0.2, np.float32) for name in "RGB"}
    channels["R"][60, 60] = 30
    path = save(tmp_path / "a.exr", channels)
    picture = read_picture(path)
    after = load(restyled(path, picture, np.full_like(picture.image, 255)))
    assert after["R"][0, 0] == 1
    assert after["R"][60, 60] == 30
    assert after["R"].max() == 30


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    "compression",
    ["NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB"],
)
def test_every_compression_keeps_the_rest(tmp_path: Path, compression: str, dtype: type) -> None:
    kind = getattr(OpenEXR, f"{compression}_COMPRESSION")
    channels = planes(dtype=dtype) | {
        f"diffuse.{name}": light(24, 32, seed=ord(name)) for name in "RGB"
    }
    path = save(tmp_path / "a.exr", channels, compression=kind)
    picture = read_picture(path)
    image = picture.image.copy()
    image[20:] = 99
    out = restyled(path, picture, image)
    before, after = load(path), load(out)
    for name in before:
        unchanged = slice(0, 20) if name in ("R", "G", "B") else slice(None)
        np.testing.assert_array_equal(after[name][unchanged], before[name][unchanged])
    lossy = compression in ("B44", "B44A", "DWAA", "DWAB")
    expected = OpenEXR.ZIP_COMPRESSION if lossy else kind
    assert OpenEXR.File(str(out)).header()["compression"] == expected


def test_parts_are_carried(tmp_path: Path) -> None:
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.PIZ_COMPRESSION}
    normals = {f"N.{name}": light(24, 32, dtype=np.float32, seed=ord(name)) for name in "XYZ"}
    small = header | {"dataWindow": (np.array([4, 5], np.int32), np.array([13, 12], np.int32))}
    parts = [
        OpenEXR.Part(header, normals, "normals"),
        OpenEXR.Part(header | {"comment": "main"}, planes(), "beauty"),
        OpenEXR.Part(small, {"mask": light(8, 10)}, "mask"),
    ]
    path = tmp_path / "a.exr"
    for part in parts:
        part.header["displayWindow"] = (np.zeros(2, np.int32), np.array([31, 23], np.int32))
    OpenEXR.File(parts).write(str(path))
    picture = read_picture(path)
    assert picture.layers == ("normals/N.X", "normals/N.Y", "normals/N.Z", "mask/mask")
    assert restyled(path, picture, picture.image).read_bytes() == path.read_bytes()
    out = restyled(path, picture)
    for part in (0, 2):
        before, after = load(path, part), load(out, part)
        for name in before:
            np.testing.assert_array_equal(after[name], before[name])
    assert (load(out, 1)["R"] != load(path, 1)["R"]).any()
    file = OpenEXR.File(str(out))
    assert [part.name() for part in file.parts] == ["normals", "beauty", "mask"]
    assert file.header(1)["comment"] == "main"


def test_a_layer_can_be_chosen(tmp_path: Path) -> None:
    main, diffuse, left = planes("RGB"), planes("RGB", size=24), planes("RGBA")
    diffuse = {f"diffuse.{name}": 0.5 * plane for name, plane in diffuse.items()}
    left = {f"left.{name}": 0.25 * plane for name, plane in left.items()}
    path = save(tmp_path / "a.exr", main | diffuse | left)
    picture = read_picture(path, PictureOptions(layer="diffuse"))
    stored = np.dstack([diffuse[f"diffuse.{name}"] for name in "RGB"])
    np.testing.assert_allclose(picture.image, np.maximum(to_display(stored), 0), rtol=1e-6)
    after = load(restyled(path, picture))
    assert (after["diffuse.R"] != diffuse["diffuse.R"]).any()
    np.testing.assert_array_equal(after["R"], main["R"])
    assert read_picture(path, PictureOptions(layer="left")).alpha is not None
    with pytest.raises(InputError, match="no layer 'specular'; name one of its layers: RGB, diff"):
        read_picture(path, PictureOptions(layer="specular"))


def test_a_part_can_be_chosen(tmp_path: Path) -> None:
    header = {"type": OpenEXR.scanlineimage}
    parts = [OpenEXR.Part(dict(header), planes("RGB"), name) for name in ("left", "right")]
    path = tmp_path / "a.exr"
    OpenEXR.File(parts).write(str(path))
    out = restyled(path, read_picture(path, PictureOptions(layer="right")))
    np.testing.assert_array_equal(load(out, 0)["R"], load(path, 0)["R"])
    assert (load(out, 1)["R"] != load(path, 1)["R"]).any()


@pytest.mark.parametrize("prefix", ["beauty", "ViewLayer.Combined", "whatever"])
def test_the_main_layer_is_found_without_being_named(tmp_path: Path, prefix: str) -> None:
    names = {f"{prefix}.{name}": plane for name, plane in planes().items()}
    others = {} if prefix == "whatever" else {f"z.{name}": light(24, 32) for name in "RGB"}
    picture = read_picture(save(tmp_path / "a.exr", names | others))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, names[f"{prefix}.A"])


def test_files_without_one_picture_are_refused(tmp_path: Path) -> None:
    two = {f"{layer}.{name}": light(8, 8) for layer in ("a", "b") for name in "RGB"}
    with pytest.raises(InputError, match="no single picture; name one of its layers: a, b"):
        read_picture(save(tmp_path / "a.exr", two))
    with pytest.raises(InputError, match="none of its channels are colours"):
        read_picture(save(tmp_path / "a.exr", {"Z": light(8, 8)}))
    numbers = {name: np.zeros((8, 8), np.uint32) for name in "RGB"}
    with pytest.raises(InputError, match="type uint; convert"):
        read_picture(save(tmp_path / "a.exr", numbers))


def test_grey_stays_grey_until_it_is_coloured(tmp_path: Path) -> None:
    path = save(tmp_path / "a.exr", planes("YA") | {"Z": light(24, 32, dtype=np.float32)})
    picture = read_picture(path)
    assert set(load(restyled(path, picture, picture.image / 2))) == {"A", "Y", "Z"}
    tinted = picture.image * np.array([1, 0.5, 0.2], np.float32)
    after = load(restyled(path, picture, tinted))
    assert set(after) == {"A", "R", "G", "B", "Z"}
    np.testing.assert_array_equal(after["R"], load(path)["Y"])


def test_types_of_channels_may_differ(tmp_path: Path) -> None:
    channels = planes()
    channels["G"] = light(24, 32, dtype=np.float32)
    channels["A"] = np.ones((24, 32), np.float32)
    path = save(tmp_path / "a.exr", channels)
    picture = read_picture(path)
    after = load(restyled(path, picture))
    assert {name: after[name].dtype for name in after} == {
        name: channels[name].dtype for name in after
    }


def test_a_data_window_within_the_picture(tmp_path: Path) -> None:
    window = np.array([6, 4], np.int32), np.array([37, 27], np.int32)
    display = np.zeros(2, np.int32), np.array([47, 35], np.int32)
    path = save(tmp_path / "a.exr", planes(), dataWindow=window, displayWindow=display)
    picture = read_picture(path)
    assert picture.image.shape == (36, 48, 3)
    assert picture.alpha is not None
    assert picture.alpha.shape == (36, 48)
    assert (picture.image[:4] == 0).all()
    assert (picture.alpha[:, 38:] == 0).all()
    assert restyled(path, picture, picture.image).read_bytes() == path.read_bytes()
    out = restyled(path, picture)
    header = OpenEXR.File(str(out)).header()
    assert header["dataWindow"][0].tolist() == [6, 4]
    assert load(out)["R"].shape == (24, 32)
    np.testing.assert_array_equal(load(out)["A"], load(path)["A"])


def test_overscan_is_restyled_too(tmp_path: Path) -> None:
    window = np.array([-4, -2], np.int32), np.array([27, 21], np.int32)
    display = np.zeros(2, np.int32), np.array([23, 19], np.int32)
    path = save(tmp_path / "a.exr", planes(), dataWindow=window, displayWindow=display)
    picture = read_picture(path)
    assert picture.image.shape == (24, 32, 3)
    header = OpenEXR.File(str(restyled(path, picture))).header()
    assert [corner.tolist() for corner in header["dataWindow"]] == [[-4, -2], [27, 21]]
    assert [corner.tolist() for corner in header["displayWindow"]] == [[0, 0], [23, 19]]


def test_tiles_stay_tiles(tmp_path: Path) -> None:
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 16
    path = save(tmp_path / "a.exr", planes(), type=OpenEXR.tiledimage, tiles=tiles)
    picture = read_picture(path)
    assert restyled(path, picture, picture.image).read_bytes() == path.read_bytes()
    header = OpenEXR.File(str(restyled(path, picture))).header()
    assert header["type"] == OpenEXR.tiledimage
    assert header["tiles"].xSize == 16


def test_values_to_look_at(tmp_path: Path) -> None:
    channels = planes("RGB")
    path = save(tmp_path / "a.exr", channels)
    picture = read_picture(path, SRGB)
    stored = np.dstack([channels[name] for name in "RGB"]).astype(np.float32)
    np.testing.assert_allclose(picture.image, np.clip(255 * stored, 0, 255), rtol=1e-6)
    assert restyled(path, picture, picture.image).read_bytes() == path.read_bytes()
    after = load(restyled(path, picture, np.full_like(picture.image, 51)))
    np.testing.assert_allclose(after["R"].astype(float), 0.2, rtol=1e-3)


def test_to_and_from_other_formats(tmp_path: Path) -> None:
    scene = save(tmp_path / "a.exr", planes(), framesPerSecond=Fraction(25))
    picture = read_picture(scene)
    png = read_picture(write_picture(tmp_path / "a.png", picture, picture.image))
    assert png.depth == "uint16"
    assert np.abs(png.image - picture.image).max() < 0.002
    assert png.alpha is not None
    assert picture.alpha is not None
    assert np.abs(png.alpha / 65535 - picture.alpha).max() < 1e-5
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    deep = write_picture(
        tmp_path / "d.png", None, (np.repeat(values, 3, 2) / 257).astype(np.float32)
    )
    source = read_picture(deep)
    exr = write_picture(tmp_path / "d.exr", source, source.image)
    after = load(exr)
    assert after["R"].dtype == np.float32
    assert after["R"].max() == 1
    assert after["R"][128, 0] == pytest.approx(0.2140, abs=1e-3)
    assert (np.diff(after["R"].ravel()) > 0).all()


def test_cut_short_files_are_refused_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    single = save(tmp_path / "single.exr", planes())
    several = tmp_path / "several.exr"
    parts = [OpenEXR.Part(dict(header), planes("RGB"), name) for name in "ab"]
    OpenEXR.File(parts).write(str(several))
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 16
    tiled = save(tmp_path / "tiled.exr", planes(), type=OpenEXR.tiledimage, tiles=tiles)
    for whole in (single, several, tiled):
        data = whole.read_bytes()
        path = tmp_path / "half.exr"
        for length in sorted({*range(1, 600, 7), *range(600, len(data), 301), len(data) - 1}):
            path.write_bytes(data[:length])
            with pytest.raises(InputError, match=r"half\.exr: (is|has)"):
                read_picture(path)
    assert capfd.readouterr().out == ""


def test_pixels_are_found_where_the_table_of_their_places_is_not_yet_written(
    tmp_path: Path,
) -> None:
    """It is the last that is written, so that there may be pixels without it."""
    path = save(tmp_path / "a.exr", planes())
    whole = read_picture(path).image
    data = bytearray(path.read_bytes())
    table = find_table(bytes(data))
    data[table : table + 16] = bytes(16)
    path.write_bytes(data)
    np.testing.assert_array_equal(read_picture(path).image, whole)
    path.write_bytes(data[:-100])
    with pytest.raises(InputError, match="damaged or cut short"):
        read_picture(path)


def find_table(data: bytes) -> int:
    """Where the places of the chunks are listed: the first is followed by two chunks' places."""
    for place in range(8, len(data) - 16):
        first = int.from_bytes(data[place : place + 8], "little")
        if place + 16 == first:
            return place
    raise AssertionError


def test_absurd_windows_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.exr", planes())
    data = path.read_bytes()
    for name in (b"dataWindow\0box2i\0", b"displayWindow\0box2i\0"):
        for corner in (2**30, 70000, -5):
            place = data.index(name) + len(name) + 4 + 8
            damaged = bytearray(data)
            damaged[place : place + 8] = corner.to_bytes(4, "little", signed=True) * 2
            path.write_bytes(damaged)
            with pytest.raises(InputError, match=r"claims to be|damaged"):
                read_picture(path)


def test_a_speck_in_a_huge_picture_is_refused(tmp_path: Path) -> None:
    display = np.zeros(2, np.int32), np.array([15999, 15999], np.int32)
    path = save(tmp_path / "a.exr", planes(), displayWindow=display)
    with pytest.raises(InputError, match="claims to be 16000×16000"):
        read_picture(path)


def test_random_damage_is_an_input_error_or_a_picture(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    path = save(tmp_path / "a.exr", planes())
    data = np.frombuffer(path.read_bytes(), np.uint8)
    for number in range(300):
        damaged = data.copy()
        places = random.integers(0, 420 if number % 2 else len(data), 3)
        damaged[places] = random.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            assert read_picture(path).image.ndim == 3
        except InputError as error:
            assert "a.exr" in str(error)


def test_names_need_not_be_english(tmp_path: Path) -> None:
    path = save(tmp_path / "a.exr", planes()).rename(tmp_path / "Bäume 樹.0001.exr")
    picture = read_picture(path)
    assert restyled(path, picture, picture.image).read_bytes() == path.read_bytes()


def test_writing_fails_cleanly(tmp_path: Path) -> None:
    (tmp_path / "folder.exr").mkdir()
    with pytest.raises(OutputError, match=r"folder\.exr"):
        write_exr_channels(tmp_path / "folder.exr", {"u": light(4, 4)})
    with pytest.raises(OutputError, match="cannot be written as EXR"):
        write_exr_channels(tmp_path / "b.exr", {"u": light(4, 4), "v": light(5, 5)})
    assert [path.name for path in tmp_path.iterdir()] == ["folder.exr"]


def test_integers_beside_the_colours_are_exact_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    for first in (0, 2**24 - 768):
        numbers = (first + np.arange(768, dtype=np.uint32)).reshape(24, 32)
        out = restyled(path, read_picture(save(path, planes() | {"id": numbers})))
        np.testing.assert_array_equal(load(out)["id"], numbers)
    with pytest.raises(InputError, match="channel id has integers above 16777216"):
        read_picture(save(path, planes() | {"id": numbers + np.uint32(10**9)}))


def test_integers_in_a_part_of_their_own_are_exact(tmp_path: Path) -> None:
    header = {"type": OpenEXR.scanlineimage}
    numbers = np.random.default_rng(0).integers(0, 2**32, (24, 32), np.uint32)
    parts = [
        OpenEXR.Part(dict(header), planes(), "beauty"),
        OpenEXR.Part(header, {"id": numbers}, "ids"),
    ]
    path = tmp_path / "a.exr"
    OpenEXR.File(parts).write(str(path))
    out = restyled(path, read_picture(path))
    np.testing.assert_array_equal(load(out, 1)["id"], numbers)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_many_pictures_take_no_more_memory_than_few(tmp_path: Path) -> None:
    path = save(tmp_path / "a.exr", planes(size=256) | {"Z": light(256, 264, dtype=np.float32)})
    out = tmp_path / "b.exr"
    used = []
    for number in range(150):
        picture = read_picture(path)
        write_picture(out, picture, picture.image / 2)
        if number >= 50:
            status = Path("/proc/self/status").read_text()
            used.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
    assert max(used[-10:]) - max(used[:10]) < 20
