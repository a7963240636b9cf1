"""Styles as ONNX files: what a file draws, and what it is given."""

from dataclasses import dataclass
from typing import Literal

from vidstyle.options.base import BASIC, OUTPUT, Options


@dataclass(frozen=True)
class ExportOptions(Options):
    """What an ONNX file draws, and what it is given."""

    strength: float = BASIC.option(
        1.0,
        "How strongly to apply the style: 0 leaves the picture as it is, 1 is the full style.",
        min=0,
        max=1,
    )
    precision: Literal["fp32", "fp16"] = OUTPUT.option(
        "fp32", "Of weights and convolutions; the picture itself stays in float32."
    )
    pixels: Literal["float", "uint8"] = OUTPUT.option(
        "float", "Input and output: float N×3×H×W from 0 to 1, or uint8 N×H×W×3."
    )
    steerable: bool = OUTPUT.option(
        False, "Take the style as a second input, and describe all styles in the file."
    )
    overwrite: bool = BASIC.option(False, "Replace existing output.")
