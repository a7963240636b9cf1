"""The file of a predictor: which backbone it belongs to, and its weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError, safe_open

from vidstyle.errors import StyleError
from vidstyle.models.predictor import StylePredictor
from vidstyle.styles.file import write_tensors
from vidstyle.styles.header import all_tensors

BUNDLED_PREDICTOR = Path(__file__).with_name("predictor.safetensors")
FORMAT = "vidstyle-predictor"


@dataclass(frozen=True)
class Predictor:
    """A network that predicts style vectors, and the backbone that they are for."""

    network: StylePredictor
    backbone_id: str


@lru_cache(maxsize=2)
def read_predictor(path: Path = BUNDLED_PREDICTOR) -> Predictor:
    """Read a predictor, ready for inference in float32.

    Raises:
        StyleError: the file is missing, damaged, or not a predictor.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            metadata, tensors = stored.metadata() or {}, all_tensors(stored)
        if metadata.get("format") != FORMAT:
            raise StyleError(f"{path}: not a predictor of styles")
        bottleneck, size = tensors["reduce.bias"].numel(), tensors["expand.bias"].numel()
        network = StylePredictor(size, bottleneck)
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        return Predictor(network.requires_grad_(False).eval(), metadata["backbone_id"])
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise StyleError(f"{path}: damaged, or not a predictor ({repr(error)[:200]})") from error


def write_predictor(predictor: Predictor, path: str | Path) -> Path:
    """Write a predictor in fp16; the file appears under its name when complete.

    Raises:
        OutputError: the file cannot be written.
    """
    metadata = {"format": FORMAT, "backbone_id": predictor.backbone_id}
    return write_tensors(path, dict(predictor.network.state_dict()), metadata)
