"""Names, links and locks of outputs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clips import images, write_clip
from toys import write_toy

from vidstyle.disk import OutputLock, complete_file, name_beside, scratch_folder
from vidstyle.errors import OutputError
from vidstyle.video import ResumableWriter, VideoReader, VideoWriter, WriteOptions, plan_output

LOCK = """
import sys, time
from pathlib import Path
from vidstyle.disk import OutputLock
with OutputLock(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


SCRATCH = """
import os, sys
from pathlib import Path
from vidstyle.disk import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_bytes(b"half")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_run_has_left_of_a_trial_goes_with_the_next(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    command = [sys.executable, "-c", SCRATCH, str(output)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as other:  # type: ignore[call-overload]
        folder = Path(other.stdout.readline().strip())
        with scratch_folder(output) as own:
            assert own != folder and (folder / "half").exists(), "another run is at work in it"
        assert list(tmp_path.iterdir()) == [folder]
        other.kill()
        other.wait()
        with scratch_folder(tmp_path / "another.mp4"):
            assert folder.exists()
        with scratch_folder(output) as own:
            assert list(tmp_path.iterdir()) == [own]
    assert list(tmp_path.iterdir()) == []


def test_an_output_is_locked_once(tmp_path: Path) -> None:
    with OutputLock(tmp_path / "out.mp4"):
        with pytest.raises(OutputError, match=r"out\.mp4: another run is writing it"):
            OutputLock(tmp_path / "out.mp4")
        with OutputLock(tmp_path / "other.mp4"):
            pass
    assert list(tmp_path.iterdir()) == []
    with OutputLock(tmp_path / "out.mp4"):
        pass


def test_a_lock_holds_between_processes_and_ends_with_its_own(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.Popen(
        [sys.executable, "-c", LOCK, str(output)], stdout=subprocess.PIPE, env=environment
    )
    try:
        assert other.stdout and other.stdout.readline() == b"locked\n"
        began = time.monotonic()
        with pytest.raises(OutputError, match="another run"):
            OutputLock(output)
        assert time.monotonic() - began < 1
    finally:
        other.kill()
        other.communicate()
    with OutputLock(output):
        pass


def test_links_to_one_file_share_its_lock(tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to("out.mp4")
    with OutputLock(tmp_path / "out.mp4"), pytest.raises(OutputError, match=r"link\.mp4: another"):
        OutputLock(tmp_path / "link.mp4")


@pytest.mark.parametrize("letter", ["x", "ü", "画"])
@pytest.mark.parametrize("size", [100, 200, 240, 251])
def test_names_fit_in_bytes(tmp_path: Path, size: int, letter: str) -> None:
    stem = letter * (size // len(letter.encode()))
    path = tmp_path / f"{stem}.mp4"
    names = {name_beside(path, f".{path.name}", ending) for ending in (".lock", ".work", ".x")}
    assert len(names) == 3
    for name in names:
        name.touch()
    assert name_beside(path, "short", ".work").name == "short.work"


@pytest.mark.parametrize("resumable", [True, False])
@pytest.mark.parametrize("letter", ["x", "ü"])
def test_a_video_may_have_the_longest_name(tmp_path: Path, letter: str, resumable: bool) -> None:
    source = write_clip(tmp_path / "in.mp4", ticks=range(4))
    target = tmp_path / f"{letter * (250 // len(letter.encode()))}.mp4"
    for overwrite in (False, True):
        save(source, target, overwrite, resumable)
    assert sorted(tmp_path.iterdir()) == sorted([source, target])
    assert len(images(target)) == 4


@pytest.mark.parametrize("resumable", [True, False])
@pytest.mark.parametrize("dangling", [True, False])
def test_a_linked_output_is_followed(tmp_path: Path, dangling: bool, resumable: bool) -> None:
    source = write_clip(tmp_path / "in.mp4", ticks=range(4))
    (tmp_path / "far").mkdir()
    link, file = tmp_path / "out.mp4", tmp_path / "far" / "real.mp4"
    link.symlink_to(file)
    if not dangling:
        file.write_bytes(b"old")
    save(source, link, True, resumable)
    assert link.is_symlink() and not file.is_symlink()
    assert len(images(file)) == 4
    assert [path.name for path in file.parent.iterdir()] == ["real.mp4"]


def test_other_files_follow_links_too(tmp_path: Path) -> None:
    link, file = tmp_path / "link.json", tmp_path / "file.json"
    link.symlink_to(file)
    with complete_file(link) as temporary:
        temporary.write_text("{}")
    assert link.is_symlink() and file.read_text() == "{}"


def save(source: Path, target: Path, overwrite: bool, resumable: bool) -> None:
    options = WriteOptions(preset="ultrafast", overwrite=overwrite)
    with VideoReader(source) as reader:
        plan = plan_output(target, reader.info, source=source, options=options)
        with ResumableWriter(plan, {}) if resumable else VideoWriter(plan) as writer:
            for frame in reader:
                writer.write(frame)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("options", [(), ("--overwrite",)])
@pytest.mark.parametrize("command", ["run", "frames"])
def test_the_second_of_two_runs_is_refused(
    tmp_path: Path, command: str, options: tuple[str, ...], delay: float
) -> None:
    style = write_toy(tmp_path / "toy.safetensors", ["alpha"])
    if command == "run":
        source = write_clip(tmp_path / "in.mp4", ticks=range(800), size=(160, 120))
        output = tmp_path / "out.mp4"
        arguments = [source, "-o", output]
    else:
        from sequences.shots import write_shot

        source, output = write_shot(tmp_path / "in", range(1, 300)), tmp_path / "out"
        arguments = [source, output]
    line = [sys.executable, "-m", "vidstyle", command, *map(str, arguments), "-s", str(style)]
    line += ["--device", "cpu", "--precision", "fp32", "--progress", "none", *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    first = subprocess.Popen(line, stderr=subprocess.PIPE, env=environment, text=True)
    time.sleep(delay)
    second = subprocess.Popen(line, stderr=subprocess.PIPE, env=environment, text=True)
    said = [process.communicate(timeout=120)[1] for process in (first, second)]
    codes = [first.returncode, second.returncode]
    assert sorted(codes) == [0, 1], said
    refused = said[codes.index(1)]
    assert "another run is writing it" in refused or "exists already" in refused
    assert output.exists()
