"""Curves as PNG pictures, drawn by matplotlib, which is optional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from vidstyle.errors import OptionError, OutputError
from vidstyle.image import write_image


@dataclass(frozen=True, eq=False)
class Curve:
    """A line through points; ``color`` is matplotlib's, None takes the next of its cycle."""

    label: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    color: str | None = None
    width: float = 1.2


def check_plot(path: str | Path) -> None:
    """Check before long work whether a plot can be written to a file.

    Raises:
        OptionError: the file is not named as a PNG, or matplotlib is not installed.
        OutputError: its folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise OptionError(f"{path}: plots are written as PNG; name it {path.stem}.png")
    if find_spec("matplotlib") is None:
        raise OptionError("plots need matplotlib: pip install 'vidstyle[plot]'")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}; create it first")


def write_curves(
    path: str | Path,
    curves: Sequence[Curve],
    *,
    title: str,
    labels: tuple[str, str],
    marks: Sequence[float] = (),
    mark_label: str = "",
    log: bool = False,
) -> Path:
    """Plot curves, 1200×480 pixels.

    Args:
        labels: of the horizontal and the vertical axis.
        marks: where to draw dotted vertical lines.
        log: use a logarithmic vertical axis; otherwise it starts at 0.

    Raises:
        OptionError, OutputError: as ``check_plot``, or the file cannot be written.
    """
    check_plot(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot(
        xlabel=labels[0], ylabel=labels[1], title=title, yscale="log" if log else "linear"
    )
    for curve in curves:
        axes.plot(curve.x, curve.y, color=curve.color, linewidth=curve.width, label=curve.label)
    for number, mark in enumerate(marks):
        label = "_" if number else mark_label  # one entry in the legend
        axes.axvline(mark, color="0.3", linestyle=":", linewidth=1, label=label)
    if not log:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    figure.legend(loc="outside right upper")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return write_image(path, np.asarray(canvas.buffer_rgba())[:, :, :3])


def write_losses(
    path: str | Path, curves: Mapping[str, Sequence[float]], starts: Sequence[int], title: str
) -> Path:
    """Plot losses over the steps of an optimization, on a logarithmic scale.

    Args:
        curves: by name, a value for each step. The first is the sum, which is drawn wide behind
            its parts; parts that are never above zero are left out.
        starts: the steps after which a finer scale began, drawn as vertical lines.

    Raises:
        OptionError, OutputError: as ``check_plot``, or the file cannot be written.
    """
    lines = []
    for number, (name, values) in enumerate(curves.items()):
        look = (None, 1.2) if number else ("0.8", 4)
        if max(values) > 0:
            lines.append(Curve(name, range(1, len(values) + 1), values, *look))
    return write_curves(
        path,
        lines,
        title=title,
        labels=("step", "loss, weighted"),
        marks=[start + 0.5 for start in starts],
        mark_label="finer scale",
        log=True,
    )
