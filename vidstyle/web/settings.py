"""What a visitor has chosen for a clip, as the records of options that the command line has."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from vidstyle.options import FastOptions, Options, ReadOptions, TemporalOptions, WriteOptions
from vidstyle.options.base import about, flags_of, written
from vidstyle.options.drawing import usual_flow
from vidstyle.options.values import parse_time
from vidstyle.pipeline.summary import Listener, Summary
from vidstyle.web.catalog import check_style


@dataclass(frozen=True)
class VideoSettings:
    """How a clip is to be painted."""

    style: str
    fast: FastOptions
    temporal: TemporalOptions
    read: ReadOptions

    @classmethod
    def of(
        cls,
        style: str,
        strength: float,
        temporal: float,
        color: str,
        quality: str,
        max_side: int,
        start: str,
        end: str,
    ) -> VideoSettings:
        """From the controls of the page; a ``max_side`` of 0 keeps the size.

        Raises:
            StyleError, OptionError: a value makes no sense.
        """
        check_style(style)
        return cls(
            style,
            FastOptions(strength=strength, color=color, quality=quality),  # type: ignore[arg-type]
            TemporalOptions(temporal=temporal),
            ReadOptions(
                start=parse_time(start) if (start or "").strip() else None,
                end=parse_time(end) if (end or "").strip() else None,
                max_side=max_side or None,
            ),
        )

    def command(self, source: str) -> str:
        """The command line that does the same."""
        records: tuple[Options, ...] = (self.fast, self.temporal, self.read)
        given = [flag for record in records for flag in changed_flags(record)]
        return shlex.join(["vidstyle", "run", source, "--style", self.style, *given])

    def paint(self, source: Path, output: Path, listener: Listener) -> Summary:
        """Do what the command line would do.

        Raises:
            VidstyleError, Interrupted: as ``stylize_video``.
        """
        from vidstyle.pipeline.video import stylize_video

        return stylize_video(
            source,
            output,
            self.style,
            fast=self.fast,
            temporal=replace(self.temporal, flow=usual_flow(self.fast.quality)),
            read=self.read,
            write=WriteOptions(effort=self.fast.quality),
            listener=listener,
        )


def changed_flags(record: Options) -> Iterator[str]:
    """The fields that differ from their defaults, as the command line spells them."""
    for one in fields(record):  # type: ignore[arg-type]
        value = getattr(record, one.name)
        if value != one.default and about(one).panel is not None:
            yield flags_of(one)[0]
            yield written(value)
