"""``vidstyle image``: restyle a still picture, with either engine."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli.engines import (
    check_fast,
    chosen_engine,
    optimize_options,
    reject_fast,
    reject_optimization,
)
from vidstyle.cli.learning import learned_style
from vidstyle.cli.parameters import Given, Take, with_options
from vidstyle.options import FastOptions, LearnOptions, OptimizeOptions, ReadOptions, WriteOptions
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
    learning: Annotated[Given, Take(LearnOptions())],
    losses: Annotated[Given, Take(OptimizeOptions())],
    read: Annotated[ReadOptions, Take(ReadOptions(), only=("max_side",))],
    write: Annotated[WriteOptions, Take(WriteOptions(), only=("overwrite",))],
    shown: ProgressOptions,
) -> None:
    """Turn a photo into a painting: at once in a learned style, or slowly after any picture.

    The fast engine learns a picture's style in half a minute; the optimization engine imitates it
    closely and slowly. Options of the other engine are refused.
    """
    job = Job(photo, style.style, output.output, read.max_side, write.overwrite, shown)
    if chosen_engine(style.style, engines, losses, kept) == "fast":
        reject_optimization(style.style, engines, losses, kept)
        check_fast(fast)
        learn = partial(learned_style, given=learning, vgg=engines.get("vgg"))
        draw_fast(job, FastOptions(**fast), learn)
    else:
        reject_fast(fast, learning)
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


def draw_fast(job: Job, fast: FastOptions, learn: Callable[..., str]) -> None:
    """Draw in one pass through the network, once the style is learned."""
    from vidstyle.cli.optimizing import Watch, place
    from vidstyle.stages import StageTimes
    from vidstyle.styles import style_label
    from vidstyle.stylizers import FastStylizer

    times = StageTimes()
    picture = job.read(times)
    label = style_label(job.style)
    output = place(job.output, job.photo, label, [job.photo], job.overwrite)
    style = learn(job.style, lambda: [picture], progress=job.shown.progress)
    stylizer = FastStylizer(style, fast)
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
