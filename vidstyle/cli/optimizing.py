"""What the commands of the optimization engine have in common: options, events, what is kept."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vidstyle import image as images
from vidstyle.cli.output import print_json, print_line
from vidstyle.cli.progress import Bar
from vidstyle.cli.summary import stages_json
from vidstyle.disk import OutputLock
from vidstyle.errors import Interrupted, OptimizationError, OptionError, OutputError
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.options import FastOptions, OptimizeOptions
from vidstyle.options.commands import PictureOutput, ProgressOptions
from vidstyle.plots import check_plot, write_losses
from vidstyle.stages import StageTimes
from vidstyle.styles import has_pictures
from vidstyle.stylizers import FastStylizer, Losses, Step


def load_vgg(path: Path | None, options: OptimizeOptions) -> VGG19:
    """VGG19 up to the deepest layer that counts."""
    return load_vgg19(path, options.deepest_layer)


def fast_stylizer(style: str, device: str) -> FastStylizer:
    """What draws the pictures to start from; raises OptionError as ``check_start`` does."""
    check_start(style)
    return FastStylizer(style, FastOptions(device=device))


def check_start(style: str) -> None:
    """Raises OptionError when no network can draw the pictures to start from."""
    if has_pictures(style):
        raise OptionError(f"--init fast: no network has learned '{style}'; name a style")


def place(
    output: Path | None, source: Path, word: str, inputs: Sequence[Path], overwrite: bool
) -> Path:
    """The output, or ``SOURCE.<word>.png`` beside the source (.jpg if that is one).

    Raises:
        OutputError: it cannot be written there.
    """
    suffix = source.suffix if source.suffix.lower() in (".jpg", ".jpeg") else ".png"
    path = output or source.with_name(f"{source.stem}.{word}{suffix}")
    images.check_output(path, inputs, overwrite)
    return path


class Watch:
    """Listens to an optimization: shows it, keeps what was asked for, and writes the result.

    Args:
        output: where the picture goes.
        size: its width and height. Pictures of coarse scales are enlarged to it.
        shown: progress and summary.
        kept: which steps are kept, and where losses are plotted.
        times: what was measured before.

    Raises:
        OutputError, OptionError: something cannot be written there or so. Known before the work.
    """

    def __init__(
        self,
        output: Path,
        size: tuple[int, int],
        shown: ProgressOptions,
        kept: PictureOutput = PictureOutput(),
        *,
        overwrite: bool = False,
        times: StageTimes | None = None,
    ) -> None:
        if kept.plot is not None:
            check_plot(kept.plot)
        if kept.save_every and not overwrite:
            check_series(output)
        self.output = output
        self.overwrite = overwrite
        self.size = size
        self.kind = shown.progress
        self.as_json = shown.as_json
        self.times = times or StageTimes()
        self.kept = kept
        self.steps = 0
        self.losses: list[Losses] = []
        self.starts: list[int] = []
        self.last: Step | None = None
        self._began = time.perf_counter()
        self._bar = Bar("steps")

    def __call__(self, step: Step) -> None:
        if self.last and step.scale != self.last.scale:
            self.starts.append(self.steps)
        self.last = step
        self.steps += 1
        self.losses.append(step.losses)
        self._show(step)
        if self.kept.save_every and self.steps % self.kept.save_every == 0:
            path = images.beside(self.output, f"{self.steps:04d}")
            self._write(path, step.picture())

    def run(self, work: Callable[[], np.ndarray]) -> None:
        """Let it work, write the picture that comes of it, and say so.

        Raises:
            OutputError: another run writes that picture, or has just done so.
            Interrupted: Ctrl-C; its ``partial`` names the picture that was kept.
            OptimizationError: the last good picture is kept, and the message names it.
        """
        with OutputLock(self.output, overwrite=self.overwrite):
            picture = self._worked(work)
            with self.times.measure("encode"):
                images.write_image(self.output, picture)
        self._done()

    def _worked(self, work: Callable[[], np.ndarray]) -> np.ndarray:
        try:
            with self.times.measure("inference"):
                return work()
        except KeyboardInterrupt as interrupt:
            self._bar.close()
            raise Interrupted(self._keep(self.last.picture() if self.last else None)) from interrupt
        except OptimizationError as error:
            self._bar.close()
            kept = self._keep(error.picture)
            where = f"; the last good picture is in {kept}" if kept else ""
            raise OptimizationError(f"{error}{where}", error.picture) from error
        finally:
            self._bar.close()
            if self.kept.plot is not None and self.losses:
                write_losses(self.kept.plot, curves(self.losses), self.starts, self.output.name)

    def _keep(self, picture: np.ndarray | None) -> Path | None:
        if picture is None:
            return None
        path = images.beside(self.output, "partial")
        self._write(path, picture)
        return path

    def _write(self, path: Path, picture: np.ndarray) -> None:
        images.write_image(path, images.resize(picture, *self.size))

    def _show(self, step: Step) -> None:
        if self.kind == "json":
            print_json(
                event="progress",
                iteration=step.iteration,
                total=step.total,
                scale=step.scale,
                scales=step.scales,
                seconds=round(step.seconds, 3),
                **parts(step.losses),
            )
        elif self.kind == "bar":
            self._bar.update(step.iteration, step.total, words(step.losses))

    def _done(self) -> None:
        seconds = time.perf_counter() - self._began
        if self.as_json:
            print_json(
                event="done",
                output=str(self.output),
                steps=self.steps,
                seconds=round(seconds, 3),
                **(parts(self.losses[-1]) if self.losses else {}),
                complete=True,
                warnings=[],
                stages=stages_json(self.times.result()),
            )
            return
        width, height = self.size
        end = f"; {words(self.losses[-1])}" if self.losses else ""
        steps = f"{self.steps} steps in " if self.steps else ""
        print_line(f"{self.output}: {width}×{height}, {steps}{seconds:.1f} s{end}")


def parts(losses: Losses) -> dict[str, float]:
    """The losses by their names, as they are weighted, and their sum."""
    return {
        "loss": losses.total,
        "content": losses.content,
        "style": losses.style,
        "tv": losses.tv,
        "photorealism": losses.photorealism,
    }


def curves(losses: Sequence[Losses]) -> dict[str, list[float]]:
    """The same of many steps."""
    return {name: [parts(step)[name] for step in losses] for name in parts(losses[0])}


def words(losses: Losses) -> str:
    """Those that count, in one line."""
    return ", ".join(f"{name} {value:.3g}" for name, value in parts(losses).items() if value)


def check_series(output: Path) -> None:
    """Raises OutputError when there are intermediate pictures of the output already."""
    name = re.compile(rf"{re.escape(output.stem)}\.\d{{4,}}{re.escape(output.suffix)}")
    there = sorted(p for p in output.parent.iterdir() if name.fullmatch(p.name))
    if there:
        raise OutputError(
            f"{there[0]}: exists already; remove it, or overwrite it with --overwrite"
        )
