"""Runs that end in any way, and go on: the same files, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from sequences.shots import FAST, contents, pan, stylize, write_shot
from toys import toy_style, write_toy

from vidstyle.errors import Interrupted, OptionError, OutputError
from vidstyle.frame import Frame
from vidstyle.image import write_image
from vidstyle.pipeline import journal
from vidstyle.pipeline.frames import as_before, stylize_frames
from vidstyle.pipeline.steady import SteadyStylizer
from vidstyle.pipeline.summary import Progress
from vidstyle.sequences.picture import write_picture
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.temporal.motion import TemporalOptions, TrackedFrame

QUICK = ("--device", "cpu", "--precision", "fp32", "--batch-size", "1", "--progress", "none")
ROOT = Path(__file__).resolve().parents[2]
COUNT = 24


def notes(output: Path) -> Path:
    return output / ".shot_#.png.vidstyle"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shot(tmp_path_factory.mktemp("source"), range(1001, 1001 + COUNT))


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run makes that nothing interrupts."""
    output = tmp_path_factory.mktemp("whole")
    stylize(source, output)
    return contents(output)


def test_the_past_matters_here(source: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    """Else the tests below would show nothing."""
    stylize(source, tmp_path / "alone", temporal=TemporalOptions(0))
    alone = contents(tmp_path / "alone")
    same = [name for name in whole if whole[name] == alone[name]]
    assert same == ["shot_1001.png"]


# -- killed -------------------------------------------------------------------------------------

MOMENTS = (
    ("before the name", 6, 5),
    ("after the name", 4, 8),
    ("half a line", 5, 12),
    ("half a checkpoint", 1, None),
    ("after a checkpoint", 1, None),
    ("after the line", 7, None),
)
"""When to kill a run: at the n-th such moment; and how many frames are finished then, for sure."""

KILLED = """
import json, os, signal, sys
from pathlib import Path
import vidstyle.pipeline.frames  # once for all
from vidstyle.cli.main import main
from vidstyle.pipeline.journal import Journal

def die_at(name, prepare=lambda: None):
    global left
    left -= name == moment
    if not left:
        prepare()
        os.kill(os.getpid(), signal.SIGKILL)

def rename(self, target, original=Path.replace):
    die_at("before the name")
    original(self, target)
    die_at("after the name")

def write_half_a_line(journal):
    with journal.path.open("a") as file:
        file.write('{"name": "shot_10')

def append(self, line, original=Journal._append):
    if "link" in line:
        die_at("half a line", lambda: write_half_a_line(self))
    original(self, line)
    if "link" in line:
        die_at("after the line")

def rename_checkpoint(source, target, original=os.replace):
    die_at("half a checkpoint", lambda: os.truncate(source, 100))
    original(source, target)
    die_at("after a checkpoint")

notes, moments, *arguments = sys.argv[1:]
for moment, left, _ in json.loads(moments):
    child = os.fork()
    if not child:
        Path.replace, Journal._append, os.replace = rename, append, rename_checkpoint
        main(arguments)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), *Journal(Path(notes)).entries)
"""
"""Runs the program again and again, each time until it is killed by SIGKILL."""


@pytest.mark.slow
def test_killed_again_and_again(source: Path, tmp_path: Path) -> None:
    style = write_toy(tmp_path / "toy.safetensors", ["alpha"])
    stylize_frames(source, tmp_path / "whole", style, fast=FAST)
    output = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, notes(output), json.dumps(MOMENTS)]
    command += ["frames", source, output, "--style", style, *QUICK]
    done = subprocess.run(
        [*map(str, command)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    runs = [line.split() for line in done.stdout.splitlines()]
    assert [code for code, *_ in runs] == [str(-signal.SIGKILL)] * len(MOMENTS), done.stderr
    finished = [set(names) for _, *names in runs]
    for before, after, (_, _, count) in zip([set(), *finished], finished, MOMENTS, strict=False):
        assert before < after or count is None
        assert count is None or len(after) == count
    assert 12 + 7 <= len(finished[-1]) < COUNT
    stylize_frames(source, output, style, fast=FAST)
    assert contents(output) == contents(tmp_path / "whole")
    # Nothing of what the killed runs were writing is left.
    hidden = [path.name for path in output.iterdir() if path.name.startswith(".")]
    assert hidden == [notes(output).name]
    assert [path.name for path in notes(output).iterdir()] == [journal.NAME]


@pytest.mark.slow
def test_killed_from_outside(source: Path, tmp_path: Path) -> None:
    style = write_toy(tmp_path / "toy.safetensors", ["alpha"])
    stylize_frames(source, tmp_path / "whole", style, fast=FAST)
    output = tmp_path / "killed"
    command = [sys.executable, "-m", "vidstyle", "frames", source, output, "-s", style, *QUICK]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*map(str, command)], env=environment)
    deadline = time.monotonic() + 100
    while len(list(output.glob("*.png"))) < 12 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.wait()
    stylize_frames(source, output, style, fast=FAST)
    assert contents(output) == contents(tmp_path / "whole")


# -- other ends ---------------------------------------------------------------------------------


def interrupt_after(frames: int) -> Callable[[Progress], None]:
    def listener(progress: Progress) -> None:
        if progress.frames >= frames:
            raise KeyboardInterrupt

    return listener


@pytest.mark.parametrize("frames", [1, 17, 23])
def test_interrupted(source: Path, whole: dict[str, bytes], tmp_path: Path, frames: int) -> None:
    output = tmp_path / "out"
    with pytest.raises(Interrupted) as interrupt:
        stylize(source, output, listener=interrupt_after(frames))
    assert interrupt.value.partial in (output, None)
    assert len(contents(output)) < COUNT
    summary = stylize(source, output)
    assert 0 < summary.frames <= COUNT
    assert contents(output) == whole


@pytest.mark.parametrize("suffix", [".png", ".tif", ".exr"])
def test_deep_pictures_go_on_as_well(tmp_path: Path, suffix: str) -> None:
    if suffix == ".exr":
        pytest.importorskip("OpenEXR")
    source = tmp_path / "in"
    source.mkdir()
    for index in range(20):
        fine = pan(index).astype(np.float32) + np.random.default_rng(index).random((64, 96, 3))
        write_picture(source / f"shot_{1 + index:04d}{suffix}", None, fine.astype(np.float32))
    stylize(source, tmp_path / "whole")
    with pytest.raises(Interrupted):
        stylize(source, tmp_path / "out", listener=interrupt_after(18))
    stylize(source, tmp_path / "out")
    (tmp_path / "out" / f"shot_0007{suffix}").unlink()
    stylize(source, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("number", [1001, 1002, 1018, 1024])
def test_a_frame_that_was_deleted(
    source: Path, whole: dict[str, bytes], tmp_path: Path, number: int
) -> None:
    output = tmp_path / "out"
    stylize(source, output)
    (output / f"shot_{number}.png").unlink()
    summary = stylize(source, output)
    assert summary.frames == 1
    assert contents(output) == whole


def test_checkpoints_save_the_way_back(
    source: Path, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    with pytest.raises(Interrupted):
        stylize(source, output, listener=interrupt_after(22))
    states = list(notes(output).glob("state-*.npz"))
    assert 1 <= len(states) <= 2
    drawn: list[int] = []
    original = SteadyStylizer.draw
    monkeypatch.setattr(
        SteadyStylizer, "draw", lambda self, images: drawn.append(1) or original(self, images)
    )
    stylize(source, output)
    assert 1 <= len(drawn) <= 8  # after the checkpoint of the 16th frame at the latest
    assert contents(output) == whole


@pytest.mark.slow
def test_checkpoints_of_large_pictures_and_regions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Larger than thumbnails, in which motion is found; a state for each region."""
    source = tmp_path / "in"
    source.mkdir()
    for index in range(20):
        write_image(source / f"shot_{index:04d}.png", pan(index, width=600))
    left = np.zeros((64, 600, 3), np.uint8)
    left[:, :300] = 255
    write_image(tmp_path / "left.png", left)
    write_image(tmp_path / "all.png", np.full_like(left, 255))
    options = {"mattes": (tmp_path / "all.png", tmp_path / "left.png")}
    styles = [toy_style(1), toy_style(2)]
    stylize(source, tmp_path / "whole", styles, **options)
    with pytest.raises(Interrupted):
        stylize(source, tmp_path / "out", styles, listener=interrupt_after(20), **options)
    for name in list(contents(tmp_path / "out"))[16:]:
        (tmp_path / "out" / name).unlink()
    drawn: list[int] = []
    original = SteadyStylizer.draw
    monkeypatch.setattr(
        SteadyStylizer, "draw", lambda self, images: drawn.append(1) or original(self, images)
    )
    stylize(source, tmp_path / "out", styles, **options)
    assert len(drawn) == 4
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_damaged_checkpoint_is_passed_over(
    source: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with pytest.raises(Interrupted):
        stylize(source, output, listener=interrupt_after(22))
    for state in notes(output).glob("state-*.npz"):
        state.write_bytes(state.read_bytes()[:5000])
    stylize(source, output)
    assert contents(output) == whole


def test_from_the_last_cut_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_shot(tmp_path / "in", range(1, 9))
    for index in range(8):
        write_image(source / f"shot_{9 + index:04d}.png", pan(index, seed=5) // 3)
    stylize(source, tmp_path / "out")
    entries = journal.Journal(notes(tmp_path / "out")).entries
    assert [name for name, e in entries.items() if e.cut] == ["shot_0001.png", "shot_0009.png"]
    whole = contents(tmp_path / "out")
    (tmp_path / "out" / "shot_0011.png").unlink()
    drawn: list[int] = []
    original = SteadyStylizer.draw
    monkeypatch.setattr(
        SteadyStylizer,
        "draw",
        lambda self, images: drawn.append(len(images)) or original(self, images),
    )
    stylize(source, tmp_path / "out")
    assert sum(drawn) == 3
    assert contents(tmp_path / "out") == whole


def test_more_frames_than_the_first_time(
    source: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    stylize(source, output, frames="1001-1013")
    stylize(source, output, frames="1001-1018")
    assert len(contents(output)) == 18
    stylize(source, output)
    assert contents(output) == whole


def test_frames_before_the_first(source: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    """What followed nothing follows something now, and is made again."""
    output = tmp_path / "out"
    stylize(source, output, frames="1015-")
    assert contents(output) != {n: d for n, d in whole.items() if n >= "shot_1020.png"}
    summary = stylize(source, output)
    assert contents(output) == whole
    assert any("made again" in warning for warning in summary.warnings)


def test_without_a_past_each_frame_is_by_itself(source: Path, tmp_path: Path) -> None:
    alone = TemporalOptions(0)
    stylize(source, tmp_path / "whole", temporal=alone)
    stylize(source, tmp_path / "out", temporal=alone, frames="1005-1007,1012-1018")
    summary = stylize(source, tmp_path / "out", temporal=alone)
    assert summary.frames == COUNT - 10
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_an_input_that_was_rendered_again(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 11))
    write_shot(source, range(21, 31), seed=2)
    stylize(source, tmp_path / "out")
    before = contents(tmp_path / "out")
    write_image(source / "shot_0005.png", pan(4)[:, ::-1])
    summary = stylize(source, tmp_path / "out")
    after = contents(tmp_path / "out")
    changed = [int(name[5:9]) for name in after if after[name] != before[name]]
    assert changed[0] == 5 and set(changed) <= set(range(5, 11))
    assert summary.frames == 6
    stylize(source, tmp_path / "fresh")
    assert after == contents(tmp_path / "fresh")


# -- bits ---------------------------------------------------------------------------------------


def test_bits_do_not_depend_on_the_batch() -> None:
    """With several threads they would, were batches not filled up."""
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        options = FastOptions(device="cpu", precision="fp32", batch_size=4)
        stylizer = SteadyStylizer(
            [FastStylizer(toy_style(), options)],
            TemporalOptions(),
            lambda tracked, _: tracked.frame,
        )
        pictures = [pan(index).astype(np.float32) for index in range(4)]
        frames = [
            TrackedFrame(Frame(picture, index, Fraction(1, 24)), Future())
            for index, picture in enumerate(pictures)
        ]
        together = stylizer.draw(frames)
        for index in range(4):
            assert np.array_equal(stylizer.draw(frames[index : index + 1])[0], together[index])
            assert np.array_equal(stylizer.draw(frames[index:])[0], together[index])
    finally:
        torch.set_num_threads(threads)


def test_what_was_chosen_stays_chosen() -> None:
    settings = {"device": "cpu", "precision": "bf16", "batch size": 3, "backend": "openvino"}
    assert as_before(FastOptions(), settings) == FastOptions(
        device="cpu", precision="bf16", batch_size=3, backend="openvino"
    )
    given = FastOptions(device="cuda", precision="fp32", batch_size=1, backend="torch")
    assert as_before(given, settings) == given
    assert as_before(FastOptions(), None) == FastOptions()


# -- what stands in the way ---------------------------------------------------------------------


def test_changed_settings_are_named(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    stylize(source, output, frames="1001-1002")
    before = contents(output)
    with pytest.raises(OptionError, match=r"begun with strength 1\.0, not 0\.5; .*--overwrite"):
        stylize(source, output, fast=FastOptions(0.5, device="cpu", precision="fp32"))
    with pytest.raises(OptionError, match=r"begun with temporal 0\.6, not 0\.1"):
        stylize(source, output, temporal=TemporalOptions(0.1))
    for name, value in (("tile", 64), ("stroke_size", 2.0)):
        changed = FastOptions(device="cpu", precision="fp32", **{name: value})
        with pytest.raises(OptionError, match=f"begun with {name.replace('_', ' ')} .*not {value}"):
            stylize(source, output, fast=changed)
    with pytest.raises(OptionError, match="begun with style file"):
        stylize(source, output, toy_style(seed=3))
    assert contents(output) == before
    stylize(source, output, toy_style(seed=3), frames="1001-1002", overwrite=True)
    assert contents(output).keys() == before.keys() and contents(output) != before


def test_listed_cuts_depend_on_the_rate(source: Path, tmp_path: Path) -> None:
    (tmp_path / "cuts.txt").write_text("#2\n")
    cuts = TemporalOptions(cuts=tmp_path / "cuts.txt")
    stylize(source, tmp_path / "out", temporal=cuts, frames="1001-1002")
    with pytest.raises(OptionError, match="was begun with fps 24, not 25"):
        stylize(source, tmp_path / "out", temporal=cuts, fps=25)
    (tmp_path / "cuts.txt").write_text("#3\n")
    with pytest.raises(OptionError, match="was begun with cuts"):
        stylize(source, tmp_path / "out", temporal=cuts)


def test_an_interrupted_overwrite_goes_on(
    source: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    stylize(source, output, toy_style(seed=3))
    with pytest.raises(Interrupted):
        stylize(source, output, overwrite=True, listener=interrupt_after(10))
    stylize(source, output)
    assert contents(output) == whole


def test_files_of_somebody_else_are_left_alone(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "shot_1020.png").write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"shot_1020\.png: exists already.*--overwrite"):
        stylize(source, output)
    assert contents(output) == {"shot_1020.png": b"precious"}
    assert not notes(output).exists()
    stylize(source, output, overwrite=True)
    assert len(contents(output)) == COUNT


def test_a_result_that_was_changed_is_left_alone(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    stylize(source, output, frames="1001-1005")
    (output / "shot_1003.png").write_bytes(b"retouched")
    with pytest.raises(OutputError, match=r"shot_1003\.png: has been changed.*--overwrite"):
        stylize(source, output)
    assert contents(output)["shot_1003.png"] == b"retouched"


def test_no_resume(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    stylize(source, output, frames="1001-1002", resume=False)
    with pytest.raises(OutputError, match="an earlier run left finished frames"):
        stylize(source, output, frames="1001-1002", resume=False)


def test_two_sequences_share_a_directory(source: Path, tmp_path: Path) -> None:
    other = write_shot(tmp_path / "other", range(1, 4), "left.{:d}.png")
    stylize(source, tmp_path / "out", frames="1001-1002")
    stylize(other, tmp_path / "out", toy_style(seed=3))
    stylize(source, tmp_path / "out", frames="1001-1003")
    assert len(contents(tmp_path / "out")) == 6


def test_bytes_of_a_run_are_the_same_every_time(
    source: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    stylize(source, tmp_path / "out")
    assert contents(tmp_path / "out") == whole
