"""``vidstyle features``: what VGG19 sees in a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidstyle.cli.parameters import Take, with_options
from vidstyle.options import FastOptions, ReadOptions, WriteOptions
from vidstyle.options.commands import EngineOptions, FeatureOptions, PictureOutput


@with_options
def features(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The picture to look at.")],
    *,
    output: Annotated[PictureOutput, Take(PictureOutput(), only=("output",))],
    options: FeatureOptions,
    engines: Annotated[EngineOptions, Take(EngineOptions(), only=("vgg",))],
    read: Annotated[ReadOptions, Take(ReadOptions(), only=("max_side",))],
    fast: Annotated[FastOptions, Take(FastOptions(), only=("device",))],
    write: Annotated[WriteOptions, Take(WriteOptions(), only=("overwrite",))],
) -> None:
    """Draw how the channels of VGG19's layers respond to a picture, as labelled grids."""
    from vidstyle import image as images
    from vidstyle.device import pick_device
    from vidstyle.disk import OutputLock
    from vidstyle.features import draw_grid, feature_maps
    from vidstyle.models.layers import deepest, layer_name
    from vidstyle.models.vgg import load_vgg19

    names = list(dict.fromkeys(layer_name(layer) for layer in options.layers.split(",")))
    target = output.output or images.beside(photo, "features").with_suffix(".png")
    picture = images.fit(images.read_image(photo), read.max_side)
    images.check_output(target, [photo], write.overwrite)
    with OutputLock(target, overwrite=write.overwrite):
        network = load_vgg19(engines.vgg, deepest(names)).to(pick_device(fast.device))
        maps = feature_maps(picture, names, network, options.maps)
        images.write_image(target, draw_grid(picture, maps, options.side, options.grey))
    typer.echo(f"{target}: {', '.join(names)} of {photo.name}")
