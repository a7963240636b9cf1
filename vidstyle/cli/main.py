"""Entry point: collects the commands, and turns errors into one line and an exit code."""

from __future__ import annotations

import logging
import os
import platform
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from vidstyle.cli import (
    distil,
    doctor,
    evaluate,
    export,
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
from vidstyle.cli.logs import LogLevel, logging_to
from vidstyle.cli.output import unwritable_stdout
from vidstyle.cli.renamed import new_spelling
from vidstyle.errors import ExitCode, Interrupted, VidstyleError

logger = logging.getLogger(__name__)


class Commands(TyperGroup):
    """Says what was kept after Ctrl-C, which typer would pass over in silence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Interrupted as interrupt:
            kept = f"; what was finished is in {interrupt.partial}" if interrupt.partial else ""
            advice = f"; {interrupt.advice}" if kept and interrupt.advice else ""
            return _fail(f"interrupted{kept}{advice}", ExitCode.interrupted)
        except KeyboardInterrupt:
            return _fail("interrupted", ExitCode.interrupted)
        except Exception as error:
            if not isinstance(error, typer.Exit):
                logger.error("%s", error, exc_info=True)
            raise


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
app.command("distil")(distil.distil)
app.command("export")(export.export)
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
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    log_level: Annotated[
        LogLevel | None,
        typer.Option(help="Log so much: to --log-file, where it is info unless given, or stderr."),
    ] = None,
    log_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Log to the end of this file.")
    ] = None,
) -> None:
    from vidstyle import __version__

    context.with_resource(logging_to(log_file, log_level))
    system = f"Python {platform.python_version()} on {platform.platform()}"
    logger.info("vidstyle %s, %s, %s", __version__, system, context.invoked_subcommand)


def main(arguments: list[str] | None = None) -> None:
    """Run the program and exit with an ``ExitCode``."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever stops it means Ctrl-C
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 would print a banner among our own lines
    warnings.showwarning = _print_warning  # type: ignore[assignment]
    try:
        code = app(arguments, standalone_mode=False)
    except VidstyleError as error:
        code = _fail(str(error), error.exit_code)
    except typer.Abort:
        code = _fail("interrupted", ExitCode.interrupted)
    except TyperException as error:
        code = _fail(new_spelling(error) or error.format_message(), error.exit_code)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        code = _fail(f"{place}{error.strerror or error}", ExitCode.failed)
    try:
        sys.stdout.flush()
    except OSError as error:
        # Else the interpreter would try again at its end, and complain in its own way.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or _fail(str(unwritable_stdout(error)), ExitCode.failed)
    sys.exit(code or 0)


def _print_warning(message: Warning | str, *details: object) -> None:
    logger.warning("%s", message)
    typer.echo(f"vidstyle: note: {message}", err=True)


def _fail(message: str, code: int) -> int:
    typer.echo(f"vidstyle: {' '.join(message.split())}", err=True)
    return code
