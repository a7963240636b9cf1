"""Values of options that several commands share, and the shared options themselves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from vidstyle.cli.progress import ProgressKind
from vidstyle.errors import OptionError


class Flow(StrEnum):
    """Presets of the optical flow, from quick to exact."""

    ultrafast = "ultrafast"
    fast = "fast"
    medium = "medium"


class Engine(StrEnum):
    fast = "fast"
    optimize = "optimize"


class Color(StrEnum):
    style = "style"
    keep = "keep"
    histogram = "histogram"


COLORS = {Color.style: None, Color.keep: "keep", Color.histogram: "histogram"}
"""By the optimization engine's names; None is the preset's."""


class Preset(StrEnum):
    """Recipes of the optimization engine; ``stylizers/recipes.py`` says what is in them."""

    default = "default"
    gatys = "gatys"
    keras = "keras"
    notebook = "notebook"
    lecture = "lecture"
    owl = "owl"


class Quality(StrEnum):
    draft = "draft"
    standard = "standard"
    fine = "fine"


class Backend(StrEnum):
    auto = "auto"
    torch = "torch"
    openvino = "openvino"


class BitDepth(StrEnum):
    auto = "auto"
    eight = "8"
    ten = "10"


BIT_DEPTHS: dict[BitDepth, Literal["auto", 8, 10]] = {
    BitDepth.auto: "auto",
    BitDepth.eight: 8,
    BitDepth.ten: 10,
}


class Deinterlace(StrEnum):
    auto = "auto"
    off = "off"


class Hdr(StrEnum):
    sdr = "sdr"
    keep = "keep"


class Audio(StrEnum):
    copy = "copy"
    none = "none"


class Optimizer(StrEnum):
    lbfgs = "lbfgs"
    adam = "adam"


class Pooling(StrEnum):
    max = "max"
    average = "average"


def parse_size(text: str) -> tuple[int, int]:
    """Width and height from ``640x480``, or one number for both.

    Raises OptionError when it is neither.
    """
    try:
        sides = [int(side) for side in text.lower().split("x")]
        if len(sides) > 2 or min(sides) < 1:
            raise ValueError
    except ValueError as error:
        raise OptionError(f"'{text}' is no size; write 640x480, or 512") from error
    return sides[0], sides[-1]


def parse_stroke_size(text: str | None) -> float | Literal["auto"]:
    """A number, or auto, which it is unless given. Raises OptionError when it is neither."""
    if text is None or text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError as error:
        raise OptionError(f"--stroke-size is auto or a number, not '{text}'") from error


def usual_engine(style: str) -> Engine:
    """The fast one, unless a picture is among the styles, as no network has learned it."""
    from vidstyle.styles import has_pictures

    return Engine.optimize if has_pictures(style) else Engine.fast


def refuse(engine: Engine, given: Mapping[str, object]) -> None:
    """Raises OptionError when an option was given that only another engine has."""
    for name, value in given.items():
        if value is not None:
            raise OptionError(f"--{name.replace('_', '-')} is for --engine {engine} alone")


def check_fast(style: str, color: Color) -> None:
    """Raises OptionError when only the other engine can do it."""
    from vidstyle.styles import has_pictures

    if color is Color.histogram:
        raise OptionError("--color histogram is for --engine optimize alone")
    if has_pictures(style):
        raise OptionError(
            f"'{style}': the fast engine knows styles by name or style file; "
            "for a picture, use --engine optimize"
        )


TV_WEIGHT = 0.3
"""For pictures made from noise alone: without it, max pooling leaves a grain of the noise."""


# What is None here leaves the matter to the preset.
PresetOption = Annotated[
    Preset | None,
    typer.Option("--preset", help="A recipe to start from; the options below change it."),
]
ContentWeight = Annotated[
    float | None, typer.Option("--content-weight", help="How much the photo counts.")
]
StyleWeight = Annotated[
    float | None, typer.Option("--style-weight", help="How much the painting counts.")
]
TvWeight = Annotated[
    float | None, typer.Option("--tv-weight", help="How much smoothness counts (total variation).")
]
ContentLayer = Annotated[
    str | None,
    typer.Option("--content-layer", metavar="LAYERS", help="relu4_2, or several: name:weight,…"),
]
StyleLayers = Annotated[
    str | None,
    typer.Option("--style-layers", metavar="LAYERS", help="relu1_1:1,relu2_1:0.8,…"),
]
OptimizerOption = Annotated[Optimizer | None, typer.Option("--optimizer", help="Of the picture.")]
LearningRate = Annotated[float | None, typer.Option("--learning-rate", help="Of the optimizer.")]
Iterations = Annotated[
    int | None, typer.Option("--iterations", help="Steps at each scale, at most.")
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        "--tolerance", help="End a scale when 10 steps gain less than this share; 0: never."
    ),
]
Scales = Annotated[
    int | None,
    typer.Option(
        "--scales", help="Sizes from coarse to fine, each twice the last: larger strokes."
    ),
]
StyleSize = Annotated[
    int | None,
    typer.Option("--style-size", help="Short side of the painting; larger: larger strokes."),
]
PoolingOption = Annotated[Pooling | None, typer.Option("--pooling", help="Inside of VGG19.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Another seed, another noise.")]
SaveEvery = Annotated[
    int | None,
    typer.Option("--save-every", metavar="N", help="Keep OUTPUT.0050.png and so on."),
]
Plot = Annotated[
    Path | None, typer.Option("--plot", help="Draw the curves of the losses into this PNG.")
]
Vgg = Annotated[
    Path | None,
    typer.Option("--vgg", help="VGG19 weights; else VIDSTYLE_VGG19, else torchvision's download."),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[str, typer.Option("--precision", help="auto, fp32 or bf16.")]
MaxSide = Annotated[
    int | None, typer.Option("--max-side", help="Work with the longer side at most this.")
]
Temporal = Annotated[
    float,
    typer.Option("--temporal", help="How much the past steadies each frame, 0 to 1; 0 is off."),
]
FlowOption = Annotated[
    Flow, typer.Option("--flow", help="Optical flow that the past is moved along.")
]
VideoFlowOption = Annotated[
    Flow | None,
    typer.Option(
        "--flow",
        help="Optical flow that the past is moved along; medium, or fast for drafts.",
    ),
]
Cuts = Annotated[
    str,
    typer.Option("--cuts", metavar="auto|none|FILE", help="Where shots begin: found, or listed."),
]
EngineOption = Annotated[
    Engine | None,
    typer.Option("--engine", help="fast for learned styles, optimize for pictures, unless given."),
]
FastPrecision = Annotated[
    str,
    typer.Option("--precision", help="auto, fp32, bf16, fp16 or int8; auto is the fastest here."),
]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", help="Fast: frames at once; chosen by device unless given."),
]
Tile = Annotated[
    int | None,
    typer.Option(
        "--tile",
        metavar="ROWS",
        help="Fast: draw each layer in strips of so many rows, for less memory; 0: whole.",
    ),
]
StrokeSizeOption = Annotated[
    str | None,
    typer.Option(
        "--stroke-size",
        metavar="auto|FACTOR",
        help="Fast: times the network's own; auto: 1 up to 2048 pixels, and as the picture above.",
    ),
]
QualityOption = Annotated[
    Quality,
    typer.Option(
        "--quality", help="draft is drawn at half size, by a leaner network; fine in fp32."
    ),
]
BackendOption = Annotated[
    Backend,
    typer.Option("--backend", help="What computes; OpenVINO on a CPU, where it is installed."),
]
FastQuality = Annotated[
    Quality | None,
    typer.Option(
        "--quality",
        help="Fast: draft is drawn at half size, by a leaner network; fine in fp32. "
        "standard unless given.",
    ),
]
FastBackend = Annotated[
    Backend | None,
    typer.Option(
        "--backend", help="Fast: what computes; OpenVINO on a CPU, where it is installed."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output.")]
Progress = Annotated[
    ProgressKind,
    typer.Option("--progress", help="A bar, one JSON object a line, or nothing."),
]
