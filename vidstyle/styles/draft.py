"""Drafts: a smaller network that imitates a backbone at half of the size.

It is distilled from the backbone (``vidstyle.train.draft``) and takes the same style vectors: each
of its normalizations has linear maps from the scales and the shifts of one of the backbone's.
Drafts therefore exist for every style of the backbone, every blend and every strength.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vidstyle.errors import StyleError
from vidstyle.models.transformer import Architecture, TransformerNet
from vidstyle.styles.file import backbone_hash, build_network, with_prefix, write_tensors
from vidstyle.styles.header import BACKBONE, all_tensors
from vidstyle.styles.registry import SUFFIX, user_styles_dir

BUNDLED_DRAFT = Path(__file__).with_name("draft.safetensors")
FORMAT = "vidstyle-draft"
SHRINK = 2
"""How many times smaller than the picture a draft is drawn."""
_MAP = "map."


@dataclass(frozen=True)
class Draft:
    """A smaller network for the styles of a backbone.

    Attributes:
        network: has stride 2; draws pictures at half of their size.
        splits: lengths of the parts of the backbone's style vectors.
        maps: c×C matrices for scale and shift of each of the network's normalizations in order,
            from those of the backbone. Normalizations are matched from the first; those that scale
            the whole drawing are matched from the last. The backbone's second-to-last one and
            missing fine blocks have no counterpart. With ``skip``, also for the scale of the photo.
        backbone_id: the backbone it was distilled from.
    """

    network: TransformerNet
    splits: Sequence[int]
    maps: Sequence[Tensor]
    backbone_id: str

    def vector(self, style: Tensor) -> Tensor:
        """Convert a style vector of the backbone, V numbers, to one of the draft's network."""
        *parts, gain, shift = style.float().split(list(self.splits))
        last = self.network.architecture.drawing_parts()
        used = parts[: len(self.maps) - last] + parts[-last:]
        mapped = [weight @ part for weight, part in zip(self.maps, used, strict=True)]
        return torch.cat([*mapped, gain, shift])


def find_draft(backbone: TransformerNet) -> Draft:
    """Find the draft of a backbone: the bundled one, or one in ``drafts`` in the user's styles.

    Raises:
        StyleError: there is none, or a file is damaged.
    """
    wanted = backbone_hash(backbone.state_dict())
    own = (user_styles_dir() / "drafts").glob("*" + SUFFIX)
    whole = (path for path in sorted(own) if not path.stem.endswith(".checkpoint"))
    for path in (BUNDLED_DRAFT, *whole):
        draft = _read_draft(path)
        if draft.backbone_id == wanted:
            return draft
    raise StyleError(
        "there is no draft for this style's backbone; use --quality standard, or make one "
        f"(vidstyle distil) in {user_styles_dir() / 'drafts'}"
    )


@lru_cache(maxsize=8)
def _read_draft(path: Path) -> Draft:
    try:
        with safe_open(path, framework="pt") as stored:
            metadata, tensors = stored.metadata() or {}, all_tensors(stored)
        architecture = Architecture(**{"skip": False, **json.loads(metadata["architecture"])})
        weights = with_prefix(tensors, BACKBONE)
        maps = [tensors[f"{_MAP}{n}"].float() for n in range(len(tensors) - len(weights))]
        splits = json.loads(metadata["splits"])
        network = build_network(architecture, weights)
        return Draft(network, splits, maps, metadata["backbone_id"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise StyleError(f"{path}: damaged, or not a draft ({repr(error)[:200]})") from error


def write_draft(draft: Draft, path: str | Path) -> Path:
    """Write a draft in fp16; the file appears under its name when complete.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {BACKBONE + k: v for k, v in draft.network.state_dict().items()}
    tensors |= {f"{_MAP}{n}": weight for n, weight in enumerate(draft.maps)}
    metadata = {
        "format": FORMAT,
        "architecture": json.dumps(draft.network.architecture.as_dict()),
        "splits": json.dumps(list(draft.splits)),
        "backbone_id": draft.backbone_id,
    }
    return write_tensors(path, tensors, metadata)
