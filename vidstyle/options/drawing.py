"""How the fast engine draws, and how it steadies what it has drawn."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import vidstyle.options.shared as shared
from vidstyle.errors import OptionError
from vidstyle.options.base import BASIC, MOTION, SIZE, SPEED, STYLE, Options
from vidstyle.options.values import StrokeSize, parse_stroke_size

Backend = Literal["auto", "torch", "openvino"]
Quality = Literal["draft", "standard", "fine"]
FlowPreset = Literal["ultrafast", "fast", "medium"]

STROKE_SIZES = (0.25, 32.0)


def usual_flow(quality: Quality) -> FlowPreset:
    """The preset of the optical flow that is used for a quality unless another is given."""
    return "fast" if quality == "draft" else "medium"


@dataclass(frozen=True)
class FastOptions(Options):
    """How the fast engine draws, and where it computes."""

    strength: float = shared.strength()
    color: Literal["style", "keep"] = STYLE.option(
        "style",
        "Whose colours to use: the style's, or the picture's own (keep: only brightness changes).",
    )
    device: str = shared.device()
    precision: str = SPEED.option(
        "auto",
        "auto, fp32, bf16, fp16 or int8; auto picks the fastest here. "
        "Optimization supports fp32 and bf16.",
    )
    batch_size: int | None = SPEED.option(
        None, "Frames to draw at once.", min=1, unset="one per CPU core up to 4, or 8 on a GPU"
    )
    tile: int | None = SIZE.option(
        None,
        "Draw each layer in strips of this many rows to save memory; 0 draws pictures whole.",
        metavar="ROWS",
        min=0,
        unset="256 above 4.2 megapixels",
    )
    stroke_size: StrokeSize = SIZE.option(
        "auto",
        "Size of brush strokes as a multiple of the style's own; auto enlarges them "
        "on pictures above 2048 pixels.",
        metavar="auto|FACTOR",
        min=STROKE_SIZES[0],
        max=STROKE_SIZES[1],
        parse=parse_stroke_size,
    )
    quality: Quality = BASIC.option(
        "standard",
        "draft draws at half size with a smaller network, at twice the speed; "
        "fine computes in fp32 and compresses harder.",
    )
    backend: Backend = SPEED.option(
        "auto", "What runs the network; auto uses OpenVINO on CPUs where it is installed."
    )

    def check(self) -> None:
        if isinstance(self.stroke_size, str) and self.stroke_size != "auto":
            raise OptionError(f"stroke size must be auto or a number, not '{self.stroke_size}'")
        if self.quality == "draft" and self.tile:
            raise OptionError("drafts are small and drawn whole; leave --tile out")


@dataclass(frozen=True)
class TemporalOptions(Options):
    """How previous frames steady the current one."""

    temporal: float = BASIC.option(
        0.6,
        "How much previous frames steady each frame; 0 draws every frame by itself.",
        min=0,
        max=1,
    )
    flow: FlowPreset = MOTION.option(
        usual_flow("standard"), "Speed preset of the optical flow that previous frames follow."
    )
    cuts: str | Path = MOTION.option(
        "auto",
        "Where shots begin: auto detects cuts, none ignores them, a file lists them.",
        metavar="auto|none|FILE",
    )
