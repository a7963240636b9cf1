"""Which channels of a file are the picture to restyle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vidstyle.errors import InputError

_USUAL = ("", "rgba", "rgb", "beauty", "combined")
"""What the main layer or part is called, in lower case."""


@dataclass(frozen=True)
class Layer:
    """Colour channels that belong together.

    Attributes:
        part: number of the part in the file.
        part_name: empty where parts have no names.
        prefix: ``beauty`` of ``beauty.R``.
        names: of R, G and B, or of Y; then of A if there is one.
    """

    part: int
    part_name: str
    prefix: str
    names: tuple[str, ...]

    @property
    def aliases(self) -> tuple[str, str, str]:
        """What it can be asked for by."""
        return self.prefix, self.part_name, self.title

    @property
    def title(self) -> str:
        """What a user calls it."""
        return ".".join(filter(None, (self.part_name, self.prefix))) or "RGB"


def find_layer(path: Path, parts: Sequence[tuple[str, Sequence[str]]], wanted: str = "") -> Layer:
    """The layer of a prefix, a part's name or both; without these the main one.

    Args:
        path: for messages.
        parts: name and channels of each part of the file.
        wanted: if empty, the channels without prefix, the only layer, or one of a usual name.

    Raises:
        InputError: there is no such layer.
    """
    layers = [
        Layer(number, name, prefix, names)
        for number, (name, channels) in enumerate(parts)
        for prefix, names in _colors(channels).items()
    ]
    if wanted:
        chosen = [
            layer for layer in layers if wanted in (layer.prefix, layer.part_name, layer.title)
        ]
    else:
        chosen = _main(layers)
    if chosen:
        return chosen[0]
    found = f"no layer '{wanted}'" if wanted else "no single picture"
    known = ", ".join(layer.title for layer in layers)
    listed = f"name one of its layers: {known}" if known else "none of its channels are colours"
    raise InputError(f"{path}: has {found}; {listed}")


def _main(layers: list[Layer]) -> list[Layer]:
    plain = [layer for layer in layers if not layer.prefix]
    usual = [layer for layer in layers if layer.prefix.lower().split(".")[-1] in _USUAL]
    chosen = plain or (layers if len(layers) == 1 else usual[:1])
    return sorted(chosen, key=lambda layer: layer.part_name.lower() not in _USUAL)


def _colors(channels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Names of RGB(A) or Y(A) by their prefixes."""
    layers = {}
    for prefix in sorted({name.rpartition(".")[0] for name in channels}):
        dot = f"{prefix}." if prefix else ""
        alpha = [dot + "A"] if dot + "A" in channels else []
        for letters in ("RGB", "Y"):
            names = [dot + letter for letter in letters]
            if set(names) <= set(channels):
                layers[prefix] = (*names, *alpha)
                break
    return layers
