"""What a batch does with each file, by either engine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import vidstyle
from vidstyle.batch.tasks import Restyle
from vidstyle.models.vgg import load_vgg19
from vidstyle.options import (
    FRAMES,
    FastOptions,
    OptimizeOptions,
    PhotorealismOptions,
    ReadOptions,
    TemporalOptions,
    VideoOptions,
    WriteOptions,
    settings_of,
)
from vidstyle.pipeline.optimized import optimize_video
from vidstyle.pipeline.photorealistic import photorealistic_video
from vidstyle.pipeline.settings import arrays, file_or_word, fingerprint, input_settings
from vidstyle.pipeline.summary import Listener, Summary
from vidstyle.pipeline.video import restyle_video
from vidstyle.styles.paintings import Paintings, style_label
from vidstyle.styles.registry import Style, find_style, parse_blend
from vidstyle.stylizers import FastStylizer
from vidstyle.stylizers.photorealism import deepest_layer


@dataclass(frozen=True)
class FastWork:
    """``stylize_video`` of file after file with one model."""

    style: str | Path | Style
    fast: FastOptions = field(default_factory=FastOptions)
    temporal: TemporalOptions = field(default_factory=TemporalOptions)
    read: ReadOptions = field(default_factory=ReadOptions)
    write: WriteOptions = field(default_factory=WriteOptions)
    compare: bool = False
    resume: bool = False

    @property
    def label(self) -> str:
        """Raises StyleError, OptionError: there is no such style."""
        return self.style.label if isinstance(self.style, Style) else style_label(self.style)

    @property
    def device(self) -> str:
        return self.fast.device

    def settings(self, source: Path) -> dict[str, Any]:
        """All that a file's result depends on, as JSON values."""
        return {
            **_settings(source, self.temporal, self.read, self.write, self.compare),
            **settings_of(self.fast),
            "style": _style_settings(self.style),
        }

    def load(self, device: str) -> Restyle:
        """Raises StyleError, OptionError, DeviceError."""
        stylizer = FastStylizer(self.style, replace(self.fast, device=device))

        def restyle(source: Path, output: Path, listener: Listener) -> Summary:
            return restyle_video(
                source,
                output,
                stylizer,
                temporal=self.temporal,
                read=self.read,
                write=self.write,
                compare=self.compare,
                resume=self.resume,
                listener=listener,
            )

        return restyle


@dataclass(frozen=True)
class OptimizeWork:
    """``optimize_video`` of file after file with one VGG19.

    Attributes:
        vgg: its file; where ``load_vgg19`` looks unless given.
        fast: the style by which the fast engine draws pictures to start from, if it shall.
        photorealism: ``photorealistic_video`` instead, if given.
    """

    paintings: Paintings
    optimize: OptimizeOptions = FRAMES
    video: VideoOptions = field(default_factory=VideoOptions)
    temporal: TemporalOptions = field(default_factory=TemporalOptions)
    read: ReadOptions = field(default_factory=ReadOptions)
    write: WriteOptions = field(default_factory=WriteOptions)
    compare: bool = False
    resume: bool = False
    vgg: Path | None = None
    fast: str | None = None
    photorealism: PhotorealismOptions | None = None

    @property
    def label(self) -> str:
        return self.paintings.label

    @property
    def device(self) -> str:
        return self.optimize.device

    def settings(self, source: Path) -> dict[str, Any]:
        """All that a file's result depends on, as JSON values."""
        init = file_or_word(self.optimize.init, ("content", "noise"))
        return {
            **_settings(source, self.temporal, self.read, self.write, self.compare),
            "optimize": settings_of(self.optimize) | {"init": init},
            "video": settings_of(self.video),
            "photorealism": self.photorealism and settings_of(self.photorealism),
            "paintings": [[fingerprint([p]), weight] for p, weight in self.paintings.weighted],
            "vgg": str(self.vgg),
            "start": self.fast and _style_settings(self.fast),
        }

    def load(self, device: str) -> Restyle:
        """Raises WeightsError, StyleError, DeviceError."""
        options = replace(self.optimize, device=device)
        look = self.photorealism
        last = deepest_layer(options, look) if look else options.deepest_layer
        vgg = load_vgg19(self.vgg, last)
        fast = FastStylizer(self.fast, FastOptions(device=device)) if self.fast else None

        def restyle(source: Path, output: Path, listener: Listener) -> Summary:
            files = source, output, self.paintings.weighted
            settings: dict[str, Any] = {
                "optimize": options,
                "temporal": self.temporal,
                "read": self.read,
                "write": self.write,
                "vgg": vgg,
                "compare": self.compare,
                "resume": self.resume,
                "listener": listener,
            }
            if look:
                return photorealistic_video(*files, photorealism=look, **settings)
            return optimize_video(*files, video=self.video, fast=fast, **settings)

        return restyle


def _settings(
    source: Path, temporal: TemporalOptions, read: ReadOptions, write: WriteOptions, compare: bool
) -> dict[str, Any]:
    """What both engines have."""
    return {
        "vidstyle": vidstyle.__version__,
        **input_settings([source]),
        **settings_of(temporal, read, write),
        "cuts": file_or_word(temporal.cuts, ("auto", "none")),
        "compare": compare,
    }


def _style_settings(style: str | Path | Style) -> Any:
    """A style's numbers, or the files that they are in, with their sizes and times."""
    if isinstance(style, Style):
        return fingerprint([style.vector, *arrays(style.network)])
    found = [(*find_style(name), weight) for name, weight in parse_blend(str(style))]
    return [
        [str(header.path.resolve()), name, weight, *_state(header.path)]
        for header, name, weight in found
    ]


def _state(path: Path) -> tuple[int, int]:
    """Size and time of a file."""
    state = path.stat()
    return state.st_size, state.st_mtime_ns
