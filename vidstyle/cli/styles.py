"""``vidstyle styles``: list, show and preview the styles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli.parameters import Take, with_options
from vidstyle.options import FastOptions
from vidstyle.options.commands import PreviewOptions

if TYPE_CHECKING:
    import numpy as np

app = typer.Typer(name="styles", add_completion=False)


@app.callback(invoke_without_command=True)
def styles(
    context: typer.Context,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per line.")
    ] = False,
) -> None:
    """List the styles: name, title, artist, year, size, where each lives."""
    if context.invoked_subcommand:
        return
    from vidstyle.styles import available_styles

    entries = available_styles()
    if as_json:
        for name, entry in entries.items():
            typer.echo(
                json.dumps(
                    {
                        "name": name,
                        "title": entry.info.title,
                        "artist": entry.info.artist,
                        "year": entry.info.year,
                        "bytes": entry.bytes,
                        "path": str(entry.path),
                        "swatch": str(entry.swatch) if entry.swatch else None,
                    },
                    ensure_ascii=False,
                )
            )
        return
    rows = [("NAME", "TITLE", "ARTIST", "YEAR", "SIZE", "WHERE")]
    for name, entry in entries.items():
        info = entry.info
        size = f"{entry.bytes / 1024:.1f} KB"
        rows.append((name, info.title, info.artist, info.year, size, str(entry.path)))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:5], widths, strict=True)]
        typer.echo("  ".join([*cells, row[5]]))


@app.command()
def show(name: Annotated[str, typer.Argument(help="A style's name or file.")]) -> None:
    """Show all that is known about a style."""
    from vidstyle.styles import available_styles, load_style

    style = load_style(name)
    info = style.info
    entry = available_styles().get(name)
    parameters = sum(p.numel() for p in style.network.parameters())
    typer.echo(f"name      {info.name}")
    typer.echo(f"title     {info.title}")
    typer.echo(f"artist    {info.artist}")
    typer.echo(f"year      {info.year}")
    typer.echo(f"vector    {style.vector.numel()} numbers")
    typer.echo(f"backbone  {parameters} parameters, {style.network.architecture.as_dict()}")
    typer.echo(f"file      {entry.path if entry else name}")
    if entry and entry.swatch:
        typer.echo(f"swatch    {entry.swatch}")
    for key, value in info.training.items():
        typer.echo(f"training  {key} = {value}")


@app.command()
@with_options
def preview(
    picture: Annotated[Path, typer.Argument(help="A photo, or a video whose frame to use.")],
    *,
    options: PreviewOptions,
    fast: Annotated[FastOptions, Take(FastOptions(), only=("device",))],
) -> None:
    """Draw one labelled contact sheet of a picture in every style."""
    from vidstyle import image as images
    from vidstyle.disk import OutputLock
    from vidstyle.styles import available_styles
    from vidstyle.stylizers import FastStylizer

    photo = _picture(picture, options.at, options.side)
    sheet = [images.label(photo, picture.name)]
    with OutputLock(options.output):
        for name, entry in available_styles().items():
            result = FastStylizer(name, fast)(photo)
            about = ", ".join(filter(None, (entry.info.title, entry.info.artist)))
            sheet.append(images.label(result, f"{name}: {about}" if about else name))
        images.write_image(options.output, images.contact_sheet(sheet, options.columns))
    typer.echo(f"{options.output}: {picture.name} in {len(sheet) - 1} styles")


def _picture(path: Path, at: float, side: int) -> np.ndarray:
    """A photo, or the frame of a video at some seconds, at most ``side`` pixels long."""
    from vidstyle import image as images
    from vidstyle.video import ReadOptions, VideoReader

    if images.is_picture_name(path):
        return images.fit(images.read_image(path), side)
    options = ReadOptions(start=at or None, max_side=side, bit_depth=8)
    with VideoReader(path, options) as reader:
        return next(iter(reader)).image
