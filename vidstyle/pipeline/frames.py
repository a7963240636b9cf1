"""Restyling the pictures of a sequence: each frame is a file, and a run continues where another
ended."""

from __future__ import annotations

import glob
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from vidstyle.disk import OutputLock
from vidstyle.errors import InputError, Interrupted, OptionError, OutputError
from vidstyle.options import FastOptions, FrameOptions, TemporalOptions, settings_of
from vidstyle.pipeline.journal import Journal
from vidstyle.pipeline.mattes import Matte
from vidstyle.pipeline.passes import PassFolders, PassWriter
from vidstyle.pipeline.process import process
from vidstyle.pipeline.resume_plan import (
    Counts,
    ResumePlan,
    Rules,
    UnreadableFrame,
)
from vidstyle.pipeline.sequence_steps import (
    FrameFinisher,
    MotionFeed,
    PictureWriter,
    StateKeeper,
)
from vidstyle.pipeline.settings import drawing_settings
from vidstyle.pipeline.steady import SteadyStylizer, effective_consistency
from vidstyle.pipeline.summary import Listener, Progress, Summary, log_summary
from vidstyle.sequences.alpha import extend_colors
from vidstyle.sequences.pattern import SequenceFile, find_sequence, output_path, output_paths
from vidstyle.sequences.picture import (
    Picture,
    read_picture,
)
from vidstyle.sequences.watch import Watch
from vidstyle.stages import StageTimes
from vidstyle.store import Checkpoints
from vidstyle.styles.registry import Style
from vidstyle.stylizers import FastStylizer
from vidstyle.temporal.cuts import read_cuts
from vidstyle.temporal.motion import MotionTracker

Painting = str | Path | Style


def stylize_frames(
    source: str | Path,
    output: str | Path,
    style: Painting | Sequence[Painting] = "scream",
    *,
    fast: FastOptions = FastOptions(),
    temporal: TemporalOptions = TemporalOptions(),
    frames: FrameOptions = FrameOptions(),
    listener: Listener = lambda progress: None,
) -> Summary:
    """Restyle the pictures of a sequence, keeping their names, format, depth, alpha and metadata.

    Jumps in the numbering are cuts in time. What was finished is noted in a hidden folder beside
    the results, so that a run that was interrupted in any way, and started again, makes the same
    files, bit for bit on the same device, as one that was not.

    Args:
        source: a directory, a pattern (``shot_%04d.png``, ``shot.####.exr``) or a glob.
        output: a directory, made if need be, or a pattern, whose suffix may be another.
        style: a name, a style file, a blend, or a Style; or one for each matte.
        fast: values that are left to be chosen are what an earlier run has chosen. With strength 0
            every frame is by itself.
        listener: called after every batch.

    Raises:
        VidstyleError: a subclass says what is wrong with the input, style, options or output.
        OptionError: also, to go on, settings have changed.
        Interrupted: Ctrl-C; finished frames are kept.
    """
    began = time.perf_counter()
    temporal = effective_consistency(temporal, fast)
    run = _Run(Path(source), Path(output), _styles(style, frames), fast, temporal, frames)
    try:
        drawn = run(listener)
    except KeyboardInterrupt as interrupt:
        kept = Path(output) if run.journal and run.journal.entries else None
        advice = "continue with the same command" + (", without --overwrite" * frames.overwrite)
        raise Interrupted(kept, advice) from interrupt
    lost = tuple(run.lost())
    warnings, seconds = (*lost, *run.warnings()), time.perf_counter() - began
    stages, first = run.times.result(), run.times.first
    return log_summary(
        Summary(Path(output), drawn, seconds, warnings, lost, stages, first_frame=first)
    )


def _styles(style: Painting | Sequence[Painting], options: FrameOptions) -> list[Painting]:
    """One for each region. Raises OptionError when they are not as many as mattes."""
    styles = [style] if isinstance(style, str | Path | Style) else list(style)
    if len(styles) != max(len(options.mattes), 1):
        raise OptionError(
            f"{len(styles)} styles for {len(options.mattes)} mattes; "
            "give one style, or one matte for each"
        )
    return styles


class _Run:
    """One run: what it needs, from the first file on."""

    def __init__(
        self,
        source: Path,
        output: Path,
        styles: list[Painting],
        fast: FastOptions,
        temporal: TemporalOptions,
        options: FrameOptions,
    ) -> None:
        self.source = source
        self.output = output
        self.styles = styles
        self.fast = fast
        self.temporal = temporal
        self.options = options
        self.folders = PassFolders(options.write_flow, options.write_occlusion)
        self.tracked = temporal.temporal > 0 or bool(self.folders)
        self.mattes = [Matte(matte, options.invert_matte) for matte in options.mattes]
        self.journal: Journal | None = None
        self.counts = Counts()
        self.times = StageTimes()
        self.watch: Watch | None = None
        self.missing: tuple[range, ...] = ()
        self.notices: list[str] = []

    def __call__(self, listener: Listener) -> int:
        """How many frames were gone through."""
        parts, total = self._parts()
        first = next(parts, ())
        if not first:
            raise InputError(f"{self.source}: no pictures came")
        target = output_path(first[0], self.output)
        new = not target.parent.exists()
        notes = _make_folder(target.parent) / f".{_key(target)}.vidstyle"
        try:
            with OutputLock(target.parent, _key(target)):
                return self._draw(first, parts, total, notes, listener)
        finally:
            if new:
                with suppress(OSError):  # pictures are in it, unless none could be drawn
                    target.parent.rmdir()

    def _draw(
        self,
        first: Sequence[SequenceFile],
        parts: Iterator[Sequence[SequenceFile]],
        total: int | None,
        notes: Path,
        listener: Listener,
    ) -> int:
        """Draw what is missing; no other run writes these pictures meanwhile.

        Args:
            first, parts: the files, as they come.
            total: how many they are, where that is known.
            notes: folder of the journal.
        """
        self.journal = journal = Journal(notes)
        checkpoints = Checkpoints(notes)
        fast = as_before(self.fast, None if self.options.overwrite else journal.settings)
        stylizers = [FastStylizer(style, fast) for style in self.styles]
        plan = ResumePlan(self._rules(), journal, checkpoints)
        self.counts = plan.counts
        self._clear_way(plan, first)
        journal.begin(self._settings(stylizers))
        plan.check(first)
        passes = PassWriter(self.folders, self.temporal.flow, journal)
        compose = FrameFinisher(
            passes, empty_kept=self.options.alpha == "style", tracked=self.tracked
        )
        stylizer = SteadyStylizer(stylizers, self.temporal, compose)
        writer = PictureWriter(journal, self.options)
        store = StateKeeper(checkpoints, stylizer, tracked=self.tracked)
        # Passes want motion even where the memory does not.
        tracking = replace(self.temporal, temporal=self.temporal.temporal or float(self.tracked))
        count, began = 0, time.perf_counter()

        def progress(frames: int, seconds: float) -> None:
            counts = plan.counts
            done = count + frames - counts.again + counts.passed
            listener(Progress(done, total, time.perf_counter() - began, counts.passed))

        with MotionTracker(tracking, times=self.times) as tracker:
            feed = MotionFeed(tracker)
            for part in chain([first], parts):
                frames = feed(self.times.each("decode", plan(part)))
                count += process(
                    frames, stylizer, writer, store, listener=progress, times=self.times
                )
            passes.close()
            if not count:
                progress(0, 0.0)
        checkpoints.remove()
        self.notices = stylizer.notices
        return count - plan.counts.again

    # ---- input -----------------------------------------------------------------------------

    def _parts(self) -> tuple[Iterator[Sequence[SequenceFile]], int | None]:
        """The files, all at once, or as they come; and how many, where that is known."""
        if self.options.watch:
            self.watch = Watch(
                self.source, self.options.frames, self.options.watch_timeout, self._readable
            )
            return self.watch(), None
        sequence = find_sequence(self.source, self.options.frames)
        output_paths(sequence, self.output)
        self.missing = sequence.missing
        return iter([sequence.files]), len(sequence.files)

    def _readable(self, path: Path) -> bool:
        try:
            read_picture(path, self.options)
        except InputError:
            return False
        return True

    def _open(self, file: SequenceFile) -> tuple[Picture, np.ndarray, tuple[np.ndarray, ...]]:
        try:
            picture = read_picture(file.path, self.options)
        except InputError as error:
            raise UnreadableFrame(str(error)) from error
        image = picture.image
        if self.options.alpha == "style" and picture.alpha is not None:
            image = extend_colors(image, picture.alpha)
        return picture, image, tuple(matte(file, image.shape[:2]) for matte in self.mattes)

    # ---- what earlier runs have left -------------------------------------------------------

    def _clear_way(self, plan: ResumePlan, first: Sequence[SequenceFile]) -> None:
        """Raises OutputError when something is in the way, or nothing can be written there."""
        journal = plan.journal
        if journal.entries and not (self.options.resume or self.options.overwrite):
            raise OutputError(
                f"{self.output}: an earlier run left finished frames; continue with --resume, "
                "or start over with --overwrite"
            )
        for name in journal.begun - journal.entries.keys():
            _sweep(journal.folder.parent / name)
        if self.options.overwrite:
            journal.forget()
            plan.checkpoints.remove()
        else:
            plan.check(first)
        for folder in (journal.folder, self.folders.flow, self.folders.occlusion):
            if folder is not None:
                _make_folder(folder)

    def _rules(self) -> Rules:
        listed = self.temporal.cuts not in ("auto", "none")

        return Rules(
            target=lambda file: output_path(file, self.output),
            inputs=lambda file: [file.path, *(matte.path(file) for matte in self.mattes)],
            place=lambda file, index: f"{index} {file.number}" if listed else "",
            passes=self.folders.paths,
            open=self._open,
            linked=self.temporal.temporal > 0,
            tracked=self.tracked,
            on_error=self.options.on_error,
            overwrite=self.options.overwrite,
            time_base=1 / self.options.rate,
        )

    def _settings(self, stylizers: Sequence[FastStylizer]) -> dict[str, Any]:
        """All that the pictures depend on besides their files, by names that a user knows."""
        if listed := self.temporal.cuts not in ("auto", "none"):
            read_cuts(self.temporal.cuts)
        return {
            **drawing_settings(stylizers, self.temporal),
            **settings_of(self.options),
            "mattes": ", ".join(map(str, self.options.mattes)),
            "fps": str(self.options.rate) if listed else None,
        }

    # ---- what is told ----------------------------------------------------------------------

    def lost(self) -> Iterator[str]:
        """What of the input is not in the output, or not restyled, one line each."""
        if self.counts.skipped:
            yield f"cannot be read, and were left out: {_listed(self.counts.skipped)}"
        if self.counts.copied:
            yield f"cannot be read, and were copied as they are: {_listed(self.counts.copied)}"
        if self.watch is not None and self.watch.late:
            yield f"came too late: {_listed(self.watch.late)}; run again to put them in"

    def warnings(self) -> Iterator[str]:
        """What else a user should know, one line each."""
        counts = self.counts
        missing = self.missing
        if self.watch is not None:
            missing = self.watch.missing(counts.gaps)
        if missing:
            places = _listed([_span(numbers) for numbers in missing])
            yield f"there is no frame {places}; what follows begins anew, as after a cut"
        if counts.passed:
            yield f"{counts.passed} frames were there already"
        if counts.renewed:
            yield f"{counts.renewed} frames were made again, as their files have changed"
        yield from self.notices


def as_before(fast: FastOptions, settings: Mapping[str, Any] | None) -> FastOptions:
    """What is left to be chosen, as the earlier run has chosen it.

    Precision is found by timing, which may end otherwise the next time.
    """
    if settings is None:
        return fast
    return replace(
        fast,
        device=settings.get("device", "auto") if fast.device == "auto" else fast.device,
        precision=settings.get("precision", "auto") if fast.precision == "auto" else fast.precision,
        backend=settings.get("backend", "auto") if fast.backend == "auto" else fast.backend,
        batch_size=settings.get("batch size") if fast.batch_size is None else fast.batch_size,
    )


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: {error.strerror or error}") from error
    return folder


def _key(target: Path) -> str:
    """``shot_0001.png`` becomes ``shot_#.png``: one name for all of a sequence."""
    stem, found = re.subn(r"\d+(?=\D*$)", "#", target.stem)
    return f"{stem if found else '#'}{target.suffix}"


def _sweep(target: Path) -> None:
    """Remove what a killed run was writing."""
    name = target.name[:80]
    for path in target.parent.glob(f".{glob.escape(name)}*"):
        if re.fullmatch(r".*\.\d+-[0-9a-f]+", path.name) and path.is_file():
            path.unlink(missing_ok=True)


def _span(numbers: range) -> str:
    return f"{numbers[0]}–{numbers[-1]}" if len(numbers) > 1 else str(numbers[0])


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
