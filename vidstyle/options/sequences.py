"""Image sequences: which frames, what of them is restyled, and where the results go."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from vidstyle.options.base import BASIC, SEQUENCES, Options, option

InputSpace = Literal["auto", "linear", "srgb"]
OnError = Literal["stop", "skip", "copy"]


def exact_rate(fps: Fraction | float) -> Fraction:
    """The rate meant by a number: 23.976 and 29.97 are 24000/1001 and 30000/1001."""
    ntsc = Fraction(round(fps) * 1000, 1001)
    if fps != round(fps) and abs(ntsc - Fraction(fps)) < 0.005:
        return ntsc
    return Fraction(fps).limit_denominator(1001)


RANGES: dict[str, Any] = {
    "help": "Frame numbers: 1001-1100,1150; 1001- and -1100 are open ranges.",
    "panel": SEQUENCES,
    "metavar": "RANGES",
    "unset": "all",
}


@dataclass(frozen=True)
class PictureOptions(Options):
    """How picture files are read and written."""

    input_space: InputSpace = option(
        "auto",
        "Whether values are scene-linear or srgb; auto takes EXR and floating-point TIFF as "
        "linear.",
        panel=SEQUENCES,
    )
    layer: str = option(
        "",
        "The layer or part of EXR files to restyle.",
        panel=SEQUENCES,
        metavar="NAME",
        unset="the main one",
    )
    jpeg_quality: int = option(
        95, "Quality of JPEG files that are written.", panel=SEQUENCES, min=1, max=100
    )


@dataclass(frozen=True)
class FrameOptions(PictureOptions):
    """Which pictures of a sequence to restyle, what of them, and what of earlier runs to keep."""

    frames: str | None = option(None, **RANGES, results=False)
    alpha: Literal["keep", "style"] = option(
        "keep",
        "keep restyles colours as they are; style first extends them under transparent areas, so "
        "that edges get no dark fringe. Alpha itself never changes.",
        panel=SEQUENCES,
    )
    mattes: tuple[str | Path, ...] = option(
        (),
        "Paint where this picture or sequence is white; repeat with --style for further regions.",
        panel=SEQUENCES,
        flags=("--matte",),
        metavar="DIR|PATTERN|FILE",
    )
    invert_matte: bool = option(False, "Paint where mattes are black.", panel=SEQUENCES)
    write_flow: Path | None = option(
        None, "Write motion vectors as EXR files to this directory.",
        panel=SEQUENCES, metavar="DIR", results=False,
    )  # fmt: skip
    write_occlusion: Path | None = option(
        None, "Write masks of what the previous frame did not show to this directory.",
        panel=SEQUENCES, metavar="DIR", results=False,
    )  # fmt: skip
    on_error: OnError = option(
        "stop",
        "What to do with unreadable frames: stop, skip them, or copy their files.",
        panel=SEQUENCES,
        results=False,
    )
    resume: bool = option(
        True,
        "Continue what an earlier run with the same settings has finished.",
        panel=BASIC,
        flags=("--resume/--no-resume",),
        results=False,
    )
    overwrite: bool = option(
        False, "Make all frames anew and replace existing files.", panel=BASIC, results=False
    )
    watch: bool = option(
        False, "Wait for further frames while they are rendered.", panel=SEQUENCES, results=False
    )
    watch_timeout: float = option(
        60.0,
        "Seconds without a new frame after which --watch ends.",
        panel=SEQUENCES,
        above=0,
        unit="seconds",
        results=False,
    )
    fps: Fraction | float = option(
        24.0, "Frames per second, for cuts listed by time.", panel=SEQUENCES, above=0
    )

    @property
    def rate(self) -> Fraction:
        """``fps`` as a fraction; 23.976 is 24000/1001."""
        return exact_rate(self.fps)


@dataclass(frozen=True)
class ClipOptions(PictureOptions):
    """How an image sequence is a video."""

    fps: Fraction | float | None = option(
        None,
        "Frames per second of an input sequence.",
        panel=SEQUENCES,
        above=0,
        unset="what EXR files say",
    )
    frames: str | None = option(None, **RANGES)

    @property
    def picture(self) -> PictureOptions:
        return PictureOptions(self.input_space, self.layer, self.jpeg_quality)
