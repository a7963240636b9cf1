"""Faults on the way: what ends a run says so once and in one line, leaves no thread and no broken
file, and what can go on goes on."""

from __future__ import annotations

import faulthandler
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from clips import Recipe, Sound, images, number_of, write_clip
from sequences.shots import contents, write_shot
from sequences.shots import stylize as stylize_shot
from toys import identity, toy_photo, toy_style, write_toy

from vidstyle.cli.main import main
from vidstyle.errors import DeviceError, InputError, Interrupted, OutputError
from vidstyle.frame import Frame
from vidstyle.image import write_image
from vidstyle.models.transformer import TransformerNet
from vidstyle.pipeline import frames as sequences_run
from vidstyle.pipeline import sequence_steps
from vidstyle.pipeline.summary import Progress, Summary
from vidstyle.pipeline.video import stylize_video
from vidstyle.stylizers import FastOptions
from vidstyle.temporal import motion as motion_module
from vidstyle.temporal.consistency import TemporalMemory
from vidstyle.temporal.motion import TemporalOptions
from vidstyle.video import ReadOptions, ResumableWriter, WriteOptions
from vidstyle.video.conversion import UprightPicture

QUICK = ("--device", "cpu", "--precision", "fp32", "--progress", "none")
VIDEO = ("--preset", "ultrafast")
FRAMES = 24
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def nothing_hangs_and_no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    faulthandler.dump_traceback_later(600, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
    assert [t.name for t in threading.enumerate() if t not in before and t.is_alive()] == []


@pytest.fixture
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("style") / "toy.safetensors", ["alpha"])


def noise(index: int, width: int, height: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (height, width, 3), np.uint8)


def write_noise(path: Path, count: int = FRAMES) -> Path:
    """A clip that cannot be compressed, with sound."""
    sound = Sound(seconds=count / 24)
    options = {"g": "6", "preset": "ultrafast"}
    return write_clip(
        path, ticks=range(count), image=noise, size=(96, 64), sounds=(sound,), options=options
    )


def vidstyle(*arguments: str | Path) -> int:
    """The exit code of ``vidstyle …``."""
    with pytest.raises(SystemExit) as left:
        main([*map(str, arguments)])
    return int(left.value.code or 0)


def stylize(source: Path, output: Path, **more: Any) -> Summary:
    fast = FastOptions(device="cpu", precision="fp32", batch_size=2)
    more = {"write": WriteOptions(preset="ultrafast"), "style": identity(), **more}
    return stylize_video(source, output, fast=fast, **more)


def one_line(capsys: Capture) -> str:
    """What was printed to stderr."""
    err = capsys.readouterr().err
    assert re.fullmatch(r"vidstyle: [^\n]+\n", err), err
    return err


# -- the disk is full -------------------------------------------------------------------------


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file can grow beyond so many bytes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("share", [0, 0.1, 0.9])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_at_any_write(
    tmp_path: Path, style: Path, capsys: Capture, suffix: str, share: float
) -> None:
    source, output = write_noise(tmp_path / "a.mp4"), tmp_path / f"b{suffix}"
    arguments = ("run", source, "-o", output, "-s", style, *QUICK, *VIDEO)
    assert vidstyle(*arguments) == 0
    size = output.stat().st_size
    output.unlink()
    capsys.readouterr()
    with files_up_to(int(size * share)):
        assert vidstyle(*arguments) == 1
    assert re.search(r"cannot be written|file too large", one_line(capsys), re.IGNORECASE)
    assert not output.exists()
    assert vidstyle(*arguments, "--overwrite") == 0
    assert len(images(output)) == FRAMES


def test_an_earlier_output_survives_a_full_disk(tmp_path: Path, style: Path) -> None:
    source, output = write_noise(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    output.write_bytes(b"precious")
    with files_up_to(20_000):
        assert vidstyle("run", source, "-o", output, "-s", style, "--overwrite", *QUICK) == 1
    assert output.read_bytes() == b"precious"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 20 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=20k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path, style: Path, capsys: Capture) -> None:
    source, output = write_noise(small_disk.parent / "a.mp4"), small_disk / "b.mp4"
    assert vidstyle("run", source, "-o", output, "-s", style, *QUICK, *VIDEO) == 1
    assert "no space left on device" in one_line(capsys).lower()
    assert not output.exists()


@pytest.mark.parametrize("size", [0, 100, 1000, 3000])
def test_frames_go_on_when_there_is_room_again(
    tmp_path: Path, style: Path, capsys: Capture, size: int
) -> None:
    source = write_shot(tmp_path / "in", range(1, 7))
    arguments = ("-s", style, *QUICK)
    assert vidstyle("frames", source, tmp_path / "whole", *arguments) == 0
    capsys.readouterr()
    with files_up_to(size):
        assert vidstyle("frames", source, tmp_path / "out", *arguments) == 1
    one_line(capsys)
    assert contents(tmp_path / "out") == {}
    assert vidstyle("frames", source, tmp_path / "out", *arguments) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_picture_on_a_full_disk(tmp_path: Path, style: Path, capsys: Capture) -> None:
    photo, output = tmp_path / "photo.png", tmp_path / "out.png"
    write_image(photo, toy_photo(160, 120))
    for size in (0, 1000, 10_000):
        with files_up_to(size):
            assert vidstyle("image", photo, "-o", output, "-s", style, *QUICK) == 1
        one_line(capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png"]


@pytest.mark.slow
def test_a_recording_that_is_cut_short(tmp_path: Path, style: Path, capsys: Capture) -> None:
    take = tmp_path / "take.mkv"
    options = ("--size", "320x240", "--crf", "0", "--fps", "30", "--duration", "60")
    with files_up_to(200_000):
        arguments = ("test", "--to", take, "-s", style, *options, *VIDEO, *QUICK)
        assert vidstyle("stream", *arguments) == 3
    assert "what was recorded is in" in one_line(capsys)
    assert len(images(tmp_path / "take.partial.mkv")) > 1


# -- permission is lost -----------------------------------------------------------------------


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder of ours, while we are nobody special: root may write anywhere."""
    with tempfile.TemporaryDirectory() as name:
        folder, root = Path(name), os.geteuid() == 0
        if root:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            folder.chmod(0o700)
            if root:
                os.seteuid(0)


def test_permission_lost_on_the_way(own_folder: Path) -> None:
    source, output = write_noise(own_folder / "a.mp4"), own_folder / "b.mp4"

    def lock(progress: Progress) -> None:
        own_folder.chmod(0o500)

    with pytest.raises(OutputError, match=r"(?i)permission denied"):
        stylize(source, output, listener=lock)
    assert not output.exists()


def test_permission_for_frames_lost_on_the_way(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = write_shot(own_folder / "in", range(1, 7)), own_folder / "out"
    style = write_toy(own_folder / "toy.safetensors", ["alpha"])
    arguments = ("frames", source, output, "-s", style, *QUICK)
    fail_at(monkeypatch, TransformerNet, "forward", 3, lambda: output.chmod(0o500))
    assert vidstyle(*arguments) == 1
    output.chmod(0o700)
    monkeypatch.undo()
    assert vidstyle(*arguments) == 0
    assert len(contents(output)) == 6


def test_nobody_may_write_there(own_folder: Path, capsys: Capture) -> None:
    source = write_noise(own_folder / "a.mp4", 4)
    own_folder.chmod(0o500)
    for output in (own_folder / "b.mp4", Path("/b.mp4")):
        with pytest.raises(OutputError, match="permission denied"):
            stylize(source, output)


# -- the input goes away ----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_an_input_that_is_cut_while_it_is_read(tmp_path: Path, suffix: str) -> None:
    source, output = write_noise(tmp_path / f"a{suffix}", 96), tmp_path / "b.mkv"

    def cut(progress: Progress) -> None:
        os.truncate(source, source.stat().st_size // 2)

    if suffix == ".mp4":  # whose index is gone, so that nothing of it can be read again
        with pytest.raises(InputError, match="truncated"):
            stylize(source, output, listener=_once(cut))
        assert not output.exists()
        assert len(images(tmp_path / "b.partial.mkv")) > 2
    else:
        summary = stylize(source, output, listener=_once(cut))
        assert 2 < summary.frames == len(images(output)) < 96
        assert any("truncated" in loss for loss in summary.lost)


def test_an_input_that_is_cut_fails_if_strict(tmp_path: Path) -> None:
    source, output = write_noise(tmp_path / "a.mkv", 96), tmp_path / "b.mkv"

    def cut(progress: Progress) -> None:
        os.truncate(source, source.stat().st_size // 2)

    with pytest.raises(InputError, match=r"truncated|damaged"):
        stylize(source, output, listener=_once(cut), read=ReadOptions(strict=True))
    assert not output.exists()


@pytest.mark.slow
def test_an_input_that_is_emptied_or_removed(tmp_path: Path) -> None:
    for name, change in (
        ("emptied", lambda path: os.truncate(path, 0)),
        ("removed", lambda path: path.unlink()),
    ):
        source, output = write_noise(tmp_path / f"{name}.mkv", 96), tmp_path / f"{name}.out.mkv"

        def strike(
            progress: Progress, path: Path = source, change: Callable[[Path], None] = change
        ) -> None:
            change(path)

        # What was opened may be readable still; its sound is wanted again at the end.
        with pytest.raises(InputError, match=name):
            stylize(source, output, listener=_once(strike))
        assert not output.exists()
        if name == "removed":
            assert len(images(tmp_path / "removed.out.partial.mkv")) > 2


def _once(listener: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Called the first time only."""
    calls = itertools.count()
    return lambda progress: None if next(calls) else listener(progress)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_garbage_in_the_middle(tmp_path: Path, style: Path, capsys: Capture, suffix: str) -> None:
    source, output = write_noise(tmp_path / f"a{suffix}", 96), tmp_path / "b.mkv"
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40_000] = noise(0, 200, 67).tobytes()[:40_000]
    source.write_bytes(content)
    arguments = ("run", source, "-o", output, "-s", style, *QUICK, *VIDEO)
    assert vidstyle(*arguments) == 3
    assert re.search(r"damaged", capsys.readouterr().err)
    assert 48 < len(images(output)) <= 96
    assert vidstyle(*arguments, "--overwrite", "--strict") == 1
    assert "damaged" in one_line(capsys)


# -- the encoder refuses ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ("--preset", "nosuch"),
        ("--codec", "nosuch"),
        ("--pix-fmt", "nosuch"),
        ("--codec", "libx264", "--pix-fmt", "rgb48le"),
        ("--codec", "libvpx-vp9", "--preset", "fast"),
        ("--codec", "aac"),
        ("--codec", "h263", "--max-side", "50"),
    ],
)
def test_an_encoder_that_refuses(
    tmp_path: Path, style: Path, capsys: Capture, options: tuple[str, ...]
) -> None:
    source = write_noise(tmp_path / "a.mp4", 4)
    output = ("-o", tmp_path / "b.mkv")
    assert vidstyle("run", source, *output, "-s", style, *QUICK, *options) in (1, 2)
    one_line(capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]


# -- errors in each stage ---------------------------------------------------------------------


class Trouble(Exception):
    pass


def fail_at(
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    call: int,
    strike: Callable[[], object],
) -> None:
    """Have a function do something else first when it is called that often."""
    calls, lock = itertools.count(), threading.Lock()
    function = getattr(owner, name)

    def stand_in(*arguments: Any, **named: Any) -> Any:
        with lock:
            number = next(calls)
        if number == call:
            strike()
        return function(*arguments, **named)

    monkeypatch.setattr(owner, name, stand_in)


def raising(error: BaseException) -> Callable[[], object]:
    def strike() -> object:
        raise error

    return strike


STAGES: dict[str, tuple[Any, str]] = {
    "convert": (UprightPicture, "__call__"),
    "flow": (motion_module, "estimate_motion"),
    "inference": (TransformerNet, "forward"),
    "blend": (TemporalMemory, "__call__"),
    "encode": (ResumableWriter, "write"),
}
ERRORS = [Trouble("here"), MemoryError("here"), OSError(5, "here")]


@pytest.mark.parametrize("call", [1, 15])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("stage", STAGES)
def test_an_error_in_a_stage_is_raised_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    error: Exception,
    call: int,
) -> None:
    if stage == "inference" and isinstance(error, MemoryError):
        pytest.skip("frames are drawn again in tiles: tests/test_pipeline.py")
    source, output = write_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    fail_at(monkeypatch, *STAGES[stage], call, raising(error))
    with pytest.raises((type(error), DeviceError)) as caught:
        stylize(source, output, style=toy_style())
    told = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert error in told
    assert not output.exists()


@pytest.mark.parametrize("error", [Trouble("here"), KeyboardInterrupt()], ids=["error", "ctrl-c"])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (sequences_run, "read_picture"),
        (motion_module, "estimate_motion"),
        (TransformerNet, "forward"),
        (TemporalMemory, "__call__"),
        (sequence_steps, "write_picture"),
    ],
    ids=["decode", "flow", "inference", "blend", "encode"],
)
def test_frames_go_on_after_an_error_in_a_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: BaseException
) -> None:
    source, style = write_shot(tmp_path / "in", range(1, 9)), toy_style()
    stylize_shot(source, tmp_path / "whole", style)
    fail_at(monkeypatch, owner, name, 4, raising(error))
    with pytest.raises(type(error)):
        stylize_shot(source, tmp_path / "out", style)
    monkeypatch.undo()
    whole = contents(tmp_path / "whole")
    assert contents(tmp_path / "out").items() < whole.items()
    stylize_shot(source, tmp_path / "out", style)
    assert contents(tmp_path / "out") == whole


@pytest.mark.parametrize("call", [1, 15])
@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_in_a_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, call: int
) -> None:
    source, output = write_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    fail_at(monkeypatch, *STAGES[stage], call, raising(KeyboardInterrupt()))
    with pytest.raises(Interrupted):
        stylize(source, output, style=toy_style())
    assert not output.exists()


def test_ctrl_c_again_and_again_waits_for_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is interrupted closes what the threads use."""
    source = write_clip(tmp_path / "a.mp4")
    write, begun, written = ResumableWriter.write, threading.Event(), threading.Event()

    def slow(writer: ResumableWriter, frame: Frame) -> None:
        begun.set()
        time.sleep(0.5)
        write(writer, frame)
        written.set()

    monkeypatch.setattr(ResumableWriter, "write", slow)
    timers = [
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
        for delay in (0.02, 0.05, 0.1, 0.15, 0.2)
    ]

    def insist(progress: Progress) -> None:
        begun.wait()
        for timer in timers:
            timer.start()
        raise KeyboardInterrupt

    before, left = set(threading.enumerate()), []
    with pytest.raises(KeyboardInterrupt):
        try:
            stylize(source, tmp_path / "b.mp4", listener=insist)
        finally:
            left = [t for t in threading.enumerate() if t not in {*before, *timers}]
            while any(timer.is_alive() for timer in timers):
                with suppress(KeyboardInterrupt):
                    time.sleep(0.01)
    assert written.is_set() and left == []
    assert not (tmp_path / "b.mp4").exists()


# -- a device fails ---------------------------------------------------------------------------

# Without memory, frames are drawn again in tiles: tests/stylizers/test_fast.py.
DEVICE = [
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nlonger"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("CUDA error: unspecified launch failure"),
]


def fail_from(monkeypatch: pytest.MonkeyPatch, call: int, error: Exception) -> None:
    """Have the network fail from a call on."""
    calls, forward = itertools.count(), TransformerNet.forward

    def stand_in(*arguments: Any) -> Any:
        if next(calls) >= call:
            raise error
        return forward(*arguments)

    monkeypatch.setattr(TransformerNet, "forward", stand_in)


@pytest.mark.parametrize("call", [0, 7])
@pytest.mark.parametrize("error", DEVICE, ids=lambda error: str(error)[:16])
@pytest.mark.parametrize("command", ["run", "frames", "image", "stream"])
def test_a_device_that_fails(
    tmp_path: Path,
    style: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    command: str,
    error: Exception,
    call: int,
) -> None:
    output: Path = tmp_path / "out"
    arguments: tuple[str | Path, ...]
    if command == "run":
        output = tmp_path / "out.mp4"
        arguments = (write_clip(tmp_path / "a.mp4"), "-o", output)
    elif command == "frames":
        arguments = (write_shot(tmp_path / "in", range(1, 13)), output)
    elif command == "image":
        write_image(tmp_path / "a.png", toy_photo())
        output, call = tmp_path / "out.png", 0
        arguments = (tmp_path / "a.png", "-o", output)
    else:
        output = tmp_path / "out.mkv"
        arguments = ("test", "--size", "64x48", "--to", output, "--duration", "20")
    fail_from(monkeypatch, call, error)
    assert vidstyle(command, *arguments, "-s", style, *QUICK) == 1
    line = one_line(capsys)
    assert "memory" in line if "memory" in str(error) else "device failed" in line
    assert "--" in line  # a remedy
    if command in ("run", "image"):
        assert not output.exists()


# -- hours ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_timestamps_beyond_32_bits(tmp_path: Path, suffix: str) -> None:
    """Twelve hours at 90 kHz: 3.9 · 10⁹ ticks."""
    step = 12 * 3600 * 90_000 // 47
    ticks = [step * number for number in range(48)]
    source = write_clip(
        tmp_path / f"a{suffix}",
        Recipe(
            ticks=ticks,
            time_base=Fraction(1, 90_000),
            last_duration=step,
            rate=Fraction(90_000, step),
            options={"g": "8"},
        ),
    )
    heard: list[Progress] = []
    summary = stylize(source, tmp_path / f"b{suffix}", listener=heard.append)
    assert summary.frames == 48 and summary.warnings == ()
    assert heard[-1].total == 48
    clock = 1000 if suffix == ".mkv" else 90_000
    times = [Fraction(round(Fraction(tick, 90_000) * clock), clock) for tick in ticks]
    assert _times(tmp_path / f"b{suffix}") == times
    # From far inside, to the end.
    begin = ticks[40] / 90_000
    late = stylize(source, tmp_path / f"c{suffix}", read=ReadOptions(start=begin - 1))
    assert late.frames == 8
    assert [number_of(image) for image in images(tmp_path / f"c{suffix}")] == [*range(40, 48)]
    assert late.stages["decode"].items == 8
    span = stylize(
        source, tmp_path / f"d{suffix}", read=ReadOptions(start=begin - 1, end=begin + 1)
    )
    assert span.frames == 1


def _times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
        return sorted(packet.pts * packet.time_base for packet in packets)


# -- memory -----------------------------------------------------------------------------------


def resident() -> int:
    """Bytes of memory in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    options = {"preset": "ultrafast"}
    sounds = (Sound(seconds=10_000 / 240),)
    recipe = Recipe(
        ticks=range(10_000), time_base=Fraction(1, 240), rate=240, options=options, sounds=sounds
    )
    return write_clip(path, recipe)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.parametrize("temporal", [0.0, 0.6])
def test_memory_does_not_grow_with_the_length(
    tmp_path: Path, long_clip: Path, temporal: float
) -> None:
    used: dict[int, int] = {}

    def note(progress: Progress) -> None:
        if progress.frames % 500 == 0:
            used[progress.frames] = resident()

    summary = stylize(
        long_clip,
        tmp_path / "out.mp4",
        style=toy_style(),
        temporal=TemporalOptions(temporal, flow="ultrafast"),
        listener=note,
    )
    assert summary.frames == 10_000
    growth = max(used.values()) - used[2000]
    print({frames: round(size / 2**20, 1) for frames, size in used.items()})
    assert growth < 12 * 2**20  # a picture for each frame would be 70 MiB
