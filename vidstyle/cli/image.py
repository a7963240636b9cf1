"""``vidstyle image``: restyle a still picture, with either engine."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli.engines import (
    check_fast,
    check_photorealism,
    chosen_engine,
    optimize_options,
    photograph_options,
    reject_fast,
    reject_optimization,
)
from vidstyle.cli.learning import learned_styles
from vidstyle.cli.parameters import Given, Take, with_options
from vidstyle.errors import OptionError
from vidstyle.options import (
    FastOptions,
    LearnOptions,
    OptimizeOptions,
    PhotorealismOptions,
    ReadOptions,
    WriteOptions,
)
from vidstyle.options.commands import (
    EngineOptions,
    PictureOutput,
    ProgressOptions,
    StyleOptions,
)

if TYPE_CHECKING:
    import numpy as np

    from vidstyle.cli.optimizing import Watch
    from vidstyle.models.vgg import VGG19
    from vidstyle.stages import StageTimes
    from vidstyle.styles.paintings import Paintings
    from vidstyle.stylizers import Regions


@with_options
def image(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The picture to restyle.")],
    *,
    style: StyleOptions,
    output: Annotated[PictureOutput, Take(PictureOutput(), only=("output",))],
    kept: Annotated[Given, Take(PictureOutput(), without=("output",))],
    engines: Annotated[Given, Take(EngineOptions())],
    fast: Annotated[Given, Take(FastOptions(), without=("batch_size",))],
    learning: Annotated[Given, Take(LearnOptions())],
    losses: Annotated[Given, Take(OptimizeOptions())],
    photorealism: Annotated[Given, Take(PhotorealismOptions(), without=("key_interval",))],
    read: Annotated[ReadOptions, Take(ReadOptions(), only=("max_side",))],
    write: Annotated[WriteOptions, Take(WriteOptions(), only=("overwrite",))],
    shown: ProgressOptions,
) -> None:
    """Turn a photo into a painting: at once in a learned style, or slowly after any picture.

    The fast engine learns a picture's style in half a minute; the optimization engine imitates it
    closely and slowly. Options of the other engine are refused. With --photorealistic, the photo
    takes only the light and the colours of another one.
    """
    job = Job(photo, style.style, output.output, read.max_side, write.overwrite, shown)
    if check_photorealism(engines, photorealism):
        reject_fast(fast, learning)
        options = PhotorealismOptions(**photorealism)
        draw_photorealistic(job, engines, losses, options, PictureOutput(**kept))
    elif chosen_engine(style.style, engines, losses, kept) == "fast":
        reject_optimization(style.style, engines, losses, kept)
        check_fast(fast)
        learn = partial(learned_styles, given=learning, vgg=engines.get("vgg"))
        draw_fast(job, FastOptions(**fast), learn)
    else:
        reject_fast(fast, learning)
        draw_optimized(job, engines, losses, PictureOutput(**kept))


@dataclass(frozen=True)
class Job:
    """What is to be done, by either engine."""

    photo: Path
    style: str
    output: Path | None
    max_side: int | None
    overwrite: bool
    shown: ProgressOptions

    def read(self, times: StageTimes) -> np.ndarray:
        """RGB uint8 H×W×3. Raises InputError."""
        from vidstyle.image import fit, read_image

        with times.measure("decode"):
            return fit(read_image(self.photo), self.max_side)


def draw_fast(job: Job, fast: FastOptions, learn: Callable[..., list[str]]) -> None:
    """Draw in one pass through the network, once the style is learned."""
    from vidstyle.cli.optimizing import Watch, place
    from vidstyle.stages import StageTimes
    from vidstyle.styles import picture_paths, style_label
    from vidstyle.stylizers import FastStylizer

    times = StageTimes()
    picture = job.read(times)
    label, inputs = style_label(job.style), [job.photo, *picture_paths(job.style)]
    output = place(job.output, job.photo, label, inputs, job.overwrite)
    (style,) = learn([job.style], lambda: [picture], progress=job.shown.progress)
    stylizer = FastStylizer(style, fast)
    watch = Watch(output, picture.shape[1::-1], job.shown, overwrite=job.overwrite, times=times)
    watch.run(lambda: stylizer(picture))
    for notice in stylizer.notices:
        warnings.warn(notice, stacklevel=1)


def begun(job: Job, kept: PictureOutput) -> tuple[np.ndarray, Paintings, Watch]:
    """What optimization begins with: the photo, the paintings, and what listens to it.

    Raises:
        VidstyleError: one of them cannot be read, or the output cannot be written.
    """
    from vidstyle.cli.optimizing import Watch, place
    from vidstyle.stages import StageTimes
    from vidstyle.styles import load_paintings

    times = StageTimes()
    picture, paintings = job.read(times), load_paintings(job.style)
    inputs = [job.photo, *paintings.paths]
    output = place(job.output, job.photo, paintings.label, inputs, job.overwrite)
    size = picture.shape[1::-1]
    watch = Watch(output, size, job.shown, kept, overwrite=job.overwrite, times=times)
    return picture, paintings, watch


def draw_optimized(job: Job, engines: Given, losses: Given, kept: PictureOutput) -> None:
    """Draw step by step."""
    from vidstyle.cli.optimizing import fast_stylizer, load_vgg
    from vidstyle.stylizers import OptimizeStylizer

    options = optimize_options(engines.get("recipe"), losses)
    picture, paintings, watch = begun(job, kept)
    start = None
    if losses.get("init") == "fast":
        start = fast_stylizer(job.style, options.device)(picture)
    vgg = load_vgg(engines.get("vgg"), options)
    stylizer = OptimizeStylizer(paintings.weighted, options, vgg)
    watch.run(lambda: stylizer(picture, start=start, listener=watch))


def draw_photorealistic(
    job: Job, engines: Given, losses: Given, options: PhotorealismOptions, kept: PictureOutput
) -> None:
    """Change the light and the colours of the photo step by step."""
    from vidstyle.models.vgg import load_vgg19
    from vidstyle.stylizers import OptimizeStylizer, Photorealism
    from vidstyle.stylizers.photorealism import deepest_layer

    optimize = photograph_options(losses)
    picture, photos, watch = begun(job, kept)
    vgg = load_vgg19(engines.get("vgg"), deepest_layer(optimize, options))
    regions = find_regions(job, options, photos, picture, watch.output, vgg)
    photorealism = Photorealism(options.photorealism_weight, regions)
    stylizer = OptimizeStylizer(photos.weighted, optimize, vgg, photorealism)
    watch.run(lambda: stylizer(picture, listener=watch))


def find_regions(
    job: Job,
    options: PhotorealismOptions,
    photos: Paintings,
    picture: np.ndarray,
    output: Path,
    vgg: VGG19,
) -> tuple[Regions, Regions] | None:
    """The regions of the photo and of the style, as they are given, or found and written.

    Raises:
        OptionError, InputError, OutputError: there is more than one style, or something cannot be
            read or written.
    """
    from vidstyle.image import beside, check_output, read_image, write_image
    from vidstyle.stylizers import find_pair, read_pair

    if options.regions is None and options.auto_regions is None:
        return None
    if len(photos.weighted) > 1:
        raise OptionError("regions are for one style; leave out the others")
    style = photos.weighted[0][0]
    if options.regions is not None:
        sizes = read_image(job.photo).shape[1::-1], style.shape[1::-1]
        content, other = read_pair(options.regions, sizes)
        return content.fitted(job.max_side), other
    paths = [beside(output.with_suffix(".png"), word) for word in ("regions", "style-regions")]
    for path in paths:
        check_output(path, [job.photo, *photos.paths], job.overwrite)
    pair = find_pair(picture, style, options.auto_regions or 1, vgg)
    for path, regions in zip(paths, pair, strict=True):
        write_image(path, regions.picture())
    return pair
