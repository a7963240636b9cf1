"""Curves as PNG pictures, drawn by matplotlib, which is optional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vidstyle.errors import OptionError, OutputError
from vidstyle.image import write_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_plot(path: str | Path) -> None:
    """See before the long work whether a plot can be written there.

    Raises:
        OptionError: the file is no PNG, or matplotlib is not installed.
        OutputError: its folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise OptionError(f"{path}: the plot is a PNG picture; name it {path.stem}.png")
    if find_spec("matplotlib") is None:
        raise OptionError("a plot needs matplotlib: pip install 'vidstyle[plot]'")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: no folder {path.parent}; create it first")


def write_figure(path: str | Path, figure: Figure) -> Path:
    """Write under the final name only when complete.

    Raises:
        OutputError: the place cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return write_image(path, np.asarray(canvas.buffer_rgba())[:, :, :3])


def write_losses(
    path: str | Path, curves: Mapping[str, Sequence[float]], starts: Sequence[int], title: str
) -> Path:
    """Draw losses over the steps of an optimization, on a logarithmic scale.

    Args:
        curves: a value a step, the sum first, which is drawn wide behind its parts. Those that are
            never above zero are left out.
        starts: the steps after which a finer scale began, drawn as vertical lines.

    Raises:
        OptionError, OutputError: as ``check_plot`` does, or the place cannot be written.
    """
    check_plot(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss, weighted", title=title, yscale="log")
    for number, (name, values) in enumerate(curves.items()):
        look = {"linewidth": 1.2} if number else {"linewidth": 4, "color": "0.8"}
        if max(values) > 0:
            axes.plot(range(1, len(values) + 1), values, label=name, **look)
    for number, start in enumerate(starts):
        label = "_" if number else "finer scale"
        axes.axvline(start + 0.5, color="0.3", linestyle=":", linewidth=1, label=label)
    axes.grid(alpha=0.25)
    figure.legend(loc="outside right upper")
    return write_figure(path, figure)
