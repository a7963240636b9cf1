"""``vidstyle train``: learn styles from paintings."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidstyle.cli.parameters import Given, Take, with_options
from vidstyle.errors import InputError, OptionError
from vidstyle.options import LoopOptions, TrainOptions
from vidstyle.options.base import BASIC
from vidstyle.options.commands import BuildOptions, EngineOptions, PaintingOptions

if TYPE_CHECKING:
    from vidstyle.train import Painting, TrainEvent

DEFAULTS = TrainOptions(minutes=10.0)

Photos = Annotated[
    Path,
    typer.Option(
        metavar="DIR", help="A folder of photos to train on.", rich_help_panel=BASIC.title
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Output file.", rich_help_panel=BASIC.title
    ),
]


@with_options
def train(
    paintings: Annotated[
        list[Path], typer.Argument(help="Pictures of paintings, or folders of them.")
    ],
    *,
    photos: Photos,
    output: Output,
    about: PaintingOptions,
    build: BuildOptions,
    engines: Annotated[EngineOptions, Take(EngineOptions(), only=("vgg",))],
    training: Annotated[Given, Take(DEFAULTS)],
) -> None:
    """Learn styles from paintings; by default only their vectors, on the bundled backbone.

    A checkpoint, the style file and a sheet of samples are written every few minutes beside
    the output, and once more at the end or on Ctrl-C.
    """
    found = _paintings(paintings, about)
    from vidstyle.models.losses import STYLE_LAYERS
    from vidstyle.models.vgg import load_vgg19
    from vidstyle.styles import read_style_file
    from vidstyle.styles.registry import BUNDLED
    from vidstyle.train import Trainer
    from vidstyle.train.painting import with_predictions

    options = TrainOptions(**within_budget(training, DEFAULTS))
    base = build.base or (None if options.full else BUNDLED)
    start = read_style_file(base) if base else None
    vgg = load_vgg19(engines.vgg, last=STYLE_LAYERS[-1])
    if start and not options.full:
        start = with_predictions(start, found, vgg)
    trainer = Trainer(found, photos, output, options, base=start, vgg=vgg)
    if build.resume:
        trainer.resume()
    columns = Columns()
    trainer.train(columns.print)
    typer.echo(f"{output}: {', '.join(trainer.style_file().vectors)}; {trainer.step} steps")


def within_budget(training: Given, defaults: LoopOptions) -> dict[str, Any]:
    """What was given, with the default minutes where neither steps nor minutes were."""
    return training if "steps" in training else {"minutes": defaults.minutes, **training}


class Columns:
    """Prints events as a table, its head whenever the columns change."""

    def __init__(self) -> None:
        self.head: list[str] = []

    def print(self, event: TrainEvent) -> None:
        columns = [*event.losses, *event.styles] if len(event.styles) > 1 else [*event.losses]
        values = {**event.losses, **event.styles}
        if columns != self.head:
            self.head = columns
            typer.echo("  ".join(["    step    done   time", *(f"{c[:10]:>10}" for c in columns)]))
        cells = [f"{event.step:8d}  {event.progress:5.1%}  {event.seconds:5.0f}"]
        cells += [f"{values[column]:10.4f}" for column in columns]
        typer.echo("  ".join(cells))
        if event.checkpoint:
            typer.echo(f"checkpoint {event.checkpoint}")


def _paintings(paths: list[Path], given: PaintingOptions) -> list[Painting]:
    from vidstyle.train import read_painting

    files = [file for path in paths for file in _files(path)]
    name, about = given.name, given.about
    if (name or about) and len(files) != 1:
        raise OptionError("--name, --title, --artist and --year need a single painting")
    entries = _read_catalog(given.catalog) if given.catalog else {}
    found = []
    for file in files:
        entry = {**entries.get(name or file.stem, {}), **about}
        try:
            found.append(read_painting(file, name, **entry))
        except TypeError as error:
            raise InputError(f"{given.catalog}: [{file.stem}] has an unknown entry") from error
    return found


def _files(path: Path) -> list[Path]:
    """The pictures of a folder; a file as it is."""
    from vidstyle import image as images

    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix.lower() in images.SUFFIXES)


def _read_catalog(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML catalogue ({error})") from error
