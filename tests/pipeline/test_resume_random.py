"""Whatever happens between two runs, the last leaves what a single one would have made."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
from sequences.shots import contents, pan
from toys import toy_style

from vidstyle.errors import Interrupted
from vidstyle.image import write_image
from vidstyle.pipeline.frames import FrameOptions, stylize_frames
from vidstyle.pipeline.summary import Progress, Summary
from vidstyle.stylizers import FastOptions
from vidstyle.temporal.motion import TemporalOptions


class History:
    """A sequence with gaps, cuts and damaged frames, and what happens to it and its results."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.dice = dice = random.Random(seed)
        self.source = folder / "in"
        self.source.mkdir()
        self.numbers: list[int] = []
        number, shot = dice.randint(1, 50), 0
        for index in range(dice.randint(3, 32)):
            number += 1 + dice.randint(1, 3) * (dice.random() < 0.06)
            shot += dice.random() < 0.06
            write_image(self.path(number), pan(index, seed=shot) // (1 + 2 * (shot % 2)))
            self.numbers.append(number)
        broken = dice.sample(self.numbers, 2) if dice.random() < 0.4 else []
        self.broken = {n: self.path(n).read_bytes() for n in broken}
        for damaged, data in self.broken.items():
            self.path(damaged).write_bytes(data[:1500])
        self.passes = dice.random() < 0.5
        self.temporal = TemporalOptions(dice.choice([0, 0.6, 0.6]))
        self.on_error = dice.choice(["skip", "copy"])
        self.batch_size = dice.choice([1, 2, 3])

    def path(self, number: int) -> Path:
        return self.source / f"s_{number:04d}.png"

    def results(self, name: str) -> list[Path]:
        folders = [self.folder / f"{name}{what}" for what in ("", "-flow", "-hidden")]
        return [folder for folder in folders if folder.exists()]

    def run(self, name: str, stop: int | None = None, frames: str | None = None) -> Summary:
        def listener(progress: Progress) -> None:
            if stop and progress.frames >= stop:
                raise KeyboardInterrupt

        options = FrameOptions(
            frames=frames,
            on_error=self.on_error,  # type: ignore[arg-type]
            write_flow=self.folder / f"{name}-flow" if self.passes else None,
            write_occlusion=self.folder / f"{name}-hidden" if self.passes else None,
        )
        return stylize_frames(
            self.source,
            self.folder / name,
            toy_style(),
            fast=FastOptions(device="cpu", precision="fp32", batch_size=self.batch_size),
            temporal=self.temporal,
            frames=options,
            listener=listener,
        )

    def happen(self) -> None:
        """A run of some kind; then results are deleted, frames repaired or rendered again."""
        dice = self.dice
        kind = dice.random()
        with suppress(Interrupted):
            if kind < 0.6:
                self.run("out", stop=dice.randint(1, len(self.numbers)))
            elif kind < 0.8:
                first, last = sorted(dice.choices(self.numbers, k=2))
                self.run("out", frames=f"{first}-{last}")
            else:
                self.run("out")
        for folder in self.results("out"):
            for name in contents(folder):
                if dice.random() < 0.08:
                    (folder / name).unlink()
        if self.broken and dice.random() < 0.3:
            number, data = self.broken.popitem()
            self.path(number).write_bytes(data)
        if dice.random() < 0.15 and (number := dice.choice(self.numbers)) not in self.broken:
            write_image(self.path(number), pan(dice.randint(0, 40), seed=9))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 14, 20, 21, 22, 23, 24, 25, 134])
def test_anything_may_happen(tmp_path: Path, seed: int) -> None:
    pytest.importorskip("OpenEXR")
    history = History(tmp_path, seed)
    for _ in range(history.dice.randint(1, 5)):
        history.happen()
    history.run("out")
    assert history.run("out").frames == 0
    history.run("whole")
    for made, wanted in zip(history.results("out"), history.results("whole"), strict=True):
        assert contents(made) == contents(wanted)
