"""``vidstyle texture``: as much of a painting's texture as is wanted, without its motif."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidstyle.cli.parameters import Take, with_options
from vidstyle.options import OptimizeOptions, WriteOptions
from vidstyle.options.commands import (
    EngineOptions,
    PictureOutput,
    ProgressOptions,
    TextureOptions,
)
from vidstyle.options.values import parse_size

FROM_NOISE = ("init", "color")
"""Options of pictures that start from something."""
TEXTURE = OptimizeOptions(content_weight=0.0, style_weight=1.0, tv_weight=0.3)
"""Without the smoothness loss, max pooling leaves a grain of the noise. relu5_1 is not among the
style layers: it sees so much that the painting's motif comes back."""


@with_options
def texture(
    painting: Annotated[
        str,
        typer.Argument(
            metavar="PAINTING", help="A picture, a style's name, or several: a.jpg:2,scream:1."
        ),
    ],
    *,
    options: TextureOptions,
    kept: PictureOutput,
    optimize: Annotated[
        OptimizeOptions,
        Take(TEXTURE, without=("content_weight", "style_weight", "content_layers", *FROM_NOISE)),
    ],
    engines: Annotated[EngineOptions, Take(EngineOptions(), only=("vgg",))],
    write: Annotated[WriteOptions, Take(WriteOptions(), only=("overwrite",))],
    shown: ProgressOptions,
) -> None:
    """Synthesize a texture like a painting's, from noise."""
    from vidstyle.cli.optimizing import Watch, load_vgg, place
    from vidstyle.image import is_picture_name
    from vidstyle.styles import load_paintings
    from vidstyle.stylizers import synthesize_texture

    width, height = parse_size(options.size)
    paintings = load_paintings(painting)
    source = Path(painting) if is_picture_name(painting) else Path(paintings.label)
    target = place(kept.output, source, "texture", paintings.paths, write.overwrite)
    watch = Watch(target, (width, height), shown, kept, overwrite=write.overwrite)
    vgg = load_vgg(engines.vgg, optimize)
    watch.run(
        lambda: synthesize_texture(
            paintings.weighted, width, height, optimize, vgg=vgg, listener=watch
        )
    )
