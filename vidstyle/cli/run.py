"""``vidstyle run``: restyle a video file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vidstyle.cli.choices import Flow
from vidstyle.cli.progress import ProgressKind, Reporter
from vidstyle.errors import OptionError


class Color(StrEnum):
    style = "style"
    keep = "keep"


class Audio(StrEnum):
    copy = "copy"
    none = "none"


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
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="The video to restyle.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to; INPUT.<style>.mp4 unless told otherwise."),
    ] = None,
    style: Annotated[
        str,
        typer.Option(
            "--style", "-s", help="A name, a style file, or a blend: scream:0.7,wave:0.3."
        ),
    ] = "scream",
    strength: Annotated[float, typer.Option(help="From 0, the photo, to 1, the style.")] = 1.0,
    color: Annotated[
        Color, typer.Option(help="keep: the picture's own colours, only its light restyled.")
    ] = Color.style,
    temporal: Annotated[
        float, typer.Option(help="How much the past steadies each frame, 0 to 1; 0 is off.")
    ] = 0.6,
    flow: Annotated[
        Flow, typer.Option(help="Optical flow that the past is moved along.")
    ] = Flow.medium,
    cuts: Annotated[
        str, typer.Option(metavar="auto|none|FILE", help="Where shots begin: found, or listed.")
    ] = "auto",
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
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, fp32, bf16, fp16 or int8; auto is the fastest here.")
    ] = "auto",
    batch_size: Annotated[
        int | None, typer.Option(help="Frames at once; chosen by device unless given.")
    ] = None,
    codec: Annotated[
        str | None, typer.Option(help="Video encoder; libx264, or libvpx-vp9 for WebM.")
    ] = None,
    crf: Annotated[int | None, typer.Option(help="Quality; lower is better and larger.")] = None,
    preset: Annotated[str | None, typer.Option(help="The encoder's speed preset.")] = None,
    pix_fmt: Annotated[str | None, typer.Option(help="Pixel format; yuv420p.")] = None,
    audio: Annotated[Audio, typer.Option(help="Copy the sound, or leave it out.")] = Audio.copy,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail when the input is damaged or cut short.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Input and output side by side in one video.")
    ] = False,
    progress: Annotated[
        ProgressKind, typer.Option(help="A bar, one JSON object a line, or nothing.")
    ] = ProgressKind.bar,
) -> None:
    """Turn a video into a moving painting, with its own sound."""
    if start is not None and end is not None and end <= start:
        raise OptionError(f"--end {end:g} s is not after --start {start:g} s")
    from vidstyle.pipeline import stylize_video
    from vidstyle.stylizers import FastOptions
    from vidstyle.temporal import TemporalOptions
    from vidstyle.video import ReadOptions, WriteOptions

    with Reporter(progress) as reporter:
        summary = stylize_video(
            source,
            output,
            style,
            fast=FastOptions(strength, color.value, device, precision, batch_size),
            temporal=TemporalOptions(temporal, flow.value, cuts),
            read=ReadOptions(start=start, end=end, max_side=max_side, scale=scale, strict=strict),
            write=WriteOptions(codec, crf, preset, pix_fmt, audio.value, overwrite),
            compare=compare,
            listener=reporter,
        )
        reporter.done(summary)
