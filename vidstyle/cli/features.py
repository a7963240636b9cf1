"""``vidstyle features``: what VGG19 sees in a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidstyle.cli.choices import Device, MaxSide, Overwrite, Vgg

LAYERS = "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1"


def features(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The picture to look at.")],
    layers: Annotated[
        str, typer.Option(help="Of VGG19: relu3_1, conv3_1, block3_conv1 are the same.")
    ] = LAYERS,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The grid; PHOTO.features.png otherwise.")
    ] = None,
    maps: Annotated[int, typer.Option(help="Channels shown of each layer, the most active.")] = 16,
    side: Annotated[int, typer.Option(help="Longer side of each channel's picture.")] = 128,
    grey: Annotated[bool, typer.Option("--grey", help="Black to white instead of colours.")] = (
        False
    ),
    max_side: MaxSide = None,
    vgg: Vgg = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Draw how the channels of VGG19's layers respond to a picture, as labelled grids."""
    from vidstyle import image as images
    from vidstyle.device import pick_device
    from vidstyle.features import draw_grid, feature_maps
    from vidstyle.models.layers import deepest, layer_name
    from vidstyle.models.vgg import load_vgg19

    names = list(dict.fromkeys(layer_name(layer) for layer in layers.split(",")))
    target = output or images.beside(photo, "features").with_suffix(".png")
    picture = images.fit(images.read_image(photo), max_side)
    images.check_output(target, [photo], overwrite)
    network = load_vgg19(vgg, deepest(names)).to(pick_device(device))
    drawn = draw_grid(picture, feature_maps(picture, names, network, maps), side, grey)
    images.write_image(target, drawn)
    typer.echo(f"{target}: {', '.join(names)} of {photo.name}")
