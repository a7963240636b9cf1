"""``vidstyle texture``: as much of a painting's texture as is wanted, without its motif."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidstyle.cli.choices import (
    TV_WEIGHT,
    Device,
    Iterations,
    LearningRate,
    OptimizerOption,
    Overwrite,
    Plot,
    PoolingOption,
    Precision,
    Progress,
    SaveEvery,
    Scales,
    Seed,
    StyleSize,
    Tolerance,
    TvWeight,
    Vgg,
    parse_size,
)
from vidstyle.cli.progress import ProgressKind

LAYERS = "relu1_1,relu2_1,relu3_1,relu4_1"
"""relu5_1 is not among them: it sees so much that the painting's motif comes back."""


def texture(
    painting: Annotated[
        str,
        typer.Argument(
            metavar="PAINTING", help="A picture, a style's name, or several: a.jpg:2,scream:1."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to; PAINTING.texture.png or .jpg otherwise."),
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="WxH", help="Width and height, or one number for both.")
    ] = "512x512",
    layers: Annotated[
        str, typer.Option(help="Whose Gram matrices are imitated: relu1_1:1,relu2_1:0.8,…")
    ] = LAYERS,
    tv_weight: TvWeight = TV_WEIGHT,
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
    device: Device = "auto",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
    progress: Progress = ProgressKind.bar,
) -> None:
    """Synthesize a texture like a painting's, from noise."""
    from vidstyle.cli.optimizing import Watch, choose, load_vgg, place
    from vidstyle.image import is_picture_name
    from vidstyle.styles import load_paintings
    from vidstyle.stylizers import synthesize_texture

    width, height = parse_size(size)
    options = choose(
        None,
        {
            "content_weight": 0.0,
            "style_weight": 1.0,
            "style_layers": layers,
            "tv_weight": tv_weight,
            "optimizer": optimizer,
            "learning_rate": learning_rate,
            "iterations": iterations,
            "tolerance": tolerance,
            "scales": scales,
            "style_size": style_size,
            "pooling": pooling,
            "seed": seed,
            "device": device,
            "precision": precision,
        },
    )
    paintings = load_paintings(painting)
    source = Path(painting) if is_picture_name(painting) else Path(paintings.label)
    target = place(output, source, "texture", paintings.paths, overwrite)
    watch = Watch(
        target, (width, height), progress, save_every=save_every, plot=plot, overwrite=overwrite
    )
    network = load_vgg(vgg, options)
    watch.run(
        lambda: synthesize_texture(
            paintings.weighted, width, height, options, vgg=network, listener=watch
        )
    )
