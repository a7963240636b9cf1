"""``vidstyle image``: restyle a still picture, with either engine."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli.choices import (
    COLORS,
    Color,
    ContentLayer,
    ContentWeight,
    Device,
    Engine,
    EngineOption,
    Iterations,
    LearningRate,
    MaxSide,
    OptimizerOption,
    Overwrite,
    Plot,
    PoolingOption,
    Preset,
    PresetOption,
    Progress,
    SaveEvery,
    Scales,
    Seed,
    StrokeSizeOption,
    StyleLayers,
    StyleSize,
    StyleWeight,
    Tile,
    Tolerance,
    TvWeight,
    Vgg,
    check_fast,
    parse_stroke_size,
    refuse,
    usual_engine,
)
from vidstyle.cli.progress import AsJson, ProgressKind

if TYPE_CHECKING:
    import numpy as np

    from vidstyle.stages import StageTimes


def image(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The picture to restyle.")],
    style: Annotated[
        str,
        typer.Option(
            "--style", "-s", help="A painting's picture, a style's name or file, or several: a:2,b."
        ),
    ] = "scream",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to; PHOTO.<style>.png or .jpg otherwise."),
    ] = None,
    engine: EngineOption = None,
    strength: Annotated[
        float | None, typer.Option(help="Fast: from 0, the photo, to 1, the style.")
    ] = None,
    color: Annotated[
        Color,
        typer.Option(
            help="keep: the photo's own colours, only its light restyled. "
            "histogram (optimize): the painting is first given the photo's colours."
        ),
    ] = Color.style,
    preset: PresetOption = None,
    content_weight: ContentWeight = None,
    style_weight: StyleWeight = None,
    tv_weight: TvWeight = None,
    content_layer: ContentLayer = None,
    style_layers: StyleLayers = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="content|noise|fast|PICTURE",
            help="What to start from; fast: the fast engine's picture in this style.",
        ),
    ] = None,
    optimizer: OptimizerOption = None,
    learning_rate: LearningRate = None,
    iterations: Iterations = None,
    tolerance: Tolerance = None,
    scales: Scales = None,
    style_size: StyleSize = None,
    pooling: PoolingOption = None,
    seed: Seed = None,
    save_every: SaveEvery = None,
    plot: Plot = None,
    vgg: Vgg = None,
    max_side: MaxSide = None,
    tile: Tile = None,
    stroke_size: StrokeSizeOption = None,
    device: Device = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, fp32 or bf16; fast: fp16 and int8 too.")
    ] = "auto",
    overwrite: Overwrite = False,
    progress: Progress = ProgressKind.bar,
    as_json: AsJson = False,
) -> None:
    """Turn a photo into a painting: at once in a learned style, or slowly after any picture.

    The engine is fast, unless a picture file is among the styles. Options that are only for the
    other engine are refused.
    """
    recipe = {
        "content_weight": content_weight,
        "style_weight": style_weight,
        "tv_weight": tv_weight,
        "content_layer": content_layer,
        "style_layers": style_layers,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "iterations": iterations,
        "tolerance": tolerance,
        "scales": scales,
        "style_size": style_size,
        "pooling": pooling,
        "seed": seed,
    }
    job = Job(
        photo, style, output, color, max_side, device, precision, overwrite, progress, as_json
    )
    if (engine or usual_engine(style)) is Engine.fast:
        others = {"save_every": save_every, "plot": plot, "vgg": vgg}
        refuse(Engine.optimize, {"preset": preset, "init": init, **recipe, **others})
        draw_fast(job, strength, tile, stroke_size)
    else:
        refuse(Engine.fast, {"strength": strength, "tile": tile, "stroke_size": stroke_size})
        draw_optimized(job, preset, recipe, init, vgg, save_every, plot)


@dataclass(frozen=True)
class Job:
    """The options that both engines have."""

    photo: Path
    style: str
    output: Path | None
    color: Color
    max_side: int | None
    device: str
    precision: str
    overwrite: bool
    progress: ProgressKind
    as_json: bool

    def read(self, times: StageTimes) -> np.ndarray:
        from vidstyle.image import fit, read_image

        with times.measure("decode"):
            return fit(read_image(self.photo), self.max_side)


def draw_fast(job: Job, strength: float | None, tile: int | None, stroke_size: str | None) -> None:
    """In one pass through the network."""
    from vidstyle.cli.optimizing import Watch, place
    from vidstyle.stages import StageTimes
    from vidstyle.stylizers import FastOptions, FastStylizer

    check_fast(job.style, job.color)
    options = FastOptions(
        strength=1.0 if strength is None else strength,
        color="keep" if job.color is Color.keep else "style",
        device=job.device,
        precision=job.precision,
        tile=tile,
        stroke_size=parse_stroke_size(stroke_size),
    )
    stylizer = FastStylizer(job.style, options)
    times = StageTimes()
    picture = job.read(times)
    output = place(job.output, job.photo, stylizer.style.label, [job.photo], job.overwrite)
    watch = Watch(output, picture.shape[1::-1], job.progress, as_json=job.as_json, times=times)
    watch.run(lambda: stylizer(picture))
    for notice in stylizer.notices:
        warnings.warn(notice, stacklevel=1)


def draw_optimized(
    job: Job,
    preset: Preset | None,
    recipe: Mapping[str, object],
    init: str | None,
    vgg: Path | None,
    save_every: int | None,
    plot: Path | None,
) -> None:
    """Step by step."""
    from vidstyle.cli.optimizing import Watch, choose, fast_stylizer, load_vgg, place
    from vidstyle.stages import StageTimes
    from vidstyle.styles import load_paintings
    from vidstyle.stylizers import OptimizeStylizer

    options = choose(
        preset,
        {
            **recipe,
            "init": init,
            "color": COLORS[job.color],
            "device": job.device,
            "precision": job.precision,
        },
    )
    times = StageTimes()
    picture, paintings = job.read(times), load_paintings(job.style)
    output = place(
        job.output, job.photo, paintings.label, [job.photo, *paintings.paths], job.overwrite
    )
    watch = Watch(
        output,
        picture.shape[1::-1],
        job.progress,
        save_every=save_every,
        plot=plot,
        overwrite=job.overwrite,
        as_json=job.as_json,
        times=times,
    )
    start = fast_stylizer(job.style, job.device)(picture) if init == "fast" else None
    stylizer = OptimizeStylizer(paintings.weighted, options, load_vgg(vgg, options))
    watch.run(lambda: stylizer(picture, start=start, listener=watch))
