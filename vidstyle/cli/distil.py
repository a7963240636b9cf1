"""``vidstyle distil``: teach a leaner network to draw drafts of a backbone's styles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli.parameters import Given, Take, with_options
from vidstyle.cli.train import Output, Photos, within_budget
from vidstyle.options import DistilOptions
from vidstyle.options.commands import BuildOptions

if TYPE_CHECKING:
    from vidstyle.train import TrainEvent

DEFAULTS = DistilOptions(minutes=60.0)


@with_options
def distil(
    *,
    photos: Photos,
    output: Output,
    build: BuildOptions,
    training: Annotated[Given, Take(DEFAULTS)],
) -> None:
    """Teach a leaner network to draw, at half of the size, what a backbone draws.

    ``--quality draft`` finds it in the folder ``drafts`` beside your own styles. A checkpoint and
    the draft are written every few minutes, and at the end or on Ctrl-C.
    """
    from vidstyle.styles import read_style_file
    from vidstyle.styles.registry import BUNDLED
    from vidstyle.train import Distiller

    options = DistilOptions(**within_budget(training, DEFAULTS))
    distiller = Distiller(read_style_file(build.base or BUNDLED), photos, output, options)
    if build.resume:
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
