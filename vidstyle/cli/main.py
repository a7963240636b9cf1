"""Entry point: collects the commands, and turns errors into one line and an exit code."""

from __future__ import annotations

import logging
import os
import platform
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from vidstyle.cli.logs import LogLevel, logging_to
from vidstyle.cli.output import unwritable_stdout
from vidstyle.cli.usage import usage_message
from vidstyle.errors import ExitCode, Interrupted, VidstyleError
from vidstyle.interrupts import ended_by_signals

logger = logging.getLogger(__name__)


COMMANDS = {
    "run": "Turn videos into moving paintings.",
    "frames": "Restyle an image sequence: PNG, TIFF, JPEG or EXR.",
    "stream": "Restyle a camera, a network stream or a file while it runs.",
    "image": "Turn a photo into a painting.",
    "web": "Open a page in the browser that does all of this.",
    "styles": "List the styles; show one; preview all on a picture.",
    "train": "Learn styles from paintings.",
    "distil": "Teach a leaner network to draw drafts.",
    "export": "Write a style as an ONNX file, for other programs.",
    "evaluate": "Measure flicker, detail, timing and sound against the original.",
    "texture": "Synthesize a texture like a painting's.",
    "reconstruct": "Find a picture to which VGG19 responds as to a photo.",
    "features": "Draw how VGG19 responds to a picture.",
    "doctor": "Print versions, devices, encoders and paths.",
}
"""Each is a module of this package."""


class Commands(TyperGroup):
    """Imports a command's module when it is called: help and version need none of them.

    Also says what was kept after Ctrl-C, which typer would pass over in silence.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.commands[cmd_name] = load_command(cmd_name)
        return super().get_command(ctx, cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.commands = {
            name: TyperCommand(name, short_help=about) for name, about in COMMANDS.items()
        }
        super().format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        try:
            with ended_by_signals():
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


def load_command(name: str) -> Any:
    """The command of a module, which has a function or an app of its name."""
    module = import_module(f"vidstyle.cli.{name}")
    loaded: typer.Typer | None = getattr(module, "app", None)
    if loaded is None:
        loaded = typer.Typer(add_completion=False)
        loaded.command(name)(getattr(module, name))
    return get_command(loaded)


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
        typer.Option(help="How much to log to --log-file (info unless given), or to stderr."),
    ] = None,
    log_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append the log to this file.")
    ] = None,
) -> None:
    from vidstyle import __version__

    context.with_resource(logging_to(log_file, log_level))
    system = f"Python {platform.python_version()} on {platform.platform()}"
    logger.info("vidstyle %s, %s, %s", __version__, system, context.invoked_subcommand)


def main(arguments: list[str] | None = None) -> None:
    """Run the program and exit with an ``ExitCode``."""
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 would print a banner among our own lines
    warnings.showwarning = _print_warning  # type: ignore[assignment]
    try:
        code = app(arguments, standalone_mode=False)
    except VidstyleError as error:
        code = _fail(str(error), error.exit_code)
    except typer.Abort:
        code = _fail("interrupted", ExitCode.interrupted)
    except TyperException as error:
        code = _fail(usage_message(error), error.exit_code)
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
