"""Curves as PNG pictures, drawn by matplotlib, which is optional."""

from __future__ import annotations

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
