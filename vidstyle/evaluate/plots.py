"""The warping error over time as a picture."""

from __future__ import annotations

from pathlib import Path

from vidstyle.evaluate.evaluation import Evaluation
from vidstyle.plots import Curve, write_curves


def write_plot(path: str | Path, evaluation: Evaluation) -> Path:
    """Plot the warping error over time, with cuts as vertical lines, as a PNG.

    Raises:
        OptionError, OutputError: as ``check_plot``, or the file cannot be written.
    """
    looks = (("original", "0.6"), ("stylized", "tab:red"), ("per frame", "tab:blue"))
    curves = [
        Curve(label, evaluation.times, video.series, color)
        for (label, color), video in zip(looks, evaluation.videos, strict=False)
    ]
    return write_curves(
        path,
        curves,
        title=evaluation.stylized.path.name,
        labels=("seconds", "warping error"),
        marks=evaluation.cuts,
        mark_label="cut",
    )
