"""``vidstyle reconstruct``: what one layer of VGG19 remembers of a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidstyle.cli.choices import (
    TV_WEIGHT,
    Device,
    Iterations,
    LearningRate,
    MaxSide,
    OptimizerOption,
    Overwrite,
    Plot,
    PoolingOption,
    Precision,
    Progress,
    SaveEvery,
    Scales,
    Seed,
    Tolerance,
    TvWeight,
    Vgg,
)
from vidstyle.cli.progress import ProgressKind


def reconstruct(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The picture to remember.")],
    layer: Annotated[
        str, typer.Option(help="By what layer: relu3_1, or several with weights: name:1,name:0.5.")
    ] = "relu4_2",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to; PHOTO.<layer>.png or .jpg otherwise."),
    ] = None,
    tv_weight: TvWeight = TV_WEIGHT,
    optimizer: OptimizerOption = None,
    learning_rate: LearningRate = None,
    iterations: Iterations = None,
    tolerance: Tolerance = None,
    scales: Scales = None,
    pooling: PoolingOption = None,
    seed: Seed = None,
    save_every: SaveEvery = None,
    plot: Plot = None,
    vgg: Vgg = None,
    max_side: MaxSide = None,
    device: Device = "auto",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
    progress: Progress = ProgressKind.bar,
) -> None:
    """Find, from noise, a picture to which a layer of VGG19 responds as to the photo."""
    from vidstyle import image as images
    from vidstyle.cli.optimizing import Watch, choose, load_vgg, place
    from vidstyle.stylizers import reconstruct as find

    options = choose(
        None,
        {
            "content_weight": 1.0,
            "style_weight": 0.0,
            "content_layer": layer,
            "tv_weight": tv_weight,
            "optimizer": optimizer,
            "learning_rate": learning_rate,
            "iterations": iterations,
            "tolerance": tolerance,
            "scales": scales,
            "pooling": pooling,
            "seed": seed,
            "device": device,
            "precision": precision,
        },
    )
    names = "+".join(name for name, _ in options.content_layers)
    picture = images.fit(images.read_image(photo), max_side)
    target = place(output, photo, names, [photo], overwrite)
    watch = Watch(
        target,
        picture.shape[1::-1],
        progress,
        save_every=save_every,
        plot=plot,
        overwrite=overwrite,
    )
    network = load_vgg(vgg, options)
    watch.run(lambda: find(picture, options, vgg=network, listener=watch))
