"""Following a renderer that fills a directory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sequences.shots import contents, write_shot
from toys import toy_style

from vidstyle.errors import InputError
from vidstyle.pipeline.frames import FrameOptions, stylize_frames
from vidstyle.pipeline.summary import Summary
from vidstyle.stylizers import FastOptions

FAST = FastOptions(device="cpu", precision="fp32")


def stylize(source: Path, output: Path, **more) -> Summary:  # type: ignore[no-untyped-def]
    return stylize_frames(source, output, toy_style(), fast=FAST, frames=FrameOptions(**more))


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return write_shot(tmp_path / "finished", range(1, 11))


def render(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_frames_are_taken_as_they_come(finished: Path, tmp_path: Path) -> None:
    """Out of order, and written slowly in two halves; the end of the range ends it."""
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()

    def work() -> None:
        for number in (2, 3, 1, 4, 6, 5, 8, 7, 10, 9):
            data = (finished / f"shot_{number:04d}.png").read_bytes()
            with (source / f"shot_{number:04d}.png").open("wb", buffering=0) as file:
                file.write(data[: len(data) // 2])
                time.sleep(0.2)
                file.write(data[len(data) // 2 :])

    renderer = render(work)
    summary = stylize(source, output, watch=True, frames="1-10")
    renderer.join()
    assert summary.frames == 10 and summary.warnings == ()
    stylize(finished, tmp_path / "whole")
    assert contents(output) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_a_half_written_frame_is_waited_for(finished: Path, tmp_path: Path) -> None:
    source, output = write_shot(tmp_path / "in", range(1, 3)), tmp_path / "out"
    data = (finished / "shot_0003.png").read_bytes()
    (source / "shot_0003.png").write_bytes(data[:3000])

    def work() -> None:
        deadline = time.monotonic() + 60
        while not (output / "shot_0002.png").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)  # longer than it takes for settled
        (source / "shot_0003.png").write_bytes(data)

    renderer = render(work)
    stylize(source, output, watch=True, frames="1-3")
    renderer.join()
    stylize(finished, tmp_path / "whole", frames="1-3")
    assert contents(output) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_it_ends_when_nothing_comes(finished: Path, tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 5))
    (source / "shot_0003.png").unlink()
    summary = stylize(source, tmp_path / "out", watch=True, watch_timeout=2)
    assert sorted(contents(tmp_path / "out")) == [f"shot_000{n}.png" for n in (1, 2, 4)]
    assert any("no frame 3" in warning for warning in summary.warnings)
    write_shot(source, range(1, 5))
    (source / "shot_0001.png").write_bytes((finished / "shot_0001.png").read_bytes())
    stylize(source, tmp_path / "out")
    stylize(finished, tmp_path / "whole", frames="1-4")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_nothing_ever_comes(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="no pictures"):
        stylize(tmp_path / "in", tmp_path / "out", watch=True, watch_timeout=0.5)
    with pytest.raises(InputError, match="no directory"):
        stylize(tmp_path / "a" / "b.%d.png", tmp_path / "out", watch=True, watch_timeout=0.5)


@pytest.mark.slow
def test_a_damaged_frame_is_reported_at_the_end(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 4))
    bad = source / "shot_0003.png"
    bad.write_bytes(bad.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"shot_0003\.png"):
        stylize(source, tmp_path / "out", watch=True, watch_timeout=2)
    assert len(contents(tmp_path / "out")) == 2
