"""``vidstyle run``: restyle a video file, or pictures into one, or a video into pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from vidstyle.cli.choices import (
    BIT_DEPTHS,
    COLORS,
    Audio,
    Backend,
    BatchSize,
    BitDepth,
    Color,
    ContentLayer,
    ContentWeight,
    Cuts,
    Deinterlace,
    Device,
    Engine,
    EngineOption,
    FastBackend,
    FastPrecision,
    FastQuality,
    Flow,
    Hdr,
    LearningRate,
    OptimizerOption,
    Overwrite,
    PoolingOption,
    Preset,
    Progress,
    Quality,
    Scales,
    Seed,
    StrokeSizeOption,
    StyleLayers,
    StyleSize,
    StyleWeight,
    Temporal,
    Tile,
    Tolerance,
    TvWeight,
    Vgg,
    VideoFlowOption,
    check_fast,
    parse_stroke_size,
    refuse,
    usual_engine,
)
from vidstyle.cli.frames import Frames, InputSpace, InputSpaceOption
from vidstyle.cli.progress import AsJson, BatchReporter, ProgressKind, Reporter
from vidstyle.errors import OptionError

if TYPE_CHECKING:
    from vidstyle.batch import OptimizeWork, Work
    from vidstyle.pipeline import Summary
    from vidstyle.sequences.clip import ClipOptions
    from vidstyle.stylizers import FastOptions
    from vidstyle.temporal import TemporalOptions
    from vidstyle.video import ReadOptions, WriteOptions


def parse_time(text: str) -> float:
    """Seconds from ``12.5``, ``1:02`` or ``hh:mm:ss.s``."""
    try:
        seconds = 0.0
        for part in text.split(":"):
            value = float(part)
            if not 0 <= value < float("inf"):
                raise ValueError
            seconds = seconds * 60 + value
        if text.count(":") > 2:
            raise ValueError
    except ValueError as error:
        raise typer.BadParameter(f"'{text}' is no time; write seconds or hh:mm:ss") from error
    return seconds


def run(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="The video to restyle, or several; or pictures: a directory or a pattern.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Where to; INPUT.<style>.mp4 unless told otherwise. DIR/: into that directory. "
            "Pictures, if it is a pattern (out/%04d.png).",
        ),
    ] = None,
    style: Annotated[
        str,
        typer.Option(
            "--style",
            "-s",
            help="A name, a style file, a painting's picture, or a blend: scream:0.7,wave:0.3.",
        ),
    ] = "scream",
    engine: EngineOption = None,
    strength: Annotated[
        float | None, typer.Option(help="Fast: from 0, the photo, to 1, the style.")
    ] = None,
    color: Annotated[
        Color,
        typer.Option(
            help="keep: the picture's own colours, only its light restyled. "
            "histogram (optimize): the painting is first given the picture's colours."
        ),
    ] = Color.style,
    temporal: Temporal = 0.6,
    flow: VideoFlowOption = None,
    cuts: Cuts = "auto",
    max_side: Annotated[
        int | None, typer.Option(help="Work and write with the longer side at most this.")
    ] = None,
    scale: Annotated[
        float | None, typer.Option(help="Work and write at this multiple of the input's size.")
    ] = None,
    start: Annotated[
        float | None,
        typer.Option(parser=parse_time, metavar="TIME", help="Begin at: seconds or hh:mm:ss."),
    ] = None,
    end: Annotated[
        float | None, typer.Option(parser=parse_time, metavar="TIME", help="End at.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Pictures a second, where they are the input.")
    ] = None,
    numbers: Frames = None,
    input_space: InputSpaceOption = InputSpace.auto,
    quality: FastQuality = None,
    device: Device = "auto",
    precision: FastPrecision = "auto",
    backend: FastBackend = None,
    batch_size: BatchSize = None,
    tile: Tile = None,
    stroke_size: StrokeSizeOption = None,
    recipe: Annotated[
        Preset | None,
        typer.Option(help="A recipe of losses to start from; the options below change it."),
    ] = None,
    content_weight: ContentWeight = None,
    style_weight: StyleWeight = None,
    tv_weight: TvWeight = None,
    content_layer: ContentLayer = None,
    style_layers: StyleLayers = None,
    optimizer: OptimizerOption = None,
    learning_rate: LearningRate = None,
    scales: Scales = None,
    style_size: StyleSize = None,
    pooling: PoolingOption = None,
    seed: Seed = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="content|noise|fast|PICTURE",
            help="What shots start from; fast: the fast engine's picture in this style.",
        ),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="--init fast for every frame, not the past.")
    ] = False,
    first_iterations: Annotated[
        int | None, typer.Option(help="Steps for the first frame of a shot, at each scale.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Steps for each other frame, at most.")
    ] = None,
    tolerance: Tolerance = None,
    temporal_weight: Annotated[
        float | None, typer.Option(help="How much the past counts, at --temporal 1.")
    ] = None,
    passes: Annotated[
        int | None, typer.Option(help="Go over each shot so often, forward and backward.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what an earlier run finished.")
    ] = False,
    vgg: Vgg = None,
    codec: Annotated[
        str | None, typer.Option(help="Video encoder; libx264, or libvpx-vp9 for WebM.")
    ] = None,
    crf: Annotated[int | None, typer.Option(help="Quality; lower is better and larger.")] = None,
    preset: Annotated[str | None, typer.Option(help="The encoder's speed preset.")] = None,
    pix_fmt: Annotated[
        str | None,
        typer.Option(help="Pixel format; keep: the input's chroma and bits. 4:2:0 unless given."),
    ] = None,
    bit_depth: Annotated[
        BitDepth, typer.Option(help="Bits a channel; auto: 10 where the input has more than 8.")
    ] = BitDepth.auto,
    deinterlace: Annotated[
        Deinterlace, typer.Option(help="auto: frames that are flagged interlaced (bwdif).")
    ] = Deinterlace.auto,
    hdr: Annotated[
        Hdr, typer.Option(help="PQ and HLG: as SDR of BT.709, or kept, in 10 bits.")
    ] = Hdr.sdr,
    audio: Annotated[Audio, typer.Option(help="Copy the sound, or leave it out.")] = Audio.copy,
    overwrite: Overwrite = False,
    jobs: Annotated[
        int, typer.Option(help="Of several inputs, so many at once: in turns on all GPUs.", min=1)
    ] = 1,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail when the input is damaged or cut short.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Input and output side by side in one video.")
    ] = False,
    progress: Progress = ProgressKind.bar,
    as_json: AsJson = False,
) -> None:
    """Turn a video into a moving painting, with its own sound.

    At once in a learned style, or slowly after any picture. The engine is fast, unless a picture
    file is among the styles. Options that are only for the other engine are refused.
    """
    if start is not None and end is not None and end <= start:
        raise OptionError(f"--end {end:g} s is not after --start {start:g} s")
    if hdr is Hdr.keep and bit_depth is BitDepth.eight:
        raise OptionError("--hdr keep needs more than --bit-depth 8")
    from vidstyle.sequences.clip import ClipOptions, is_sequence
    from vidstyle.temporal import TemporalOptions
    from vidstyle.video import ReadOptions, WriteOptions

    losses = {
        "content_weight": content_weight,
        "style_weight": style_weight,
        "tv_weight": tv_weight,
        "content_layer": content_layer,
        "style_layers": style_layers,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "scales": scales,
        "style_size": style_size,
        "pooling": pooling,
        "seed": seed,
        "init": init,
        "tolerance": tolerance,
    }
    of_video = {
        "passes": passes,
        "iterations": iterations,
        "temporal_weight": temporal_weight,
        "refresh": refresh or None,
    }
    if (engine or usual_engine(style)) is Engine.optimize:
        refuse(Engine.fast, {"quality": quality})
    quality = quality or Quality.standard
    flow = flow or (Flow.fast if quality is Quality.draft else Flow.medium)
    job = Job(
        sources[0],
        Path(output) if output else None,
        style,
        color,
        device,
        precision,
        TemporalOptions(temporal, flow.value, cuts),
        ReadOptions(start, end, max_side, scale, strict, BIT_DEPTHS[bit_depth], deinterlace.value),
        WriteOptions(codec, crf, preset, pix_fmt, audio.value, overwrite, hdr.value, quality.value),
        compare,
        ClipOptions(fps=fps, frames=numbers, input_space=input_space.value),
        (is_sequence(sources[0]), output is not None and is_sequence(output)),
    )
    many = len(sources) > 1 or names_directory(output, job)
    if many:
        check_batch(sources, output)
    if (many or not any(job.pictures)) and job.clip != ClipOptions():
        raise OptionError("--fps, --frames and --input-space are for pictures")
    if (engine or usual_engine(style)) is Engine.fast:
        others = {
            "recipe": recipe,
            "first_iterations": first_iterations,
            "vgg": vgg,
        }
        refuse(Engine.optimize, {**losses, **of_video, **others})
        fast = fast_options(job, strength, batch_size, tile, stroke_size, quality, backend)
        if many:
            from vidstyle.batch import FastWork

            work: Work = FastWork(style, fast, job.temporal, job.read, job.write, compare, resume)
            run_many(sources, output, work, jobs, progress, as_json)
        with Reporter(progress, as_json) as reporter:
            reporter.done(run_fast(job, fast, resume, reporter))
    else:
        of_fast = {"strength": strength, "batch_size": batch_size, "backend": backend}
        refuse(Engine.fast, {**of_fast, "tile": tile, "stroke_size": stroke_size})
        if any(job.pictures) and not many:
            raise OptionError("directories and patterns of pictures are for --engine fast")
        losses["iterations"] = first_iterations
        work = optimize_work(job, recipe, losses, of_video, vgg, resume)
        if many:
            run_many(sources, output, work, jobs, progress, as_json)
        with Reporter(progress, as_json) as reporter:
            reporter.done(run_optimized(job, work, reporter))


@dataclass(frozen=True)
class Job:
    """The options that both engines have."""

    source: Path
    output: Path | None
    style: str
    color: Color
    device: str
    precision: str
    temporal: TemporalOptions
    read: ReadOptions
    write: WriteOptions
    compare: bool
    clip: ClipOptions
    pictures: tuple[bool, bool]
    """Whether input and output are pictures."""


def names_directory(output: str | None, job: Job) -> bool:
    """Whether a single video goes into a directory, as its name ends like one's.

    Without that ending, pictures go into one that is there.
    """
    return output is not None and output.endswith(("/", os.sep)) and not job.pictures[0]


def check_batch(sources: list[Path], output: str | None) -> None:
    """Raises OptionError when several inputs are no videos, or have one file to go to."""
    from vidstyle.sequences.clip import is_sequence

    if output is not None and not (output.endswith(("/", os.sep)) or Path(output).is_dir()):
        raise OptionError(f"-o {output}: several inputs go into a directory; write -o {output}/")
    for source in sources:
        if is_sequence(source):
            raise OptionError(
                f"{source}: stands for pictures; several inputs are videos, and pictures come alone"
            )


def run_many(
    sources: list[Path],
    folder: str | None,
    work: Work,
    jobs: int,
    progress: ProgressKind,
    as_json: bool,
) -> NoReturn:
    """File after file, or several at once, with a summary at the end.

    Raises:
        typer.Exit: with the code of the batch.
        Interrupted: Ctrl-C, after the summary.
    """
    from vidstyle.batch import plan_tasks, run_batch

    tasks = plan_tasks(sources, folder, work.label)
    with BatchReporter(progress, as_json, tasks, min(jobs, len(tasks))) as reporter:
        try:
            run_batch(tasks, work, jobs=jobs, listener=reporter)
        except KeyboardInterrupt:
            reporter.summarize()
            raise
        reporter.summarize()
        raise typer.Exit(reporter.code)


def fast_options(
    job: Job,
    strength: float | None,
    batch_size: int | None,
    tile: int | None,
    stroke_size: str | None,
    quality: Quality,
    backend: Backend | None,
) -> FastOptions:
    """How the fast engine shall draw."""
    from vidstyle.stylizers import FastOptions

    check_fast(job.style, job.color)
    return FastOptions(
        strength=1.0 if strength is None else strength,
        color="keep" if job.color is Color.keep else "style",
        device=job.device,
        precision=job.precision,
        batch_size=batch_size,
        tile=tile,
        stroke_size=parse_stroke_size(stroke_size),
        quality=quality.value,
        backend=(backend or Backend.auto).value,
    )


def run_fast(job: Job, fast: FastOptions, resume: bool, listener: Reporter) -> Summary:
    """Frame by frame through the network, steadied afterwards."""
    from vidstyle.pipeline import stylize_video
    from vidstyle.sequences.clip import stylize_clip

    if all(job.pictures):
        return run_frames(job, fast, listener)
    if any(job.pictures):
        return stylize_clip(
            job.source,
            job.output,
            job.style,
            fast=fast,
            temporal=job.temporal,
            read=job.read,
            write=job.write,
            clip=job.clip,
            compare=job.compare,
            resume=resume,
            listener=listener,
        )
    return stylize_video(
        job.source,
        job.output,
        job.style,
        fast=fast,
        temporal=job.temporal,
        read=job.read,
        write=job.write,
        compare=job.compare,
        resume=resume,
        listener=listener,
    )


def run_frames(job: Job, fast: FastOptions, listener: Reporter) -> Summary:
    """From pictures to pictures; ``vidstyle frames`` can do more."""
    from vidstyle.sequences.run import FrameOptions, stylize_frames
    from vidstyle.video import ReadOptions

    assert job.output is not None
    if job.compare or job.read != ReadOptions(strict=job.read.strict):
        raise OptionError(
            "--start, --end, --max-side, --scale, --bit-depth, --deinterlace and --compare "
            "want a video on either side"
        )
    return stylize_frames(
        job.source,
        job.output,
        job.style,
        fast=fast,
        temporal=job.temporal,
        frames=FrameOptions(
            frames=job.clip.frames,
            input_space=job.clip.input_space,
            overwrite=job.write.overwrite,
            fps=job.clip.fps or FrameOptions.fps,
        ),
        listener=listener,
    )


def optimize_work(
    job: Job,
    recipe: Preset | None,
    losses: Mapping[str, object],
    of_video: Mapping[str, Any],
    vgg: Path | None,
    resume: bool,
) -> OptimizeWork:
    """Frame after frame, each from the one before."""
    from vidstyle.batch import OptimizeWork
    from vidstyle.cli.optimizing import check_start, choose
    from vidstyle.optimized import FRAMES, VideoOptions
    from vidstyle.styles import load_paintings

    given = {name: value for name, value in losses.items() if value is not None}
    options = choose(
        recipe,
        {
            "tolerance": FRAMES.tolerance,
            "color": COLORS[job.color],
            "device": job.device,
            "precision": job.precision,
            **given,
        },
    )
    video = VideoOptions(**{name: v for name, v in of_video.items() if v is not None})
    init_fast = losses["init"] == "fast"
    if video.refresh and not init_fast:
        raise OptionError("--refresh goes with --init fast")
    if init_fast:
        check_start(job.style)
    return OptimizeWork(
        load_paintings(job.style),
        options,
        video,
        job.temporal,
        job.read,
        job.write,
        job.compare,
        resume,
        vgg,
        job.style if init_fast else None,
    )


def run_optimized(job: Job, work: OptimizeWork, listener: Reporter) -> Summary:
    """One video by it."""
    from vidstyle.pipeline import default_output

    output = job.output or default_output(job.source, work.label)
    return work.load(work.device)(job.source, output, listener)
