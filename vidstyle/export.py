"""Exports styles as ONNX files for other programs, with metadata, and verified against torch.

The graph is that of ``models/graph``. ``docs/export.md`` shows how to use the files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidstyle import __version__
from vidstyle.disk import OutputLock, check_new_file, complete_file
from vidstyle.errors import OptionError, OutputError
from vidstyle.interrupts import signals_held_back
from vidstyle.options import ExportOptions
from vidstyle.styles.file import backbone_hash, read_style_file
from vidstyle.styles.header import IDENTITY
from vidstyle.styles.paintings import has_pictures
from vidstyle.styles.registry import Style, available_styles, load_style

if TYPE_CHECKING:
    import onnx

LEAST_FIDELITY = {"fp32": 70.0, "fp16": 45.0}
"""PSNR in decibels below which a file is not written."""
TEST_SIZES = ((120, 160), (61, 97))
"""Heights and widths of the images that it is measured with."""


@dataclass(frozen=True)
class Export:
    """A file that was written.

    Attributes:
        path: of the file.
        bytes: its size.
        fidelity: PSNR in decibels between the images of ONNX Runtime and those of torch in fp32,
            150 at most; None when ONNX Runtime is not installed.
    """

    path: Path
    bytes: int
    fidelity: float | None


def export_style(
    style: str | Path | Style,
    path: str | Path | None = None,
    options: ExportOptions = ExportOptions(),
) -> Export:
    """Write a style and its network as an ONNX file that needs nothing else.

    Where ONNX Runtime is installed, the file stylizes images of two sizes, which are compared with
    torch's before it appears under its name.

    Args:
        style: a Style, or what ``load_style`` takes.
        path: None for ``LABEL.onnx`` in the current folder.
        options: strength, precision and format of the images.

    Raises:
        OptionError: the package ``onnx`` is not installed, or the style is an image file.
        OutputError: the file cannot be written, or stylizes differently from torch.
        StyleError: as ``load_style``.
    """
    if find_spec("onnx") is None:
        raise OptionError("export needs onnx: pip install 'vidstyle[onnx]'")
    if not isinstance(style, Style):
        if has_pictures(str(style)):
            raise OptionError(
                f"'{style}': only trained styles can be exported; give a name or a style file, "
                "or train one with vidstyle train"
            )
        style = load_style(style)
    path = Path(path or f"{style.label}.onnx")
    if path.suffix.lower() != ".onnx":
        raise OutputError(f"{path}: exports are ONNX files; name it {path.stem}.onnx")
    check_new_file(path, options.overwrite)
    with OutputLock(path, overwrite=options.overwrite), complete_file(path) as temporary:
        temporary.write_bytes(describe(style, options).SerializeToString())
        size = temporary.stat().st_size
        fidelity = _verify(temporary, path, style, options)
    return Export(path, size, fidelity)


def _verify(file: Path, path: Path, style: Style, options: ExportOptions) -> float | None:
    """The fidelity of a file; None without ONNX Runtime. Raises OutputError when it is too low."""
    if find_spec("onnxruntime") is None:
        return None
    fidelity = measure_fidelity(file, style, options)
    least = LEAST_FIDELITY[options.precision]
    if not fidelity >= least:  # NaN is too low, too
        raise OutputError(
            f"{path}: not written, because its images in ONNX Runtime have a PSNR of "
            f"{fidelity:.1f} dB against torch, less than {least:g}"
        )
    return fidelity


def describe(style: Style, options: ExportOptions = ExportOptions()) -> onnx.ModelProto:
    """The checked model of a style, with all that is known about it as metadata."""
    import onnx

    from vidstyle.models.graph import transfer_model

    vector = style.at_strength(options.strength)
    model = transfer_model(
        style.network,
        None if options.steerable else vector,
        options.precision,
        options.pixels,
    )
    info = style.info
    facts = {
        "name": info.name,
        "title": info.title,
        "artist": info.artist,
        "year": info.year,
        "licence": style.licence,
        "strength": f"{options.strength:g}",
        "precision": options.precision,
        "pixels": "RGB float32 N×3×H×W, 0 to 1"
        if options.pixels == "float"
        else "RGB uint8 N×H×W×3, 0 to 255",
        "smallest_size": "1x1",
        "vidstyle": __version__,
    }
    if options.steerable:
        facts["style"] = json.dumps(_numbers(vector))
        facts["styles"] = json.dumps({n: _numbers(v) for n, v in _relatives(style).items()})
    onnx.helper.set_model_props(model, facts)
    about = ", ".join(filter(None, (info.title or info.name, info.artist, info.year)))
    model.doc_string = (
        f"Paints images in the style of {about}. image, painting: {facts['pixels']}; any size, "
        f"each image of a batch on its own. Made by vidstyle {__version__}."
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def measure_fidelity(path: Path, style: Style, options: ExportOptions) -> float:
    """PSNR in decibels between a file's images and torch's in fp32, for the worse size."""
    with signals_held_back():
        import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3  # errors
    settings.intra_op_num_threads = 1  # the images are small; more threads would spin
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    vector = style.at_strength(options.strength)[None]
    found = []
    for height, width in TEST_SIZES:
        image = clouds(height, width)
        with torch.inference_mode():
            expected = style.network(image, vector).clamp(0, 1).numpy()
        given = image.numpy()
        if options.pixels == "uint8":
            given, expected = (_as_uint8(colours) for colours in (given, expected))
        inputs = {"image": given, **({"style": vector.numpy()} if options.steerable else {})}
        (painting,) = session.run(["painting"], inputs)
        range_ = 255.0 if options.pixels == "uint8" else 1.0
        error = np.square((painting.astype(np.float64) - expected) / range_).mean()
        found.append(-10 * np.log10(error + 1e-15))
    return float(np.min(found))  # NaN if one of them is


def clouds(height: int, width: int) -> Tensor:
    """Two different images of coloured clouds, large and small: 2×3×H×W in multiples of 1/255."""
    generator = torch.Generator().manual_seed(0)
    image = torch.full((2, 3, height, width), 0.5)
    for cell in (32, 8, 2):
        size = (2, 3, height // cell + 2, width // cell + 2)
        noise = torch.randn(size, generator=generator) * cell / 160
        image += F.interpolate(noise, (height, width), mode="bilinear")
    return image.clamp(0, 1).mul(255).round().div(255)


def _as_uint8(colours: np.ndarray) -> np.ndarray:
    """N×3×H×W in [0, 1] as N×H×W×3."""
    return (colours * 255 + 0.5).astype(np.uint8).transpose(0, 2, 3, 1)


def _numbers(vector: Tensor) -> Sequence[float]:
    return [float(f"{number:.7g}") for number in vector.tolist()]


def _relatives(style: Style) -> dict[str, Tensor]:
    """The vectors of a style, the identity, and all available styles of the same backbone."""
    backbone = backbone_hash(style.network.state_dict())
    entries = available_styles()
    files = {path: read_style_file(path) for path in {entry.path for entry in entries.values()}}
    others = {
        name: files[entry.path].vectors[name]
        for name, entry in entries.items()
        if files[entry.path].backbone_id == backbone
    }
    return {IDENTITY: style.identity, **others, style.label: style.vector}
