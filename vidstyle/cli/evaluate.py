"""``vidstyle evaluate``: judge a stylized video, made by any program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli.output import print_json
from vidstyle.cli.parameters import Take, with_options
from vidstyle.errors import ExitCode
from vidstyle.options import TemporalOptions
from vidstyle.options.commands import EvaluateOptions, ProgressOptions

if TYPE_CHECKING:
    from vidstyle.evaluate import Evaluation
    from vidstyle.evaluate.audio import SoundMatch

LISTED = 5
"""Times that are printed of a longer list."""


@with_options
def evaluate(
    original: Annotated[
        Path, typer.Argument(metavar="ORIGINAL", help="The video that was stylized.")
    ],
    stylized: Annotated[
        Path, typer.Argument(metavar="STYLIZED", help="The result, made by any program.")
    ],
    *,
    options: EvaluateOptions,
    motion: Annotated[TemporalOptions, Take(TemporalOptions(), only=("flow",))],
    shown: Annotated[ProgressOptions, Take(ProgressOptions(), only=("json",))],
) -> None:
    """Measure flicker, warping error, detail, timing and sound against the original."""
    from vidstyle import evaluate as judge
    from vidstyle.cli.progress import Reporter
    from vidstyle.plots import check_plot

    if options.plot is not None:
        check_plot(options.plot)
    with Reporter(ProgressOptions(options.progress)) as reporter:
        evaluation = judge.evaluate(
            original, stylized, options.per_frame, flow=motion.flow, listener=reporter
        )
    if options.plot is not None:
        judge.write_plot(options.plot, evaluation)
    if shown.json:
        print_json(**evaluation.as_dict())
    else:
        for line in report(evaluation):
            typer.echo(line)
    if evaluation.lost:
        raise typer.Exit(ExitCode.partial)


def report(evaluation: Evaluation) -> Iterator[str]:
    """The lines of the table."""
    frames = f"{len(evaluation.times) + 1} of {evaluation.frames[0]} frames"
    width, height = evaluation.size
    yield f"{evaluation.stylized.path}: {frames} compared at {width}×{height}"
    yield ""
    videos = evaluation.videos
    yield _row("", ["original", "stylized", "per frame"][: len(videos)])
    yield _row("warping error ×1000", [f"{1000 * video.e_warp:.3f}" for video in videos])
    above = [f"{1000 * evaluation.excess(video):+.3f}" for video in videos[1:]]
    yield _row("  above the original", ["", *above])
    if evaluation.static_pairs:
        yield _row("luma flicker /255", [f"{video.luma:.3f}" for video in videos])
        yield _row("chroma flicker /255", [f"{video.chroma:.3f}" for video in videos])
    if evaluation.detail_kept is not None:
        yield _row("detail kept", ["", f"{evaluation.detail_kept:.1%}"])
    if evaluation.excess_cut is not None:
        yield _row("excess removed", ["", f"{evaluation.excess_cut:.1%}"])
    yield ""
    pairs = len(evaluation.times)
    yield _line("judged", f"{evaluation.judged:.0%} of the pixels; the rest was hidden or unsure")
    yield _line("static", f"{evaluation.static_pairs} of {pairs} pairs, for the flicker")
    yield _line("cuts", _times(evaluation.cuts))
    yield _line("missing", _times(evaluation.missing))
    yield _line("additional", _times(evaluation.additional))
    yield _line("repeated", _times(evaluation.repeated))
    yield _line("sound", _sound(evaluation.sound))
    for note in evaluation.notes:
        yield _line("note", note)


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:<21}{''.join(f'{cell:>11}' for cell in cells)}".rstrip()


def _line(name: str, value: str) -> str:
    return f"{name:<11}{value}"


def _times(times: Sequence[float]) -> str:
    if not times:
        return "none"
    listed = ", ".join(f"{seconds:.2f}" for seconds in times[:LISTED])
    return f"{len(times)}, at {listed}{', …' if len(times) > LISTED else ''} s"


def _sound(sound: SoundMatch) -> str:
    if sound.correlation is None:
        return "no sound"
    if sound.offset is None:
        return f"differs from the original's (correlation {sound.correlation:.2f})"
    milliseconds = round(1000 * sound.offset, 2) + 0.0  # no -0.00
    offset = f"{milliseconds:+.2f} ms against the picture"
    return f"{offset} (correlation {sound.correlation:.2f})"
