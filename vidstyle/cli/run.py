"""``vidstyle run``: restyle a video file, or pictures into one, or a video into pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

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
from vidstyle.disk import check_new_file
from vidstyle.errors import OptionError
from vidstyle.options import (
    FRAMES,
    ClipOptions,
    FastOptions,
    FrameOptions,
    LearnOptions,
    PhotorealismOptions,
    ReadOptions,
    TemporalOptions,
    VideoOptions,
    WriteOptions,
)
from vidstyle.options.commands import EngineOptions, ProgressOptions, RunOptions, StyleOptions
from vidstyle.options.drawing import usual_flow

if TYPE_CHECKING:
    import numpy as np

    from vidstyle.batch import OptimizeWork, Work
    from vidstyle.cli.progress import Reporter
    from vidstyle.pipeline.summary import Summary


@with_options
def run(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="One or more videos, or an image sequence: a directory or a pattern.",
        ),
    ],
    *,
    options: RunOptions,
    style: StyleOptions,
    engines: Annotated[Given, Take(EngineOptions())],
    fast: Annotated[Given, Take(FastOptions())],
    learning: Annotated[Given, Take(LearnOptions())],
    losses: Annotated[Given, Take(FRAMES, flags={"iterations": "--first-iterations"})],
    video: Annotated[Given, Take(VideoOptions())],
    photorealism: Annotated[Given, Take(PhotorealismOptions())],
    temporal: Annotated[Given, Take(TemporalOptions())],
    clip: Annotated[Given, Take(ClipOptions())],
    read: ReadOptions,
    write: WriteOptions,
    shown: ProgressOptions,
) -> None:
    """Turn a video into a moving painting, and keep its sound.

    The fast engine draws learned styles, and learns a picture's in half a minute; the optimization
    engine imitates any painting closely and slowly. Options of the other engine are refused.
    With --photorealistic, the video takes only the light and the colours of a photo.
    """
    from vidstyle.sequences.clip import is_sequence

    if write.hdr == "keep" and read.bit_depth == 8:
        raise OptionError("--hdr keep needs more than --bit-depth 8")
    photorealistic = check_photorealism(engines, photorealism)
    if photorealistic:
        check_photorealistic_video(video, temporal)
    engine = "optimize" if photorealistic else chosen_engine(style.style, engines, losses, video)
    if engine == "optimize":
        reject_fast(fast, learning)
    quality = fast.get("quality", FastOptions.quality)
    job = Job(
        sources,
        options,
        style.style,
        TemporalOptions(**{"flow": usual_flow(quality), **temporal}),
        read,
        replace(write, effort=quality),
        ClipOptions(**clip),
        is_sequence(sources[0]),
        options.output is not None and is_sequence(options.output),
    )
    if job.many:
        check_batch(job)
    if clip and (job.many or not job.has_pictures):
        raise OptionError(f"{', '.join(clip.flags)}: only for image sequences, not for videos")
    if engine == "fast":
        reject_optimization(style.style, engines, losses, video)
        check_fast(fast)
        check_place(job)
        vgg = engines.get("vgg")
        (learned,) = learned_styles([job.style], job.photos, learning, vgg, shown.progress)
        run_fast(replace(job, style=learned), FastOptions(**fast), shown)
    else:
        if job.has_pictures and not job.many:
            raise OptionError("directories and patterns of pictures are for --engine fast")
        if photorealistic:
            look = PhotorealismOptions(**photorealism)
            work = photorealistic_work(job, engines, losses, look)
        else:
            work = optimize_work(job, engines, losses, VideoOptions(**video))
        run_optimized(job, work, shown)


@dataclass(frozen=True)
class Job:
    """What is to be done, by either engine."""

    sources: list[Path]
    options: RunOptions
    style: str
    temporal: TemporalOptions
    read: ReadOptions
    write: WriteOptions
    clip: ClipOptions
    from_pictures: bool
    to_pictures: bool

    @property
    def output(self) -> Path | None:
        return Path(self.options.output) if self.options.output else None

    @property
    def has_pictures(self) -> bool:
        """Whether input or output is a sequence of pictures."""
        return self.from_pictures or self.to_pictures

    @property
    def many(self) -> bool:
        """Whether it is a batch: several inputs, or one that goes into a directory by its name.

        Without a slash at its end, a directory is one for pictures.
        """
        into_directory = self.options.output and self.options.output.endswith(("/", os.sep))
        return len(self.sources) > 1 or bool(into_directory and not self.from_pictures)

    def photos(self) -> list[np.ndarray]:
        """Pictures of the first input, to learn a painting on."""
        from vidstyle.pipeline.photos import clip_photos

        return clip_photos(self.sources[0], self.read, self.clip)


def check_place(job: Job) -> None:
    """Raises OutputError before a painting is learned, rather than after it."""
    from vidstyle.styles import has_pictures

    unchecked = job.many or job.to_pictures or job.options.resume
    if job.output and has_pictures(job.style) and not unchecked:
        check_new_file(job.output, job.write.overwrite)


def check_batch(job: Job) -> None:
    """Raises OptionError when an input of several is not a video, or all would go into one file."""
    from vidstyle.sequences.clip import is_sequence

    output = job.options.output
    if output is not None and not (output.endswith(("/", os.sep)) or Path(output).is_dir()):
        raise OptionError(f"-o {output}: several inputs need a directory; use -o {output}/")
    for source in job.sources:
        if is_sequence(source):
            raise OptionError(f"{source}: is an image sequence; restyle it in a run of its own")


def run_many(job: Job, work: Work, shown: ProgressOptions) -> NoReturn:
    """File after file, or several in parallel, with a summary at the end.

    Raises:
        typer.Exit: with the code of the batch.
        Interrupted: Ctrl-C, after the summary.
    """
    from vidstyle.batch import plan_tasks, run_batch
    from vidstyle.cli.progress import BatchReporter

    jobs = job.options.jobs
    tasks = plan_tasks(job.sources, job.options.output, work.label)
    with BatchReporter(shown, tasks, min(jobs, len(tasks))) as reporter:
        try:
            run_batch(tasks, work, jobs=jobs, listener=reporter)
        except KeyboardInterrupt:
            reporter.summarize()
            raise
        reporter.summarize()
        raise typer.Exit(reporter.code)


def run_one(restyle: Callable[[Reporter], Summary], shown: ProgressOptions) -> None:
    """One file, with its progress and its summary."""
    from vidstyle.cli.progress import Reporter

    with Reporter(shown) as reporter:
        reporter.done(restyle(reporter))


# ---- the fast engine ----------------------------------------------------------------------


def run_fast(job: Job, fast: FastOptions, shown: ProgressOptions) -> None:
    """Draw each frame by the network, and steady it afterwards."""
    if job.many:
        from vidstyle.batch import FastWork

        records = job.temporal, job.read, job.write
        compare, resume = job.options.compare, job.options.resume
        run_many(job, FastWork(job.style, fast, *records, compare, resume), shown)
    run_one(partial(restyle, job, fast), shown)


def restyle(job: Job, fast: FastOptions, listener: Reporter) -> Summary:
    """From a video or pictures to a video or pictures."""
    from vidstyle.pipeline import video as pipeline
    from vidstyle.pipeline.frames import stylize_frames

    files: tuple[Any, ...] = job.sources[0], job.output, job.style
    drawing: dict[str, Any] = {"fast": fast, "temporal": job.temporal, "listener": listener}
    if job.from_pictures and job.to_pictures:
        return stylize_frames(*files, frames=frame_options(job), **drawing)
    return pipeline.stylize_video(
        *files,
        read=job.read,
        write=job.write,
        clip=job.clip,
        compare=job.options.compare,
        resume=job.options.resume,
        **drawing,
    )


def frame_options(job: Job) -> FrameOptions:
    """How pictures are made from pictures; ``vidstyle frames`` has more options.

    Raises:
        OptionError: one was given that is for videos.
    """
    if job.options.compare or job.read != ReadOptions(strict=job.read.strict):
        raise OptionError(
            "--start, --end, --max-side, --scale, --bit-depth, --deinterlace and --compare "
            "need a video as input or output"
        )
    fps = job.clip.fps or FrameOptions.fps
    return FrameOptions(**{**vars(job.clip), "fps": fps}, overwrite=job.write.overwrite)


# ---- the optimization engine --------------------------------------------------------------


def optimize_work(job: Job, engines: Given, losses: Given, video: VideoOptions) -> OptimizeWork:
    """Optimize frame after frame, each from the one before.

    Raises:
        OptionError: options do not go together.
    """
    from vidstyle.batch import OptimizeWork
    from vidstyle.cli.optimizing import check_start
    from vidstyle.styles import load_paintings

    recipe, init_fast = engines.get("recipe"), losses.get("init") == "fast"
    optimize = optimize_options(recipe, losses, tolerance=FRAMES.tolerance)
    if video.refresh and not init_fast:
        raise OptionError("--refresh needs --init fast")
    if init_fast:
        check_start(job.style)
    return OptimizeWork(
        load_paintings(job.style),
        optimize,
        video,
        job.temporal,
        job.read,
        job.write,
        job.options.compare,
        job.options.resume,
        engines.get("vgg"),
        job.style if init_fast else None,
    )


def check_photorealistic_video(video: Given, temporal: Given) -> None:
    """Raises OptionError when options were given that mean nothing without strokes to steady."""
    for flag in (*video.flags, *(("--temporal",) if "temporal" in temporal else ())):
        raise OptionError(f"{flag} does not go with --photorealistic, where no frame is drawn anew")


def photorealistic_work(
    job: Job, engines: Given, losses: Given, photorealism: PhotorealismOptions
) -> OptimizeWork:
    """Learn the look of key frames, and give it to all.

    Raises:
        OptionError: options do not go together.
    """
    from vidstyle.batch import OptimizeWork
    from vidstyle.styles import load_paintings

    return OptimizeWork(
        load_paintings(job.style),
        photograph_options(losses),
        temporal=job.temporal,
        read=job.read,
        write=job.write,
        compare=job.options.compare,
        resume=job.options.resume,
        vgg=engines.get("vgg"),
        photorealism=photorealism,
    )


def run_optimized(job: Job, work: OptimizeWork, shown: ProgressOptions) -> None:
    """One video by optimization, or many."""
    from vidstyle.pipeline.video import default_output

    if job.many:
        run_many(job, work, shown)
    source = job.sources[0]
    output = job.output or default_output(source, work.label)
    run_one(lambda listener: work.load(work.device)(source, output, listener), shown)
