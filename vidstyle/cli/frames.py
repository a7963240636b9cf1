"""``vidstyle frames``: restyle the pictures of a sequence."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from vidstyle.cli.engines import check_fast
from vidstyle.cli.learning import learned_styles
from vidstyle.cli.parameters import Given, Take, with_options
from vidstyle.options import FastOptions, FrameOptions, LearnOptions, TemporalOptions
from vidstyle.options.commands import EngineOptions, FrameStyleOptions, ProgressOptions


@with_options
def frames(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A directory, a pattern (shot_%04d.png, shot.####.exr), or a glob.",
        ),
    ],
    output: Annotated[
        str, typer.Argument(metavar="OUTPUT", help="A directory, or a pattern of any format.")
    ],
    *,
    styles: FrameStyleOptions,
    fast: Annotated[Given, Take(FastOptions())],
    learning: Annotated[Given, Take(LearnOptions())],
    engines: Annotated[EngineOptions, Take(EngineOptions(), only=("vgg",))],
    temporal: TemporalOptions,
    options: FrameOptions,
    shown: ProgressOptions,
) -> None:
    """Restyle an image sequence: PNG, TIFF, JPEG, EXR or DPX.

    Names, numbers, bit depth, alpha, metadata and other layers stay as they are. The same command
    continues a run that was interrupted.
    """
    from vidstyle.cli.progress import Reporter
    from vidstyle.pipeline import frames
    from vidstyle.pipeline.photos import clip_photos

    check_fast(fast)
    photos = partial(clip_photos, source, clip=options)
    names = learned_styles(styles.style, photos, learning, engines.vgg, shown.progress)
    with Reporter(shown) as reporter:
        summary = frames.stylize_frames(
            source,
            output,
            names,
            fast=FastOptions(**fast),
            temporal=temporal,
            frames=options,
            listener=reporter,
        )
        reporter.done(summary)
