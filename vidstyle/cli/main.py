"""Entry point: collects the commands, and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from vidstyle.cli import (
    doctor,
    evaluate,
    features,
    frames,
    image,
    reconstruct,
    run,
    stream,
    styles,
    texture,
    train,
)
from vidstyle.errors import Interrupted, VidstyleError


class Commands(TyperGroup):
    """Says what was kept after Ctrl-C, which typer would pass over in silence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Interrupted as interrupt:
            kept = f"; what was finished is in {interrupt.partial}" if interrupt.partial else ""
            advice = f"; {interrupt.advice}" if kept and interrupt.advice else ""
            return _fail(f"interrupted{kept}{advice}", 130)
        except KeyboardInterrupt:
            return _fail("interrupted", 130)


app = typer.Typer(
    name="vidstyle",
    cls=Commands,
    help="Turn a video into a moving painting.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("run")(run.run)
app.command("frames")(frames.frames)
app.command("stream")(stream.stream)
app.command("image")(image.image)
app.add_typer(styles.app, name="styles")
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("texture")(texture.texture)
app.command("reconstruct")(reconstruct.reconstruct)
app.command("features")(features.features)
app.command("doctor")(doctor.doctor)


def _print_version(asked: bool) -> None:
    if asked:
        from vidstyle import __version__

        typer.echo(f"vidstyle {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the program and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever stops it means Ctrl-C
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 would print a banner among our own lines
    warnings.showwarning = _print_warning  # type: ignore[assignment]
    try:
        code = app(arguments, standalone_mode=False)
    except VidstyleError as error:
        code = _fail(str(error), error.exit_code)
    except typer.Abort:
        code = _fail("interrupted", 130)
    except TyperException as error:
        code = _fail(error.format_message(), error.exit_code)
    sys.exit(code or 0)


def _print_warning(message: Warning | str, *details: object) -> None:
    typer.echo(f"vidstyle: note: {message}", err=True)


def _fail(message: str, code: int) -> int:
    typer.echo(f"vidstyle: {' '.join(message.split())}", err=True)
    return code
