"""Makes the pictures in this folder from the sample clip.

    python docs/sheets.py [NAME …]

The names are those of the files: ``harbour``, ``details`` … Made only when asked for, as they need
the folder that VIDSTYLE_DATA names: ``styles``, ``people`` and ``clips``, of the photos and clips
there, and those of the optimization engine (``optimization``, ``synthesis``, ``features``), which
also need VGG19 and an hour on two cores. ``swatches`` is made by ``swatches.py``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from vidstyle import (
    FastOptions,
    FastStylizer,
    MotionTracker,
    OptimizeStylizer,
    ReadOptions,
    Step,
    TemporalMemory,
    TemporalOptions,
    VideoReader,
    available_styles,
    reconstruct,
    synthesize_texture,
)
from vidstyle import image as images
from vidstyle.cli.texture import TEXTURE
from vidstyle.features import draw_grid, feature_maps
from vidstyle.models.vgg import load_vgg19
from vidstyle.stylizers import RECIPES
from vidstyle.temporal.flow import dense_flow, warp

HERE = Path(__file__).parent
DATA = Path(os.environ.get("VIDSTYLE_DATA", HERE.parents[1] / "shared"))
SAMPLE = HERE.parent / "samples" / "harbour.mp4"
sys.path.insert(0, str(SAMPLE.parent))
SCENE = import_module("make_harbour")


def sample_frame(time: float) -> np.ndarray:
    with VideoReader(SAMPLE, ReadOptions(start=time)) as reader:
        return next(iter(reader)).image


def drawn(photo: np.ndarray, style: str, **options: float | str) -> np.ndarray:
    return FastStylizer(style, FastOptions(**options))(photo)  # type: ignore[arg-type]


def scaled(image: np.ndarray, width: int = 480) -> np.ndarray:
    return images.resize(image, width, round(image.shape[0] * width / image.shape[1]))


def steadied(start: float, count: int, style: str) -> list[tuple[np.ndarray, ...]]:
    """Source, frame by frame, and ours, for every frame of a part of the sample clip."""
    stylizer, options = FastStylizer(style), TemporalOptions()
    memory, results = TemporalMemory(options), []
    with (
        VideoReader(SAMPLE, ReadOptions(start=start)) as reader,
        MotionTracker(options) as tracker,
    ):
        for frame, motion in islice(tracker(reader), count):
            alone = stylizer(frame.image)
            results.append((frame.image, alone, memory(alone, motion.result())))
    return results


def flicker_sheet(style: str, part: tuple[slice, slice], start: float, zoom: int = 3) -> np.ndarray:
    """Four frames in a row, magnified, and what motion does not explain between the last two."""
    frames = steadied(start, 16, style)[-4:]
    flow = dense_flow(frames[-1][0], frames[-2][0])
    cells = []
    for row, name in enumerate(("the sample clip", f"{style}, frame by frame", f"{style}, ours")):
        crops = [frame[row][part] for frame in frames]
        left = cv2.absdiff(frames[-1][row], warp(frames[-2][row], flow))[part].astype(np.uint16)
        for number, crop in enumerate([*crops, (4 * left).clip(0, 255).astype(np.uint8)]):
            large = cv2.resize(crop, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
            captions = [
                name,
                "next frame",
                "next frame",
                "next frame",
                "not explained by motion, ×4",
            ]
            cells.append(images.label(large, captions[number]))
    return images.contact_sheet(cells, 5)


def scene() -> np.ndarray:
    """The sample clip's frame that most sheets show."""
    return sample_frame(3.92)


def styles() -> list[str]:
    return [name for name in available_styles() if name != "photo"]


def harbour() -> np.ndarray:
    """Every style."""
    photo = scene()
    cells = [images.label(scaled(photo), "the sample clip")]
    cells += [images.label(scaled(drawn(photo, name)), name) for name in styles()]
    return images.contact_sheet(cells, 4)


PEOPLE = ("woman", "bridge_people", "girl", "crowd", "swimmer", "penguin", "deer", "spaniel")
CLIPS = {"man_talking_vertical.mp4": 4.0, "bear_davis.mp4": 0.2, "basketball.mp4": 2.0}


def clip_frame(name: str) -> np.ndarray:
    with VideoReader(DATA / "clips" / name, ReadOptions(start=CLIPS[name])) as reader:
        return next(iter(reader)).image


def squared(image: np.ndarray, side: int) -> np.ndarray:
    """The middle of a picture."""
    image = images.resize_short_side(image, side)
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def in_all_styles(photos: list[np.ndarray], side: int) -> np.ndarray:
    """A style a row, drawn at 512 pixels on the short side, then made smaller."""
    photos = [images.resize_short_side(photo, 512) for photo in photos]
    cells = []
    for name in styles():
        row = [squared(drawn(photo, name), side) for photo in photos]
        cells += [images.label(row[0], name), *(images.label(cell, "") for cell in row[1:])]
    return images.contact_sheet(cells, len(photos))


def people() -> np.ndarray:
    """Eight photos that no network was trained on."""
    photos = [images.read_image(DATA / "photos_test" / f"{name}.jpg") for name in PEOPLE]
    return in_all_styles(photos, 200)


def clips() -> np.ndarray:
    """A frame of each of three clips."""
    return in_all_styles([clip_frame(name) for name in CLIPS], 280)


def overview() -> np.ndarray:
    """Every style on the sample clip and on a person, for the README."""
    person = images.resize_short_side(
        images.read_image(DATA / "photos_test" / "bridge_people.jpg"), 512
    )
    cells = []
    for name in styles():
        harbour = scaled(drawn(scene(), name), 400)
        beside = squared(drawn(person, name), harbour.shape[0])
        cells.append(images.label(np.hstack([harbour, beside]), name))
    return images.contact_sheet(cells, 4)


def details() -> np.ndarray:
    """Every style at full size."""
    photo = scene()
    detail = (slice(160, 430), slice(330, 810))
    cells = [images.label(photo[detail], "the sample clip")]
    cells += [images.label(drawn(photo, name)[detail], name) for name in styles()]
    return images.contact_sheet(cells, 3)


def strength() -> np.ndarray:
    """Strengths, blends, kept colours."""
    photo = scene()
    ways = [
        images.label(scaled(drawn(photo, "scream", strength=s)), f"scream, --strength {s:g}")
        for s in (0.25, 0.5, 0.75)
    ]
    blends = ("scream:0.5,wave:0.5", "udnie:0.5,rain_princess:0.5")
    ways += [images.label(scaled(drawn(photo, blend)), blend) for blend in blends]
    kept = drawn(photo, "la_muse", color="keep")
    ways.append(images.label(scaled(kept), "la_muse, --color keep"))
    return images.contact_sheet(ways, 3)


def temporal() -> np.ndarray:
    """What is left of flicker."""
    sea, town = (slice(400, 490), slice(120, 240)), (slice(235, 325), slice(395, 515))
    return np.concatenate([flicker_sheet("wave", sea, 1.0), flicker_sheet("la_muse", town, 1.0)])


# ---- the optimization engine --------------------------------------------------------------


def painting(name: str) -> np.ndarray:
    return images.read_image(DATA / "paintings" / f"{name}.jpg")


def watched(name: str) -> Callable[[Step], None]:
    """A listener that shows a bar."""
    bar = tqdm(desc=name)

    def show(step: Step) -> None:
        bar.total = step.total
        bar.set_postfix_str(f"loss {step.losses.total:.3g}", refresh=False)
        bar.update(step.iteration - bar.n)

    return show


def optimization() -> np.ndarray:
    """One photo and one painting by every recipe."""
    photo, style = scaled(scene(), 320), painting("starry_night")
    vgg = load_vgg19()
    cells = [images.label(photo, "the sample clip")]
    aside = images.resize_short_side(style, photo.shape[0])[:, : photo.shape[1]]
    ground = np.full_like(photo, 24)
    ground[:, : aside.shape[1]] = aside
    cells.append(images.label(ground, "The Starry Night"))
    for name, recipe in RECIPES.items():
        stylizer = OptimizeStylizer([(style, 1.0)], recipe.options, vgg)
        result = stylizer(photo, listener=watched(name))
        cells.append(images.label(result, f"--recipe {name}"))
    return images.contact_sheet(cells, 4)


def synthesis() -> np.ndarray:
    """Two seeds of a texture, and two of what layers remember."""
    style = images.resize_short_side(painting("starry_night"), 256)
    vgg, cells = load_vgg19(), [images.label(style[:256, :256], "The Starry Night, a part")]
    options = replace(TEXTURE, content_weight=1.0, iterations=100, scales=2)
    for seed in (1, 2):
        made = synthesize_texture(
            [(style, 1.0)],
            256,
            256,
            replace(options, seed=seed),
            vgg=vgg,
            listener=watched(f"texture {seed}"),
        )
        cells.append(images.label(made, f"texture, --seed {seed}"))
    photo = scaled(scene(), 455)[:, 80:336]
    for layer in ("relu4_1", "relu5_1"):
        cells.append(images.label(photo, "the sample clip, a part"))
        for seed in (1, 2):
            memory = replace(options, content_layers=((layer, 1.0),), seed=seed)
            found = reconstruct(photo, memory, vgg=vgg, listener=watched(f"{layer} {seed}"))
            cells.append(images.label(found, f"--content-layer {layer}, --seed {seed}"))
    return images.contact_sheet(cells, 3)


def features() -> np.ndarray:
    """What VGG19 sees."""
    photo, layers = scene(), ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    return draw_grid(photo, feature_maps(photo, layers, load_vgg19(last=layers[-1]), 8))


def large() -> np.ndarray:
    """One scene at three sizes, whole and a part, with strokes of the network's and of its size."""
    cells = []
    ways = ((960, "auto"), (1920, "auto"), (3840, 1), (3840, "auto"))
    for width, size in ways:
        photo = SCENE.render(98, width=width, height=width * 9 // 16)
        painting = drawn(photo, "scream", stroke_size=size)
        part = painting[
            width * 19 // 80 : width * 31 // 80, width // 3 : width // 3 + width * 4 // 15
        ]
        name = f"{width} pixels" + (f", --stroke-size {size}" if width > 2048 else "")
        cells.append((images.label(scaled(painting, 400), name), scaled(part, 400)))
    whole, parts = zip(*cells, strict=True)
    height = whole[0].shape[0] - parts[0].shape[0]
    parts = tuple(np.pad(part, ((0, height), (0, 0), (0, 0))) for part in parts)
    return images.contact_sheet([*whole, *parts], len(ways))


SHEETS: dict[str, tuple[Callable[[], np.ndarray], int]] = {
    "harbour": (harbour, 85),
    "details": (details, 85),
    "strength": (strength, 85),
    "temporal": (temporal, 70),
    "large": (large, 75),
}
OF_DATA: dict[str, tuple[Callable[[], np.ndarray], int]] = {
    "styles": (overview, 85),
    "people": (people, 75),
    "clips": (clips, 75),
    "optimization": (optimization, 85),
    "synthesis": (synthesis, 85),
    "features": (features, 85),
}
"""Each by its name, with the quality of the JPEG."""


def main() -> None:
    for name in sys.argv[1:] or SHEETS:
        make, quality = {**SHEETS, **OF_DATA}[name]
        images.write_image(HERE / f"{name}.jpg", make(), quality)


if __name__ == "__main__":
    main()
