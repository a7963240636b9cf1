"""Styles as ONNX files: what a file draws, and what it is given."""

from dataclasses import dataclass
from typing import Literal

import vidstyle.options.shared as shared
from vidstyle.options.base import OUTPUT, Options


@dataclass(frozen=True)
class ExportOptions(Options):
    """What an ONNX file draws, and what it is given."""

    strength: float = shared.strength()
    precision: Literal["fp32", "fp16"] = OUTPUT.option(
        "fp32", "Precision of weights and convolutions; the picture stays in float32."
    )
    pixels: Literal["float", "uint8"] = OUTPUT.option(
        "float", "Input and output: float N×3×H×W from 0 to 1, or uint8 N×H×W×3."
    )
    steerable: bool = OUTPUT.option(
        False, "Take the style as a second input, and describe all styles in the file."
    )
    overwrite: bool = shared.overwrite()
