"""``vidstyle distil``: teach a leaner network to draw drafts of a backbone's styles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vidstyle.train import TrainEvent

DEFAULT_MINUTES = 60.0


def distil(
    photos: Annotated[Path, typer.Option(help="A folder of photos to practise on.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The draft to write.")],
    base: Annotated[
        Path | None,
        typer.Option(
            "--from", help="The style file whose backbone and styles teach; the bundled one."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Stop after so many steps.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help=f"Stop after so long; {DEFAULT_MINUTES:g} unless given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another course.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
) -> None:
    """Teach a leaner network to draw, at half of the size, what a backbone draws.

    ``--quality draft`` finds it in the folder ``drafts`` beside your own styles. A checkpoint and
    the draft are written every few minutes, and at the end or on Ctrl-C.
    """
    from vidstyle.styles import read_style_file
    from vidstyle.styles.registry import BUNDLED
    from vidstyle.train import Distiller, DistilOptions

    if steps is None and minutes is None:
        minutes = DEFAULT_MINUTES
    options = DistilOptions(
        steps=steps, minutes=minutes, seed=seed, device=device, precision=precision
    )
    distiller = Distiller(read_style_file(base or BUNDLED), photos, output, options)
    if resume:
        distiller.resume()
    typer.echo("    step    done   time        loss      psnr")
    distiller.train(show)
    typer.echo(f"{output}: {distiller.step} steps")


def show(event: TrainEvent) -> None:
    """A line of the table."""
    typer.echo(
        f"{event.step:8d}  {event.progress:5.1%}  {event.seconds:5.0f}  "
        f"{event.losses['loss']:10.4f}  {event.losses['psnr']:8.2f}"
    )
    if event.checkpoint:
        typer.echo(f"checkpoint {event.checkpoint}")
