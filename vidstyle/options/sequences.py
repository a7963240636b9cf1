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
    "help": "Frame numbers: 1001-1100,1150; 1001- and -1100 are open ranges, and 1001-1100x10 is "
    "every tenth.",
    "panel": SEQUENCES,
    "metavar": "RANGES",
    "unset": "all",
}


@dataclass(frozen=True)
class PictureOptions(Options):
    """How picture files are read and written."""

    input_space: InputSpace = SEQUENCES.option(
        "auto",
        "Whether values are scene-linear or srgb; auto takes EXR and floating-point TIFF as "
        "linear.",
    )
    layer: str = SEQUENCES.option(
        "", "The layer or part of EXR files to restyle.", metavar="NAME", unset="the main one"
    )
    jpeg_quality: int = SEQUENCES.option(
        95, "Quality of JPEG files that are written.", min=1, max=100
    )


@dataclass(frozen=True)
class FrameOptions(PictureOptions):
    """Which pictures of a sequence to restyle, what of them, and what of earlier runs to keep."""

    frames: str | None = option(None, **RANGES, results=False)
    alpha: Literal["keep", "style"] = SEQUENCES.option(
        "keep",
        "keep restyles colours as they are; style first extends them under transparent areas, so "
        "that edges get no dark fringe. Alpha itself never changes.",
    )
    mattes: tuple[str | Path, ...] = SEQUENCES.option(
        (),
        "Paint where this picture or sequence is white; repeat with --style for further regions.",
        flags=("--matte",),
        metavar="DIR|PATTERN|FILE",
    )
    invert_matte: bool = SEQUENCES.option(False, "Paint where mattes are black.")
    write_flow: Path | None = SEQUENCES.option(
        None, "Write motion vectors as EXR files to this directory.", metavar="DIR", results=False
    )
    write_occlusion: Path | None = SEQUENCES.option(
        None,
        "Write masks of what the previous frame did not show to this directory.",
        metavar="DIR",
        results=False,
    )
    on_error: OnError = SEQUENCES.option(
        "stop",
        "What to do with unreadable frames: stop, skip them, or copy their files.",
        results=False,
    )
    resume: bool = BASIC.option(
        True,
        "Continue what an earlier run with the same settings has finished.",
        flags=("--resume/--no-resume",),
        results=False,
    )
    overwrite: bool = BASIC.option(
        False, "Make all frames anew and replace existing files.", results=False
    )
    watch: bool = SEQUENCES.option(
        False, "Wait for further frames while they are rendered.", results=False
    )
    watch_timeout: float = SEQUENCES.option(
        60.0,
        "Seconds without a new frame after which --watch ends.",
        above=0,
        unit="seconds",
        results=False,
    )
    fps: Fraction | float = SEQUENCES.option(
        24.0, "Frames per second, for cuts listed by time.", above=0
    )

    @property
    def rate(self) -> Fraction:
        """``fps`` as a fraction; 23.976 is 24000/1001."""
        return exact_rate(self.fps)


@dataclass(frozen=True)
class ClipOptions(PictureOptions):
    """How an image sequence is a video."""

    fps: Fraction | float | None = SEQUENCES.option(
        None, "Frames per second of an input sequence.", above=0, unset="what EXR files say"
    )
    frames: str | None = option(None, **RANGES)

    @property
    def picture(self) -> PictureOptions:
        return PictureOptions(self.input_space, self.layer, self.jpeg_quality)
