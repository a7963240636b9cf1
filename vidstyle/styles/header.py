"""The headers of style files, which list their styles. Reading them needs no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from vidstyle.errors import OptionError, StyleError

FORMAT = "vidstyle-style"
IDENTITY = "photo"
VERSION = 1
BACKBONE = "backbone."
STYLE = "style."
MAX_BYTES = 256 << 20
MAX_HEADER_BYTES = 4 << 20
"""Largest JSON header at the beginning of a file."""
_LONGEST_TEXT = 1000
FORBIDDEN = ",:#/\\"
"""Characters that separate names in a blend, or folders."""
_DTYPE_BYTES = {"F16": 2, "F32": 4}


@dataclass(frozen=True)
class StyleInfo:
    """A style's description."""

    name: str
    title: str = ""
    artist: str = ""
    year: str = ""
    training: dict[str, object] = field(default_factory=dict)
    """Options it was trained with: steps, weights, size of the painting."""

    def __post_init__(self) -> None:
        for text in (self.name, self.title, self.artist, self.year):
            if not isinstance(text, str):
                raise OptionError(
                    f"a style's name, title, artist and year must be text, not {text!r}"
                )
            if len(text) > _LONGEST_TEXT or not text.isprintable():
                raise OptionError(
                    "a style's name, title, artist and year must be one line of at most "
                    f"{_LONGEST_TEXT} characters, not {text[:40]!r}"
                )
        if not self.name or any(mark in self.name for mark in FORBIDDEN):
            raise OptionError(
                f"'{self.name}' cannot name a style; it must not contain any of {FORBIDDEN}"
            )


@dataclass(frozen=True)
class StyleHeader:
    """Description of a style file.

    Attributes:
        infos: descriptions of its styles, by name.
        bytes: sizes of their vectors in the file, by name.
        backbone_id: the backbone that they belong to.
        has_backbone: whether the file contains that backbone.
    """

    path: Path
    infos: dict[str, StyleInfo]
    bytes: dict[str, int]
    backbone_id: str
    has_backbone: bool


def read_header(path: str | Path) -> StyleHeader:
    """Read which styles are in a file, without reading their vectors.

    Raises:
        StyleError: missing, damaged, too large, not a style file, or of a later version.
    """
    path = Path(path)
    with opened(path, "np") as stored:
        metadata, names = stored.metadata() or {}, list(stored.keys())
        infos = parse_infos(path, metadata)
        sizes = {
            name.removeprefix(STYLE): _size(path, stored.get_slice(name))
            for name in names
            if name.startswith(STYLE)
        }
        check_names(path, infos, sizes)
        has_backbone = any(name.startswith(BACKBONE) for name in names)
        return StyleHeader(path, infos, sizes, metadata["backbone_id"], has_backbone)


def all_tensors(stored: Any) -> dict[str, Any]:
    """All tensors of an open safetensors file, by name."""
    return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118


@contextmanager
def opened(path: Path, framework: Literal["np", "pt"]) -> Iterator[Any]:
    """Open a style file with ``safe_open``.

    Raises:
        StyleError: names the file, for whatever goes wrong in the block.
    """
    try:
        _check_sizes(path)
        with safe_open(path, framework=framework) as stored:
            yield stored
    except OSError as error:
        raise StyleError(f"{path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise StyleError(f"{path}: damaged, or not a style file ({error})") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise StyleError(f"{path}: damaged style metadata ({repr(error)[:200]})") from error


def parse_infos(path: Path, metadata: Mapping[str, str]) -> dict[str, StyleInfo]:
    """Descriptions of the styles in a file, by name.

    Raises:
        StyleError: not a style file, or of a later version.
        KeyError, TypeError, ValueError, AttributeError, RecursionError: the metadata is damaged.
    """
    if metadata.get("format") != FORMAT:
        raise StyleError(f"{path}: a safetensors file, but not a vidstyle style")
    if int(metadata["version"]) > VERSION:
        raise StyleError(f"{path}: made by a later version of vidstyle; update vidstyle")
    return {name: _info(entry) for name, entry in json.loads(metadata["styles"]).items()}


def check_names(path: Path, infos: Mapping[str, StyleInfo], vectors: Mapping[str, Any]) -> None:
    """Raise StyleError unless every vector has a description with its name."""
    if not vectors or {name: name for name in vectors} != {k: v.name for k, v in infos.items()}:
        raise StyleError(f"{path}: style vectors and their descriptions do not match")


def _info(description: object) -> StyleInfo:
    info = StyleInfo(**description)  # type: ignore[arg-type]
    if not isinstance(info.training, dict):
        raise TypeError("a style's training options must be a table")
    return info


def _size(path: Path, stored: Any) -> int:
    """Size of a vector in bytes."""
    (length,), kind = stored.get_shape(), stored.get_dtype()
    if kind not in _DTYPE_BYTES:
        raise StyleError(f"{path}: damaged, its numbers have the type {kind}")
    return length * _DTYPE_BYTES[kind]


def _check_sizes(path: Path) -> None:
    """Raise StyleError if a file claims a size that it does not have, or that is too large."""
    size = path.stat().st_size
    if not path.is_file():
        raise StyleError(f"{path}: is not a regular file")
    if size > MAX_BYTES:
        raise StyleError(f"{path}: too large for a style file")
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if 8 + header > size:
        raise StyleError(f"{path}: damaged, or not a style file (its header is cut short)")
    if header > MAX_HEADER_BYTES:
        raise StyleError(f"{path}: damaged, or not a style file (its header is too large)")
