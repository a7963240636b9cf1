"""Listeners to a run: a bar, JSON lines, or silence."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from vidstyle.pipeline import Progress, Summary


class ProgressKind(StrEnum):
    bar = "bar"
    json = "json"
    none = "none"


class Reporter(AbstractContextManager["Reporter"]):
    """Shows a run as it goes, and its end."""

    def __init__(self, kind: ProgressKind) -> None:
        self.kind = kind
        self._bar: tqdm | None = None

    def __exit__(self, *exception: object) -> None:
        self._close()

    def __call__(self, progress: Progress) -> None:
        if self.kind is ProgressKind.json:
            left = (progress.total or 0) - progress.frames
            print_json(
                event="progress",
                frames=progress.frames,
                total=progress.total,
                seconds=round(progress.seconds, 3),
                fps=round(progress.rate, 3),
                eta=round(left / progress.rate, 1) if progress.total and progress.rate else None,
                **({} if progress.loss is None else {"loss": progress.loss}),
            )
        elif self.kind is ProgressKind.bar:
            self._update(progress)

    def _update(self, progress: Progress) -> None:
        if self._bar is None:
            self._bar = tqdm(unit=" frames", dynamic_ncols=True, file=sys.stderr, smoothing=0.1)
        # The total is the container's word for it, and the container may be wrong.
        total = progress.total
        self._bar.total = max(total, progress.frames) if total else None
        if progress.loss is not None:
            self._bar.set_postfix_str(f"loss {progress.loss:.3g}", refresh=False)
        self._bar.update(progress.frames - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def done(self, summary: Summary) -> None:
        """Print what came out of it."""
        self._close()
        if self.kind is ProgressKind.json:
            for message in summary.warnings:
                print_json(event="warning", message=message)
            print_json(
                event="done",
                output=str(summary.output),
                frames=summary.frames,
                seconds=round(summary.seconds, 3),
                fps=round(summary.rate, 3),
            )
            return
        for message in summary.warnings:
            print(f"vidstyle: note: {message}", file=sys.stderr)
        print(
            f"{summary.output}: {summary.frames} frames in {summary.seconds:.1f} s, "
            f"{summary.rate:.2f} frames/s"
        )


def print_json(**values: Any) -> None:
    """One object a line, at once."""
    print(json.dumps(values, ensure_ascii=False), flush=True)
