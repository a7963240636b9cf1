"""Drafts: a leaner network that draws what a backbone draws, at half of the size.

It was distilled from the backbone (``vidstyle.train.draft``) and obeys the same style vectors: each
of its normalizations has a linear map from the scales, and one from the shifts, of one of the
backbone's. So every style of the backbone has its draft, and so have blends and strengths.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vidstyle.disk import complete_file
from vidstyle.errors import StyleError
from vidstyle.models.transformer import Architecture, TransformerNet
from vidstyle.styles.file import BACKBONE, backbone_hash
from vidstyle.styles.registry import SUFFIX, user_styles_dir

BUNDLED_DRAFT = Path(__file__).with_name("draft.safetensors")
FORMAT = "vidstyle-draft"
SHRINK = 2
"""How many times smaller than a picture its draft is drawn."""
_MAP = "map."


@dataclass(frozen=True)
class Draft:
    """A leaner network for the styles of a backbone.

    Attributes:
        network: of stride 2; draws pictures at half of their size.
        splits: lengths of the parts of the backbone's style vectors.
        maps: for scale and shift of each of the network's normalizations in turn, from those of the
            backbone's in the same place, counted from the first, or from the last where both scale
            the whole drawing: c×C. So the backbone's last but one has none, nor have fine blocks
            that the draft lacks. With ``skip`` also for the scale of the photo.
        backbone_id: of the backbone it was distilled from.
    """

    network: TransformerNet
    splits: Sequence[int]
    maps: Sequence[Tensor]
    backbone_id: str

    def vector(self, style: Tensor) -> Tensor:
        """V numbers that steer the backbone, as v that steer the draft's network."""
        *parts, gain, shift = style.float().split(list(self.splits))
        last = self.network.architecture.drawing_parts()
        used = parts[: len(self.maps) - last] + parts[-last:]
        mapped = [weight @ part for weight, part in zip(self.maps, used, strict=True)]
        return torch.cat([*mapped, gain, shift])


def find_draft(backbone: TransformerNet) -> Draft:
    """The draft of a backbone: bundled, or in the folder ``drafts`` of the user's styles.

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
        "of this style's backbone there is no draft: use --quality standard, or make one "
        f"(vidstyle distil) in {user_styles_dir() / 'drafts'}"
    )


@lru_cache(maxsize=8)
def _read_draft(path: Path) -> Draft:
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        with torch.device("meta"):
            network = TransformerNet(
                Architecture(**{"skip": False, **json.loads(metadata["architecture"])})
            )
        weights = {
            k.removeprefix(BACKBONE): v for k, v in tensors.items() if k.startswith(BACKBONE)
        }
        network.load_state_dict(weights, assign=True)
        maps = [tensors[f"{_MAP}{n}"] for n in range(len(tensors) - len(weights))]
        splits = json.loads(metadata["splits"])
        return Draft(network.requires_grad_(False).eval(), splits, maps, metadata["backbone_id"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise StyleError(f"{path}: damaged, or no draft ({repr(error)[:200]})") from error


def write_draft(draft: Draft, path: str | Path) -> Path:
    """Write in fp16, under the final name only when complete.

    Raises:
        OutputError: the file cannot be written there.
    """
    path = Path(path)
    tensors = {BACKBONE + k: v for k, v in draft.network.state_dict().items()}
    tensors |= {f"{_MAP}{n}": weight for n, weight in enumerate(draft.maps)}
    metadata = {
        "format": FORMAT,
        "architecture": json.dumps(draft.network.architecture.as_dict()),
        "splits": json.dumps(list(draft.splits)),
        "backbone_id": draft.backbone_id,
    }
    halves = {k: v.detach().half().contiguous() for k, v in tensors.items()}
    with complete_file(path) as temporary:
        temporary.write_bytes(save(halves, metadata))
    return path
