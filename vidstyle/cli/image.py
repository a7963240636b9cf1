"""``vidstyle image``: restyle a still picture, with either engine."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli.engines import check_fast, default_engine, optimize_options, reject_options
from vidstyle.cli.parameters import Given, Take, with_options
from vidstyle.options import FastOptions, OptimizeOptions, ReadOptions, WriteOptions
from vidstyle.options.commands import (
    EngineOptions,
    PictureOutput,
    ProgressOptions,
    StyleOptions,
)

if TYPE_CHECKING:
    import numpy as np

    from vidstyle.stages import StageTimes


@with_options
def image(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The picture to restyle.")],
    *,
    style: StyleOptions,
    output: Annotated[PictureOutput, Take(PictureOutput(), only=("output",))],
    kept: Annotated[Given, Take(PictureOutput(), without=("output",))],
    engines: Annotated[Given, Take(EngineOptions())],
    fast: Annotated[Given, Take(FastOptions(), without=("batch_size",))],
    losses: Annotated[Given, Take(OptimizeOptions())],
    read: Annotated[ReadOptions, Take(ReadOptions(), only=("max_side",))],
    write: Annotated[WriteOptions, Take(WriteOptions(), only=("overwrite",))],
    shown: ProgressOptions,
) -> None:
    """Turn a photo into a painting: at once in a learned style, or slowly after any picture.

    The engine is fast, unless a picture is among the styles. Options of the other engine are
    refused.
    """
    job = Job(photo, style.style, output.output, read.max_side, write.overwrite, shown)
    if (engines.get("engine") or default_engine(style.style)) == "fast":
        reject_options("optimize", engines, losses, kept)
        check_fast(style.style, fast)
        draw_fast(job, FastOptions(**fast))
    else:
        reject_options("fast", fast)
        draw_optimized(job, engines, losses, PictureOutput(**kept))


@dataclass(frozen=True)
class Job:
    """What is to be done, by either engine."""

    photo: Path
    style: str
    output: Path | None
    max_side: int | None
    overwrite: bool
    shown: ProgressOptions

    def read(self, times: StageTimes) -> np.ndarray:
        """RGB uint8 H×W×3. Raises InputError."""
        from vidstyle.image import fit, read_image

        with times.measure("decode"):
            return fit(read_image(self.photo), self.max_side)


def draw_fast(job: Job, fast: FastOptions) -> None:
    """Draw in one pass through the network."""
    from vidstyle.cli.optimizing import Watch, place
    from vidstyle.stages import StageTimes
    from vidstyle.stylizers import FastStylizer

    stylizer = FastStylizer(job.style, fast)
    times = StageTimes()
    picture = job.read(times)
    output = place(job.output, job.photo, stylizer.style.label, [job.photo], job.overwrite)
    watch = Watch(output, picture.shape[1::-1], job.shown, overwrite=job.overwrite, times=times)
    watch.run(lambda: stylizer(picture))
    for notice in stylizer.notices:
        warnings.warn(notice, stacklevel=1)


def draw_optimized(job: Job, engines: Given, losses: Given, kept: PictureOutput) -> None:
    """Draw step by step."""
    from vidstyle.cli.optimizing import Watch, fast_stylizer, load_vgg, place
    from vidstyle.stages import StageTimes
    from vidstyle.styles import load_paintings
    from vidstyle.stylizers import OptimizeStylizer

    options = optimize_options(engines.get("recipe"), losses)
    times = StageTimes()
    picture, paintings = job.read(times), load_paintings(job.style)
    inputs = [job.photo, *paintings.paths]
    output = place(job.output, job.photo, paintings.label, inputs, job.overwrite)
    watch = Watch(
        output, picture.shape[1::-1], job.shown, kept, overwrite=job.overwrite, times=times
    )
    start = None
    if losses.get("init") == "fast":
        start = fast_stylizer(job.style, options.device)(picture)
    vgg = load_vgg(engines.get("vgg"), options)
    stylizer = OptimizeStylizer(paintings.weighted, options, vgg)
    watch.run(lambda: stylizer(picture, start=start, listener=watch))
