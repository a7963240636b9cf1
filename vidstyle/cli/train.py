"""``vidstyle train``: learn styles from paintings."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidstyle.errors import InputError, OptionError

if TYPE_CHECKING:
    from vidstyle.train import Painting, TrainEvent

DEFAULT_MINUTES = 10.0


def train(
    paintings: Annotated[
        list[Path], typer.Argument(help="Pictures of paintings, or folders of them.")
    ],
    photos: Annotated[Path, typer.Option(help="A folder of photos to practise on.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The style file to write.")],
    name: Annotated[
        str | None, typer.Option(help="The style's name; the painting's file name unless given.")
    ] = None,
    title: Annotated[str, typer.Option(help="Title of the painting.")] = "",
    artist: Annotated[str, typer.Option(help="Who painted it.")] = "",
    year: Annotated[str, typer.Option(help="When.")] = "",
    catalog: Annotated[
        Path | None,
        typer.Option(help="TOML with title, artist, year, weight and share of each painting."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Train the backbone too, for all paintings together.")
    ] = False,
    base: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="The style file to build on; the bundled one, or nothing with --full.",
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Stop after so many steps.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help=f"Stop after so long; {DEFAULT_MINUTES:g} unless given.")
    ] = None,
    style_weight: Annotated[float | None, typer.Option(help="Higher: more painting.")] = None,
    content_weight: Annotated[float | None, typer.Option(help="Higher: more photo.")] = None,
    similarity_weight: Annotated[
        float | None, typer.Option(help="Higher: what is alike stays alike.")
    ] = None,
    edge_weight: Annotated[
        float | None, typer.Option(help="Higher: more of the photo's edges.")
    ] = None,
    tone_weight: Annotated[
        float | None, typer.Option(help="Higher: more of the photo's light and shade.")
    ] = None,
    halo_weight: Annotated[
        float | None, typer.Option(help="Higher: less of a rim along outlines.")
    ] = None,
    stability_weight: Annotated[float | None, typer.Option(help="Higher: less flicker.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Photos a step.")] = None,
    crop: Annotated[int | None, typer.Option(help="Side of the training crops in pixels.")] = None,
    early_crop: Annotated[int | None, typer.Option(help="The same, early in training.")] = None,
    early_part: Annotated[
        float | None, typer.Option(help="How much of the training counts as early, 0 to 1.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of the backbone.")] = None,
    style_rate: Annotated[float | None, typer.Option(help="Of the style vectors.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same styles.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    vgg: Annotated[
        Path | None,
        typer.Option(help="VGG19 weights; else VIDSTYLE_VGG19, else torchvision's download."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
) -> None:
    """Learn styles from paintings; by default only their vectors, on the bundled backbone.

    A checkpoint, the style file and a sheet of samples are written every few minutes beside
    the output, and once more at the end or on Ctrl-C.
    """
    about = {k: v for k, v in (("title", title), ("artist", artist), ("year", year)) if v}
    found = _paintings(paintings, name, about, catalog)
    from vidstyle.styles import read_style_file
    from vidstyle.styles.registry import BUNDLED
    from vidstyle.train import Trainer, TrainOptions

    if steps is None and minutes is None:
        minutes = DEFAULT_MINUTES
    chosen = {
        "style_weight": style_weight,
        "content_weight": content_weight,
        "similarity_weight": similarity_weight,
        "edge_weight": edge_weight,
        "tone_weight": tone_weight,
        "halo_weight": halo_weight,
        "stability_weight": stability_weight,
        "batch_size": batch_size,
        "crop": crop,
        "early_crop": early_crop,
        "early_part": early_part,
        "learning_rate": learning_rate,
        "style_rate": style_rate,
    }
    options = TrainOptions(
        full=full,
        steps=steps,
        minutes=minutes,
        seed=seed,
        device=device,
        precision=precision,
        **{key: value for key, value in chosen.items() if value is not None},  # type: ignore[arg-type]
    )
    if base is None and not full:
        base = BUNDLED
    start = read_style_file(base) if base else None
    trainer = Trainer(found, photos, output, options, base=start, vgg=vgg)
    if resume:
        trainer.resume()
    columns = Columns()
    trainer.train(columns.print)
    typer.echo(f"{output}: {', '.join(trainer.style_file().vectors)}; {trainer.step} steps")


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


def _paintings(
    paths: list[Path], name: str | None, about: dict[str, str], catalog: Path | None
) -> list[Painting]:
    from vidstyle import image as images
    from vidstyle.train import read_painting

    files: list[Path] = []
    for path in paths:
        inside = (
            sorted(p for p in path.iterdir() if p.suffix.lower() in images.SUFFIXES)
            if (path.is_dir())
            else [path]
        )
        files += inside
    if (name or about) and len(files) != 1:
        raise OptionError("--name, --title, --artist and --year are for one painting alone")
    entries = _read_catalog(catalog) if catalog else {}
    found = []
    for file in files:
        entry = {**entries.get(name or file.stem, {}), **about}
        try:
            found.append(read_painting(file, name, **entry))
        except TypeError as error:
            raise InputError(f"{catalog}: [{file.stem}] has an entry that is not known") from error
    return found


def _read_catalog(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML catalogue ({error})") from error
