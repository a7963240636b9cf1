"""Pictures as styles of the fast engine: what they are refined on, and what is shown meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vidstyle.cli.output import print_json
from vidstyle.cli.parameters import Given
from vidstyle.cli.progress import Bar
from vidstyle.errors import OptionError
from vidstyle.options import LearnOptions
from vidstyle.options.commands import ProgressKind

if TYPE_CHECKING:
    import numpy as np

    from vidstyle.train import TrainEvent


def learned_styles(
    styles: Sequence[str],
    photos: Callable[[], Sequence[np.ndarray]],
    given: Given,
    vgg: Path | None,
    progress: ProgressKind,
) -> list[str]:
    """Styles whose pictures were learned; others as they are.

    Raises:
        OptionError: options for learning were given, and there is nothing to learn.
        VidstyleError: as ``PaintingLearner``.
    """
    from vidstyle.styles import has_pictures

    if not any(map(has_pictures, styles)):
        if given:
            raise OptionError(
                f"{given.flags[0]} is for pictures; '{', '.join(styles)}' has been learned already"
            )
        return list(styles)
    from vidstyle.train.painting import PaintingLearner

    with LearningReporter(progress) as reporter:
        learner = PaintingLearner(photos, LearnOptions(**given), vgg=vgg, listener=reporter)
        return [learner.style(style) for style in styles]


class LearningReporter:
    """Shows how far a painting is learned: a bar of seconds, JSON events, or nothing."""

    def __init__(self, kind: ProgressKind) -> None:
        self.kind = kind
        self._bar = Bar("s", "learning")

    def __enter__(self) -> LearningReporter:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def __call__(self, picture: Path, event: TrainEvent) -> None:
        if self.kind == "json":
            print_json(
                event="learning",
                picture=str(picture),
                seconds=round(event.seconds, 1),
                progress=round(event.progress, 3),
            )
        elif self.kind == "bar":
            total = round(event.seconds / event.progress) if event.progress else None
            self._bar.update(round(event.seconds), total, picture.name)
