"""Style files: safetensors with metadata about the styles in them.

A file holds any number of style vectors and, unless it uses the bundled backbone, the backbone
that the vectors belong to. ``backbone_id`` in the metadata is a hash of the backbone's weights as
stored. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from vidstyle.disk import complete_file
from vidstyle.errors import StyleError
from vidstyle.models.transformer import Architecture, TransformerNet
from vidstyle.styles.header import (
    BACKBONE,
    FORMAT,
    STYLE,
    VERSION,
    StyleInfo,
    all_tensors,
    check_names,
    opened,
    parse_infos,
)

_MOST_CHANNELS, _MOST_BLOCKS, _WIDEST_MARGIN = 2048, 64, 512


@dataclass(frozen=True)
class StyleFile:
    """A style file in memory."""

    path: Path | None
    architecture: Architecture
    backbone_id: str
    backbone: dict[str, Tensor] | None
    vectors: dict[str, Tensor]
    infos: dict[str, StyleInfo]
    licence: str = ""

    def network(self) -> TransformerNet:
        """The backbone in float32.

        Raises:
            StyleError: the file has no backbone, or it does not match the architecture.
        """
        if self.backbone is None:
            raise StyleError(f"{self.path}: contains only style vectors, no backbone")
        try:
            return build_network(self.architecture, self.backbone)
        except RuntimeError as error:
            raise StyleError(
                f"{self.path}: the backbone does not match its architecture"
            ) from error


def build_network(architecture: Architecture, weights: Mapping[str, Tensor]) -> TransformerNet:
    """A network in float32, ready for inference.

    Raises:
        RuntimeError: the weights do not match the architecture.
    """
    # On the meta device, which allocates no memory for whatever size a file claims.
    with torch.device("meta"):
        network = TransformerNet(architecture)
    network.load_state_dict({k: weight.float() for k, weight in weights.items()}, assign=True)
    return network.requires_grad_(False).eval()


def backbone_hash(backbone: Mapping[str, Tensor]) -> str:
    """Hash of a backbone's weights in fp16."""
    digest = hashlib.sha256()
    for name in sorted(backbone):
        digest.update(name.encode())
        digest.update(backbone[name].half().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def write_style_file(file: StyleFile, path: str | Path) -> Path:
    """Write a style file in fp16; it appears under its name when complete.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {STYLE + name: vector for name, vector in file.vectors.items()}
    tensors |= {BACKBONE + name: weight for name, weight in (file.backbone or {}).items()}
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "architecture": json.dumps(file.architecture.as_dict()),
        "backbone_id": file.backbone_id,
        "styles": json.dumps({name: asdict(info) for name, info in file.infos.items()}),
        "licence": file.licence,
    }
    return write_tensors(path, tensors, metadata)


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]
) -> Path:
    """Write safetensors in fp16; the file appears under its name when complete.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    halves = {name: tensor.detach().half().contiguous() for name, tensor in tensors.items()}
    with complete_file(path) as temporary:
        temporary.write_bytes(save(halves, metadata))
    return path


def with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def read_style_file(path: str | Path) -> StyleFile:
    """Read and check a style file.

    Raises:
        StyleError: missing, damaged, too large, not a style file, or of a later version.
    """
    path = Path(path)
    with opened(path, "pt") as stored:
        return _parse(path, stored.metadata() or {}, all_tensors(stored))


def _architecture(sizes: object) -> Architecture:
    """Read the sizes of a network; raise TypeError or ValueError if they make no sense."""
    if not isinstance(sizes, dict) or not all(type(size) in (int, bool) for size in sizes.values()):
        raise TypeError("the network's sizes must be integers")
    made = Architecture(**{"skip": False, **sizes})  # old files have no entry for it
    channels, blocks = (made.width, made.deep, made.half), (made.deep_blocks, made.fine_blocks)
    if not all(1 <= size <= _MOST_CHANNELS for size in channels):
        raise ValueError(f"a network of {channels} channels")
    if not all(0 <= size <= _MOST_BLOCKS for size in blocks):
        raise ValueError(f"a network of {blocks} blocks")
    if made.stride not in (2, 4):
        raise ValueError(f"a network of stride {made.stride}")
    if made.margin % (2 * made.stride) or not 0 <= made.margin <= _WIDEST_MARGIN:
        raise ValueError(f"a margin of {made.margin} pixels")
    return made


def _parse(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> StyleFile:
    infos = parse_infos(path, metadata)
    architecture = _architecture(json.loads(metadata["architecture"]))
    odd = {tensor.dtype for tensor in tensors.values()} - {torch.float16, torch.float32}
    if odd:
        raise StyleError(f"{path}: damaged, its numbers have the type {min(map(str, odd))}")
    backbone = with_prefix(tensors, BACKBONE)
    vectors = {name: vector.float() for name, vector in with_prefix(tensors, STYLE).items()}
    if backbone and backbone_hash(backbone) != metadata["backbone_id"]:
        raise StyleError(f"{path}: damaged, its weights do not match their hash")
    if not all(torch.isfinite(weight).all() for weight in backbone.values()):
        raise StyleError(f"{path}: damaged, some of its weights are NaN or infinite")
    check_names(path, infos, vectors)
    size = sum(architecture.style_splits())
    for name, vector in vectors.items():
        if vector.shape != (size,) or not torch.isfinite(vector).all():
            raise StyleError(f"{path}: style '{name}' is damaged ({tuple(vector.shape)} numbers)")
    return StyleFile(
        path=path,
        architecture=architecture,
        backbone_id=metadata["backbone_id"],
        backbone=backbone or None,
        vectors=vectors,
        infos=infos,
        licence=metadata.get("licence", ""),
    )
