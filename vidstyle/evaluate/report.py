"""The results of an evaluation as a table of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vidstyle.evaluate.audio import SoundMatch
from vidstyle.evaluate.evaluation import Evaluation

LISTED = 5
"""Times that are printed of a longer list."""


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
