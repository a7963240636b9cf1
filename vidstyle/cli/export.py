"""``vidstyle export``: a style as an ONNX file, for other programs."""

from __future__ import annotations

import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vidstyle.cli.choices import Overwrite


class Precision(StrEnum):
    fp32 = "fp32"
    fp16 = "fp16"


class Pixels(StrEnum):
    float = "float"
    uint8 = "uint8"


def export(
    style: Annotated[
        str, typer.Argument(metavar="STYLE", help="A name, a style file, or a blend: a:0.7,b:0.3.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to; STYLE.onnx otherwise.")
    ] = None,
    strength: Annotated[float, typer.Option(help="From 0, the photo, to 1, the style.")] = 1.0,
    precision: Annotated[
        Precision, typer.Option(help="Of the weights and of what is drawn.")
    ] = Precision.fp32,
    pixels: Annotated[
        Pixels,
        typer.Option(help="Given and returned: float N×3×H×W from 0 to 1, or uint8 N×H×W×3."),
    ] = Pixels.float,
    steerable: Annotated[
        bool,
        typer.Option("--steerable", help="Take the style as a second input; hold all there are."),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a style as an ONNX file that draws pictures of any size, for other programs."""
    from vidstyle.export import ExportOptions, export_style

    options = ExportOptions(strength, precision.value, pixels.value, steerable, overwrite)
    made = export_style(style, output, options)
    size = f"{made.bytes / 1e6:.1f} MB, {precision}"
    if made.fidelity is None:
        warnings.warn("not compared with torch, as onnxruntime is not installed", stacklevel=1)
        typer.echo(f"{made.path}: {size}")
    else:
        typer.echo(f"{made.path}: {size}, {made.fidelity:.0f} dB from torch in ONNX Runtime")
