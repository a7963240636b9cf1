"""``vidstyle frames``: restyle the pictures of a sequence."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from vidstyle.cli.choices import (
    Backend,
    BackendOption,
    BatchSize,
    Color,
    Cuts,
    Device,
    FastPrecision,
    Flow,
    FlowOption,
    Overwrite,
    Progress,
    Quality,
    StrokeSizeOption,
    Temporal,
    Tile,
    check_fast,
    parse_stroke_size,
)
from vidstyle.cli.progress import AsJson, ProgressKind, Reporter
from vidstyle.errors import OptionError


class Alpha(StrEnum):
    keep = "keep"
    style = "style"


class InputSpace(StrEnum):
    auto = "auto"
    linear = "linear"
    srgb = "srgb"


class OnError(StrEnum):
    stop = "stop"
    skip = "skip"
    copy = "copy"


Frames = Annotated[
    str | None,
    typer.Option("--frames", metavar="RANGES", help="Which numbers: 1001-1100,1150."),
]
InputSpaceOption = Annotated[
    InputSpace,
    typer.Option(
        "--input-space", help="linear light, or srgb to look at; auto: linear for EXR alone."
    ),
]


def frames(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT", help="A directory, a pattern (shot_%04d.png, shot.####.exr), a glob."
        ),
    ],
    output: Annotated[
        str, typer.Argument(metavar="OUTPUT", help="A directory, or a pattern of any format.")
    ],
    style: Annotated[
        list[str],
        typer.Option(
            "--style", "-s", help="A name, a style file or a blend; again for each --matte."
        ),
    ] = ["scream"],  # noqa: B006
    strength: Annotated[float, typer.Option(help="From 0, the photo, to 1, the style.")] = 1.0,
    color: Annotated[
        Color, typer.Option(help="keep: the picture's own colours, only its light restyled.")
    ] = Color.style,
    temporal: Temporal = 0.6,
    flow: FlowOption = Flow.medium,
    cuts: Cuts = "auto",
    numbers: Frames = None,
    input_space: InputSpaceOption = InputSpace.auto,
    layer: Annotated[
        str, typer.Option(metavar="NAME", help="Of EXR files: the layer or part to restyle.")
    ] = "",
    jpeg_quality: Annotated[
        int, typer.Option(help="Of JPEG files that are written, 1 to 100.")
    ] = 95,
    alpha: Annotated[
        Alpha,
        typer.Option(help="style: colours go on under what is transparent, so edges are painted."),
    ] = Alpha.keep,
    matte: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR|PATTERN|FILE",
            help="Paint where it is white; again, with --style, for another region on top.",
        ),
    ] = None,
    invert_matte: Annotated[
        bool, typer.Option("--invert-matte", help="Paint where mattes are black.")
    ] = False,
    write_flow: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write motion vectors as EXR files.")
    ] = None,
    write_occlusion: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write masks of what the frame before did not show."),
    ] = None,
    on_error: Annotated[
        OnError, typer.Option(help="A frame that cannot be read: stop, skip it, or copy its file.")
    ] = OnError.stop,
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", help="Go on with what an earlier run has finished."),
    ] = True,
    watch: Annotated[
        bool, typer.Option("--watch", help="Wait for further frames, as they are rendered.")
    ] = False,
    watch_timeout: Annotated[
        float, typer.Option(help="Seconds without a new frame after which it ends.")
    ] = 60.0,
    fps: Annotated[float, typer.Option(help="For listed cuts: numbers a second.")] = 24.0,
    quality: Annotated[
        str,
        typer.Option(
            metavar="draft|standard|fine",
            help="draft is drawn at half size, by a leaner network; fine in fp32.",
        ),
    ] = "standard",
    device: Device = "auto",
    precision: FastPrecision = "auto",
    backend: BackendOption = Backend.auto,
    batch_size: BatchSize = None,
    tile: Tile = None,
    stroke_size: StrokeSizeOption = None,
    overwrite: Overwrite = False,
    progress: Progress = ProgressKind.bar,
    as_json: AsJson = False,
) -> None:
    """Restyle the pictures of a sequence: PNG, TIFF, JPEG or EXR.

    Names, numbers, bit depth, alpha, metadata and other layers stay as they are. A run that was
    interrupted goes on where it ended when the same command is given again.
    """
    from vidstyle.sequences.run import FrameOptions, stylize_frames
    from vidstyle.stylizers import FastOptions
    from vidstyle.temporal import TemporalOptions

    for name in style:
        check_fast(name, color)
    with Reporter(progress, as_json) as reporter:
        summary = stylize_frames(
            source,
            output,
            style,
            fast=FastOptions(
                strength=strength,
                color="keep" if color is Color.keep else "style",
                device=device,
                precision=precision,
                batch_size=batch_size,
                tile=tile,
                stroke_size=parse_stroke_size(stroke_size),
                quality=_quality(quality),
                backend=backend.value,
            ),
            temporal=TemporalOptions(temporal, flow.value, cuts),
            frames=FrameOptions(
                frames=numbers,
                input_space=input_space.value,
                layer=layer,
                jpeg_quality=jpeg_quality,
                alpha=alpha.value,
                mattes=tuple(matte or ()),
                invert_matte=invert_matte,
                write_flow=write_flow,
                write_occlusion=write_occlusion,
                on_error=on_error.value,
                resume=resume,
                overwrite=overwrite,
                watch=watch,
                watch_timeout=watch_timeout,
                fps=fps,
            ),
            listener=reporter,
        )
        reporter.done(summary)


def _quality(text: str) -> Literal["draft", "standard", "fine"]:
    """Raises OptionError where it is none, or what it meant before JPEG had a name of its own."""
    if text.isdigit():
        raise OptionError(f"--quality {text}: the quality of JPEG files is --jpeg-quality now")
    if text not in list(Quality):
        raise OptionError(f"--quality is draft, standard or fine, not '{text}'")
    return Quality(text).value
