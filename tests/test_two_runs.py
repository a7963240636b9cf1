"""Two runs that would write the same output, of every command that works for a while."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from scenes import Scene, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
]
LONG = [
    *("run", "run, on pictures", "run, on many", "run, by optimization", "frames", "stream"),
    *("image", "texture", "reconstruct", "train", "distil"),
]


@pytest.mark.parametrize("name", LONG)
def test_a_second_run_is_refused_while_the_first_goes_on(tmp_path: Path, name: str) -> None:
    scene = Scene(tmp_path)
    arguments = scene.arguments(name)
    first = scene.start(arguments)
    scene.wait_for_work(name, first)
    second = scene.start(arguments, "second_")
    second.join(30)
    assert second.exitcode in (1, 2, 3)
    assert "another run is writing" in (tmp_path / "second_told.txt").read_text()
    assert first.is_alive()
    first.terminate()
    first.join(30)
    assert first.exitcode in (0, 130)


@pytest.mark.parametrize("name", [name for name in LONG if name not in ("run", "frames")])
def test_of_two_that_start_together_one_goes_on(tmp_path: Path, name: str) -> None:
    scene = Scene(tmp_path)
    arguments = scene.arguments(name)
    runs = [scene.start(arguments), scene.start(arguments, "second_")]
    wait_for(lambda: not all(run.is_alive() for run in runs), runs[0], alive=False)
    time.sleep(0.5)
    going_on = [run for run in runs if run.is_alive()]
    assert len(going_on) == 1
    told = tmp_path / ("second_told.txt" if going_on[0] is runs[0] else "told.txt")
    assert "another run is writing" in told.read_text()
    going_on[0].terminate()
    going_on[0].join(30)
    assert going_on[0].exitcode in (0, 130)
