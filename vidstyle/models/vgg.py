"""VGG19 as a feature extractor (Simonyan, Zisserman 2014), by the papers' layer names."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidstyle.errors import OptionError, WeightsError
from vidstyle.models.convolution import FixedConv2d
from vidstyle.models.layers import BLOCKS, Pooling, convolution_names

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_MOST_BYTES = 2 << 30


class VGG19(nn.Module):
    """The convolutional part up to a layer, frozen, for RGB in [0, 1].

    Args:
        state: weights under torchvision's names, ``features.0.weight`` …; those of layers after
            ``last`` may be missing.
        last: the deepest layer that will be used, such as ``relu4_2``.
        pooling: ``average`` gives "slightly more appealing results" according to Gatys, Ecker,
            Bethge 2016, section 2; the weights were trained with ``max``.

    Raises:
        WeightsError: a layer up to ``last`` is missing, or is not one of VGG19's.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, state: Mapping[str, Tensor], last: str = "relu5_4", pooling: Pooling = "max"
    ) -> None:
        super().__init__()
        indices = convolution_names()
        self.names = list(indices)[: list(indices).index("conv" + last[-3:]) + 1]
        self.pooling = pooling
        for name in self.names:
            if f"features.{indices[name]}.weight" not in state:
                raise WeightsError(f"layer {name} is missing; it is needed for {last}")
        self.convolutions = nn.ModuleList()
        channels = 3
        for name in self.names:
            weight, bias = (
                state[f"features.{indices[name]}.{kind}"] for kind in ("weight", "bias")
            )
            _check_weights(name, weight, bias, channels)
            channels = weight.shape[0]
            conv = FixedConv2d(weight.shape[1], channels)
            conv.weight.data.copy_(weight)
            conv.bias.data.copy_(bias)  # type: ignore[union-attr]
            self.convolutions.append(conv)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None])
        self.requires_grad_(False)

    def fitted(self, device: torch.device, dtype: torch.dtype, pooling: Pooling) -> VGG19:
        """A copy on a device, with another number format for weights and responses.

        Pictures are normalized before they lose precision.
        """
        other = deepcopy(self).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        other.convolutions.to(dtype)
        other.pooling = pooling
        return other

    def require(self, layers: Iterable[str]) -> None:
        """Raise OptionError if a layer comes after the last one of this network."""
        if beyond := set(layers) - {"relu" + name[-3:] for name in self.names}:
            raise OptionError(f"this VGG19 ends with {self.names[-1]}, before {min(beyond)}")

    def forward(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Features of N×3×H×W pictures at ``relu…`` layers, each N×C×h×w.

        Layers after the deepest of them are not computed.

        Raises:
            OptionError: a layer comes after the last one of this network.
        """
        wanted = set(layers)
        self.require(wanted)
        pool = F.max_pool2d if self.pooling == "max" else F.avg_pool2d
        x = ((image - self.mean) / self.std).to(self.convolutions[0].weight.dtype)  # type: ignore[arg-type]
        features: dict[str, Tensor] = {}
        for name, conv in zip(self.names, self.convolutions, strict=True):
            if name.endswith("_1") and name != "conv1_1":
                x = pool(x, 2)
            x = F.relu(conv(x), inplace=True)
            relu = "relu" + name[-3:]
            if relu in wanted:
                features[relu] = x
                if len(features) == len(wanted):
                    break
        return features


def _check_weights(name: str, weight: Tensor, bias: Tensor, channels: int) -> None:
    """Raise WeightsError unless a layer's weights are finite and of a shape that VGG19 can have."""
    widest = BLOCKS[int(name[4]) - 1][0]
    fits = weight.ndim == 4 and weight.shape[1:] == (channels, 3, 3)
    if not fits or not 1 <= weight.shape[0] <= widest or bias.shape != weight.shape[:1]:
        raise WeightsError(f"layer {name} has weights of {tuple(weight.shape)}, unlike VGG19")
    if not (weight.isfinite().all() and bias.isfinite().all()):
        raise WeightsError(f"layer {name} is damaged: some of its weights are NaN or infinite")


def load_vgg19(
    path: str | Path | None = None, last: str = "relu5_4", pooling: Pooling = "max"
) -> VGG19:
    """Load VGG19 from a ``.safetensors`` or ``.pth`` file, ``VIDSTYLE_VGG19``, or torchvision.

    Layers after ``last`` may be missing. Code in a ``.pth`` file is not run.

    Raises:
        WeightsError: there are no weights, a layer is missing, or the file holds something else.
    """
    path = path or os.environ.get("VIDSTYLE_VGG19")
    state = _read_weights(Path(path)) if path else _download_weights()
    foreign = f"{path}: not VGG19 weights with torchvision's names"
    if not isinstance(state, Mapping) or "features.0.weight" not in state:
        raise WeightsError(foreign)
    try:
        vgg = VGG19(state, last, pooling)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except (KeyError, RuntimeError, AttributeError) as error:
        raise WeightsError(foreign) from error
    return vgg.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _read_weights(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise WeightsError(f"{path}: no such VGG19 weights file")
    if path.stat().st_size > _MOST_BYTES or _unpacked_bytes(path) > _MOST_BYTES:
        raise WeightsError(f"{path}: too large for VGG19 weights, which have 550 MB")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # PyTorch's message suggests running whatever code is in the file.
        raise WeightsError(
            f"{path}: cannot be read as VGG19 weights (damaged, or contains code, which is not run)"
        ) from error
    except Exception as error:  # every format has different error types
        raise WeightsError(f"{path}: cannot be read as VGG19 weights ({error})") from error


def _unpacked_bytes(path: Path) -> int:
    """Unpacked size of a .pth file, which is a zip archive; 0 for anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return 0


def _download_weights() -> Mapping[str, Tensor]:
    """Download through torchvision into torch's cache, with a progress bar and a hash check."""
    try:
        from torchvision.models import VGG19_Weights
    except ImportError as error:
        raise WeightsError(
            "VGG19 needs torchvision (pip install 'vidstyle[train]'); "
            "or give a file with --vgg or VIDSTYLE_VGG19"
        ) from error
    weights = VGG19_Weights.IMAGENET1K_V1
    try:
        return weights.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:  # no network, or an unexpected hash
        place = Path(torch.hub.get_dir()) / "checkpoints"
        raise WeightsError(
            f"VGG19 weights could not be downloaded ({error}); download {weights.url} elsewhere "
            f"and put it into {place}, or give a file with --vgg or VIDSTYLE_VGG19"
        ) from error
