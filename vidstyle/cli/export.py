"""``vidstyle export``: a style as an ONNX file, for other programs."""

from __future__ import annotations

import warnings
from typing import Annotated

import typer

from vidstyle.cli.parameters import Take, with_options
from vidstyle.options import ExportOptions
from vidstyle.options.commands import PictureOutput


@with_options
def export(
    style: Annotated[
        str, typer.Argument(metavar="STYLE", help="A name, a style file, or a blend: a:0.7,b:0.3.")
    ],
    *,
    output: Annotated[PictureOutput, Take(PictureOutput(), only=("output",))],
    options: ExportOptions,
) -> None:
    """Write a style as an ONNX file that draws pictures of any size, for other programs."""
    from vidstyle.export import export_style

    made = export_style(style, output.output, options)
    size = f"{made.bytes / 1e6:.1f} MB, {options.precision}"
    if made.fidelity is None:
        warnings.warn("not compared with torch, as onnxruntime is not installed", stacklevel=1)
        typer.echo(f"{made.path}: {size}")
    else:
        typer.echo(f"{made.path}: {size}, {made.fidelity:.0f} dB from torch in ONNX Runtime")
