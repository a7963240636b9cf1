"""Makes the pictures in this folder from the sample clip: ``python docs/sheets.py``."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from vidstyle import (
    FastOptions,
    FastStylizer,
    MotionTracker,
    ReadOptions,
    TemporalMemory,
    TemporalOptions,
    VideoReader,
    available_styles,
)
from vidstyle import image as images
from vidstyle.flow import dense_flow, warp

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "samples" / "harbour.mp4"


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


def main() -> None:
    photo = sample_frame(3.92)
    names = [name for name in available_styles() if name != "photo"]

    everything = [images.label(scaled(photo), "the sample clip")]
    everything += [images.label(scaled(drawn(photo, name)), name) for name in names]
    images.write_image(HERE / "harbour.jpg", images.contact_sheet(everything, 3), 85)

    detail = (slice(160, 430), slice(330, 810))
    details = [images.label(photo[detail], "the sample clip")]
    details += [images.label(drawn(photo, name)[detail], name) for name in names]
    images.write_image(HERE / "details.jpg", images.contact_sheet(details, 3), 85)

    ways = [
        images.label(scaled(drawn(photo, "scream", strength=s)), f"scream, --strength {s:g}")
        for s in (0.25, 0.5, 0.75)
    ]
    blends = ("scream:0.5,wave:0.5", "udnie:0.5,rain_princess:0.5")
    ways += [images.label(scaled(drawn(photo, blend)), blend) for blend in blends]
    kept = drawn(photo, "la_muse", color="keep")
    ways.append(images.label(scaled(kept), "la_muse, --color keep"))
    images.write_image(HERE / "strength.jpg", images.contact_sheet(ways, 3), 85)

    sea, town = (slice(400, 490), slice(120, 240)), (slice(235, 325), slice(395, 515))
    sheets = [flicker_sheet("wave", sea, 1.0), flicker_sheet("la_muse", town, 1.0)]
    images.write_image(HERE / "temporal.jpg", np.concatenate(sheets), 70)


if __name__ == "__main__":
    main()
