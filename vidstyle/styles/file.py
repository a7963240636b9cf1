"""Style files: safetensors that describe themselves.

A file holds any number of style vectors and, unless it builds on the bundled backbone, the
backbone that they steer. Metadata says which: ``backbone_id`` is a hash of the backbone's
weights as stored. Nothing is ever unpickled.
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
        """The backbone, rebuilt from its own sizes, in float32."""
        if self.backbone is None:
            raise StyleError(f"{self.path}: holds style vectors only, no backbone")
        # Without memory for weights of its own: the description may claim any number of them.
        with torch.device("meta"):
            network = TransformerNet(self.architecture)
        try:
            weights = {name: weight.float() for name, weight in self.backbone.items()}
            network.load_state_dict(weights, assign=True)
        except RuntimeError as error:
            raise StyleError(f"{self.path}: backbone does not fit its own description") from error
        return network.requires_grad_(False).eval()


def backbone_hash(backbone: Mapping[str, Tensor]) -> str:
    """Identity of a backbone: a hash of its weights in fp16."""
    digest = hashlib.sha256()
    for name in sorted(backbone):
        digest.update(name.encode())
        digest.update(backbone[name].half().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def write_style_file(file: StyleFile, path: str | Path) -> Path:
    """Write in fp16, under the final name only when complete.

    Raises:
        OutputError: the file cannot be written there.
    """
    path = Path(path)
    tensors = {STYLE + name: vector.half().contiguous() for name, vector in file.vectors.items()}
    for name, weight in (file.backbone or {}).items():
        tensors[BACKBONE + name] = weight.half().contiguous()
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "architecture": json.dumps(file.architecture.as_dict()),
        "backbone_id": file.backbone_id,
        "styles": json.dumps({name: asdict(info) for name, info in file.infos.items()}),
        "licence": file.licence,
    }
    with complete_file(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))
    return path


def read_style_file(path: str | Path) -> StyleFile:
    """Read and check a style file.

    Raises:
        StyleError: missing, damaged, too large, foreign, or of a later version.
    """
    path = Path(path)
    with opened(path, "pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        return _parse(path, stored.metadata() or {}, tensors)


def _architecture(sizes: object) -> Architecture:
    """Raises TypeError or ValueError unless the sizes are those of a network that can be built."""
    if not isinstance(sizes, dict) or not all(type(size) in (int, bool) for size in sizes.values()):
        raise TypeError("the network's sizes are whole numbers")
    made = Architecture(**{"skip": False, **sizes})  # files of before there was one
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
        raise StyleError(f"{path}: damaged, its numbers are of the type {min(map(str, odd))}")
    backbone = {
        name.removeprefix(BACKBONE): tensor
        for name, tensor in tensors.items()
        if name.startswith(BACKBONE)
    }
    vectors = {
        name.removeprefix(STYLE): tensor.float()
        for name, tensor in tensors.items()
        if name.startswith(STYLE)
    }
    if backbone and backbone_hash(backbone) != metadata["backbone_id"]:
        raise StyleError(f"{path}: damaged, its weights are not those it was written with")
    if not all(torch.isfinite(weight).all() for weight in backbone.values()):
        raise StyleError(f"{path}: damaged, some of its weights are no numbers")
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
