"""The styles that are available, and loading one of them or a blend.

torch is only imported to load a style, not to list them.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from vidstyle.errors import OptionError, StyleError, suggestion
from vidstyle.styles.header import IDENTITY, StyleHeader, StyleInfo, read_header

if TYPE_CHECKING:
    from torch import Tensor

    from vidstyle.models.transformer import TransformerNet
    from vidstyle.styles.file import StyleFile

BUNDLED = Path(__file__).with_name("bundled.safetensors")
SUFFIX = ".safetensors"
SWATCHES = "swatches"


@dataclass(frozen=True)
class StyleEntry:
    """A style that is available by name, and its file."""

    info: StyleInfo
    path: Path
    bytes: int
    """Size of its vector in the file."""
    swatch: Path | None = None
    """A picture of its painting's texture, for lists and for the optimization engine:
    ``swatches/NAME.jpg`` beside the style's file, if it exists."""


@dataclass(frozen=True)
class Style:
    """A style, or a blend of styles, loaded into memory.

    Attributes:
        label: usable in a file name: ``scream``, ``scream+wave``.
        network: the backbone, in float32 on the CPU.
        vector: the style vector, V numbers.
        identity: the vector that returns the photo, V numbers; a lower strength mixes it in.
        licence: the licence of its files, as far as they state one.
    """

    label: str
    info: StyleInfo
    network: TransformerNet
    vector: Tensor
    identity: Tensor
    licence: str = ""

    def at_strength(self, strength: float) -> Tensor:
        """The vector for a strength from 0 (the photo) to 1 (the style)."""
        if not 0 <= strength <= 1:
            raise OptionError(f"strength is from 0 to 1, not {strength:g}")
        return self.identity + strength * (self.vector - self.identity)


def user_styles_dir() -> Path:
    """The folder of the user's styles: ``VIDSTYLE_STYLES``, or in the platform's data folder."""
    chosen = os.environ.get("VIDSTYLE_STYLES")
    if chosen:
        return Path(chosen)
    import platformdirs  # bare GPU machines do not have it, and only need the bundled styles

    return platformdirs.user_data_path("vidstyle") / "styles"


def style_files() -> list[Path]:
    """The bundled style file, then the user's in alphabetical order."""
    folder = user_styles_dir()
    own = sorted(folder.glob("*" + SUFFIX)) if folder.is_dir() else []
    return [BUNDLED, *own]


def available_styles() -> dict[str, StyleEntry]:
    """All styles by name. A user's style replaces a bundled one of the same name.

    Only the headers of files are read. A damaged file of the user's is skipped with a Python
    warning.

    Raises:
        StyleError: the bundled style file is damaged.
    """
    entries: dict[str, StyleEntry] = {}
    for header in _headers():
        path = header.path
        for name, info in header.infos.items():
            if name == IDENTITY and name in entries:
                continue
            entries[name] = StyleEntry(info, path, header.bytes[name], find_swatch(path, name))
    return entries


def find_swatch(file: Path, name: str) -> Path | None:
    """The swatch of a style in a style file, if it has one."""
    swatch = file.parent / SWATCHES / f"{name}.jpg"
    return swatch if swatch.is_file() else None


def load_style(spec: str | Path) -> Style:
    """Load a style by name, from a file, or as a blend of several.

    Args:
        spec: ``scream``; ``my.safetensors``, or ``my.safetensors#name`` if the file has several
            styles; or a blend, ``scream:0.7,wave:0.3`` (weights are normalized to add up to 1, and
            are equal if none are given).

    Raises:
        StyleError: unknown (the message suggests similar names), damaged, or not a style file.
        OptionError: weights are negative or all zero.
    """
    import torch

    parts = parse_blend(str(spec))
    places = [find_style(name) for name, _ in parts]
    found = [(_read(header.path), name) for header, name in places]
    files = [file for file, _ in found]
    if len({file.backbone_id for file in files}) > 1:
        raise StyleError(f"'{spec}': styles of different backbones cannot be blended")
    backbone = _backbone(files[0])
    total = sum(weight for _, weight in parts)
    vectors = [file.vectors[name] for file, name in found]
    mixed = torch.stack([v * (w / total) for v, (_, w) in zip(vectors, parts, strict=True)]).sum(0)
    infos = [file.infos[name] for file, name in found]
    label = "+".join(info.name for info in infos)
    info = infos[0] if len(infos) == 1 else StyleInfo(label, " + ".join(i.title for i in infos))
    network = backbone.network()
    identity = backbone.vectors.get(IDENTITY, network.identity_style())
    licence = "; ".join(dict.fromkeys(file.licence for file in files if file.licence))
    return Style(label, info, network, mixed, identity, licence)


def parse_blend(spec: str) -> list[tuple[str, float]]:
    """Parse ``a:0.7,b:0.3`` to pairs of name and weight; weights default to 1."""
    parts = []
    for part in spec.split(","):
        name, colon, weight = part.strip().rpartition(":")
        try:
            parts.append((name, float(weight)) if colon else (weight, 1.0))
        except ValueError:  # the colon belongs to a path
            parts.append((part.strip(), 1.0))
    if any(not weight >= 0 or weight == float("inf") for _, weight in parts):
        raise OptionError(f"'{spec}': the weights of a blend cannot be negative")
    if sum(weight for _, weight in parts) == 0:
        raise OptionError(f"'{spec}': the weights of a blend cannot all be zero")
    if any(not name for name, _ in parts):
        raise OptionError(f"'{spec}': a style has no name; use name:weight,name:weight")
    return parts


def find_style(name: str) -> tuple[StyleHeader, str]:
    """The file of a style and its name in it; ``name`` may be a file's name.

    Raises:
        StyleError: unknown (the message suggests similar names), damaged, or not a style file.
    """
    path, _, inner = name.partition("#")
    if path.endswith(SUFFIX) or os.sep in path or Path(path).is_file():
        return _find_in_file(Path(path), inner)
    for header in reversed(_headers()):
        if name in header.infos:
            return header, name
    raise StyleError(f"unknown style '{name}'; {suggestion(name, sorted(available_styles()))}")


def _find_in_file(path: Path, inner: str) -> tuple[StyleHeader, str]:
    if path.is_dir():
        raise StyleError(f"{path}: a directory, not a style file")
    header = read_header(path)
    names = [n for n in header.infos if n != IDENTITY]
    if inner:
        if inner not in header.infos:
            raise StyleError(f"{path}: no style '{inner}'; it contains {', '.join(names)}")
        return header, inner
    if len(names) > 1:
        raise StyleError(f"{path}: contains {', '.join(names)}; use {path.name}#{names[0]}")
    return header, (names or [IDENTITY])[0]


def _backbone(file: StyleFile) -> StyleFile:
    if file.backbone is not None:
        return file
    for header in _headers():
        if header.backbone_id == file.backbone_id and header.has_backbone:
            return _read(header.path)
    raise StyleError(
        f"{file.path}: its styles need backbone {file.backbone_id}, which is not installed"
    )


def _headers() -> list[StyleHeader]:
    """The headers of all style files; a damaged file must not make the others unusable."""
    headers = [read_header(BUNDLED)]
    for path in style_files()[1:]:
        try:
            headers.append(read_header(path))
        except StyleError as error:
            warnings.warn(f"{error}; skipped", stacklevel=1)
    return headers


def _read(path: Path) -> StyleFile:
    try:
        stamp = path.stat().st_mtime_ns
    except OSError as error:
        raise StyleError(f"{path}: {error.strerror or error}") from error
    return _read_cached(path, stamp)


@lru_cache(maxsize=32)
def _read_cached(path: Path, stamp: int) -> StyleFile:
    from vidstyle.styles.file import read_style_file

    return read_style_file(path)
