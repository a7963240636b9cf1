"""Makes the pictures in this folder from the sample clip: ``python docs/sheets.py``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vidstyle import FastOptions, FastStylizer, ReadOptions, VideoReader, available_styles
from vidstyle import image as images

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "samples" / "harbour.mp4"


def sample_frame(time: float) -> np.ndarray:
    with VideoReader(SAMPLE, ReadOptions(start=time)) as reader:
        return next(iter(reader)).image


def drawn(photo: np.ndarray, style: str, **options: float | str) -> np.ndarray:
    return FastStylizer(style, FastOptions(**options))(photo)  # type: ignore[arg-type]


def scaled(image: np.ndarray, width: int = 480) -> np.ndarray:
    return images.resize(image, width, round(image.shape[0] * width / image.shape[1]))


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


if __name__ == "__main__":
    main()
