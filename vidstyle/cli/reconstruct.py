"""``vidstyle reconstruct``: what one layer of VGG19 remembers of a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidstyle.cli.parameters import Take, with_options
from vidstyle.cli.texture import FROM_NOISE
from vidstyle.options import OptimizeOptions, ReadOptions, WriteOptions
from vidstyle.options.commands import EngineOptions, PictureOutput, ProgressOptions

RECONSTRUCTION = OptimizeOptions(content_weight=1.0, style_weight=0.0, tv_weight=0.3)


@with_options
def reconstruct(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The picture to reconstruct.")],
    *,
    kept: PictureOutput,
    optimize: Annotated[
        OptimizeOptions,
        Take(
            RECONSTRUCTION,
            without=("content_weight", "style_weight", "style_layers", "style_size", *FROM_NOISE),
        ),
    ],
    engines: Annotated[EngineOptions, Take(EngineOptions(), only=("vgg",))],
    read: Annotated[ReadOptions, Take(ReadOptions(), only=("max_side",))],
    write: Annotated[WriteOptions, Take(WriteOptions(), only=("overwrite",))],
    shown: ProgressOptions,
) -> None:
    """Find, from noise, a picture to which layers of VGG19 respond as to the photo."""
    from vidstyle import image as images
    from vidstyle import stylizers
    from vidstyle.cli.optimizing import Watch, load_vgg, place

    names = "+".join(name for name, _ in optimize.content_layers)
    picture = images.fit(images.read_image(photo), read.max_side)
    target = place(kept.output, photo, names, [photo], write.overwrite)
    watch = Watch(target, picture.shape[1::-1], shown, kept, overwrite=write.overwrite)
    vgg = load_vgg(engines.vgg, optimize)
    watch.run(lambda: stylizers.reconstruct(picture, optimize, vgg=vgg, listener=watch))
