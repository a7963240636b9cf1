"""The headers of style files: which styles are in one. Reading them needs no torch."""

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
"""Of the description at the beginning of a file, which is JSON."""
_LONGEST_TEXT = 1000
FORBIDDEN = ",:#/\\"
"""What separates names in a blend, or folders."""
_DTYPE_BYTES = {"F16": 2, "F32": 4}


@dataclass(frozen=True)
class StyleInfo:
    """What is known of a style besides its numbers."""

    name: str
    title: str = ""
    artist: str = ""
    year: str = ""
    training: dict[str, object] = field(default_factory=dict)
    """The recipe: steps, weights, the painting's size."""

    def __post_init__(self) -> None:
        for text in (self.name, self.title, self.artist, self.year):
            if not isinstance(text, str):
                raise OptionError(f"a style's name, title, artist and year are text, not {text!r}")
            if len(text) > _LONGEST_TEXT or not text.isprintable():
                raise OptionError(
                    f"a style's name, title, artist and year are a line of {_LONGEST_TEXT} "
                    f"characters at most, not {text[:40]!r}"
                )
        if not self.name or any(mark in self.name for mark in FORBIDDEN):
            raise OptionError(
                f"'{self.name}' cannot name a style: none of {FORBIDDEN} may be in it"
            )


@dataclass(frozen=True)
class StyleHeader:
    """What a style file says of itself.

    Attributes:
        infos: of its styles, by name.
        bytes: sizes of their vectors in the file, by name.
        backbone_id: of the backbone that they steer.
        has_backbone: whether that is in the file.
    """

    path: Path
    infos: dict[str, StyleInfo]
    bytes: dict[str, int]
    backbone_id: str
    has_backbone: bool


def read_header(path: str | Path) -> StyleHeader:
    """Read and check which styles are in a file; their numbers are not looked at.

    Raises:
        StyleError: missing, damaged, too large, foreign, or of a later version.
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


@contextmanager
def opened(path: Path, framework: Literal["np", "pt"]) -> Iterator[Any]:
    """A style file in safetensors' hands; what goes wrong in the block names the file.

    Raises:
        StyleError.
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
    """What is known of the styles in a file, by name.

    Raises:
        StyleError: foreign, or of a later version.
        KeyError, TypeError, ValueError, AttributeError, RecursionError: damaged.
    """
    if metadata.get("format") != FORMAT:
        raise StyleError(f"{path}: a safetensors file, but not a vidstyle style")
    if int(metadata["version"]) > VERSION:
        raise StyleError(f"{path}: made by a later vidstyle; update this one")
    return {name: _info(entry) for name, entry in json.loads(metadata["styles"]).items()}


def check_names(path: Path, infos: Mapping[str, StyleInfo], vectors: Mapping[str, Any]) -> None:
    """Raises StyleError unless there is a description of every vector, under its name."""
    if not vectors or {name: name for name in vectors} != {k: v.name for k, v in infos.items()}:
        raise StyleError(f"{path}: style vectors and their descriptions do not match")


def _info(description: object) -> StyleInfo:
    info = StyleInfo(**description)  # type: ignore[arg-type]
    if not isinstance(info.training, dict):
        raise TypeError("the recipe of a style is no table")
    return info


def _size(path: Path, stored: Any) -> int:
    """Bytes of a vector."""
    (length,), kind = stored.get_shape(), stored.get_dtype()
    if kind not in _DTYPE_BYTES:
        raise StyleError(f"{path}: damaged, its numbers are of the type {kind}")
    return length * _DTYPE_BYTES[kind]


def _check_sizes(path: Path) -> None:
    """Before anything is allocated for what the file claims."""
    size = path.stat().st_size
    if not path.is_file():
        raise StyleError(f"{path}: is no regular file")
    if size > MAX_BYTES:
        raise StyleError(f"{path}: too large for a style file")
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if 8 + header > size:
        raise StyleError(f"{path}: damaged, or not a style file (its header is cut short)")
    if header > MAX_HEADER_BYTES:
        raise StyleError(f"{path}: damaged, or not a style file (its header is too large)")
