"""``vidstyle run`` as a user meets it: files, printed lines, exit codes."""

from __future__ import annotations

import dataclasses
import json
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from clips import Recipe, Sound, images, number_of, packets, write_audio, write_clip
from toys import write_toy

from vidstyle.cli.main import main
from vidstyle.options import TemporalOptions
from vidstyle.options.values import parse_time
from vidstyle.pipeline.summary import Summary

SHORT = Recipe(ticks=tuple(range(6)))
QUICK = ("--device", "cpu", "--precision", "fp32", "--preset", "ultrafast")
Capture = pytest.CaptureFixture[str]


def main_code(*arguments: str | Path) -> int:
    """The exit code of ``vidstyle …``."""
    with pytest.raises(SystemExit) as left:
        main([*map(str, arguments)])
    return int(left.value.code or 0)


def run(*arguments: str | Path) -> int:
    """The exit code of ``vidstyle run …``."""
    return main_code("run", *arguments, *QUICK)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("style") / "toy.safetensors", ["alpha"])


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", SHORT)


# -- what is written and printed ------------------------------------------------------------


def test_the_first_command(clip: Path, capsys: Capture) -> None:
    assert run(clip, "--style", "scream") == 0
    output = clip.with_name("clip.scream.mp4")
    printed = capsys.readouterr()
    pattern = rf"{re.escape(str(output))}: 6 frames in \d+\.\d s, \d+\.\d\d frames/s\n"
    assert re.fullmatch(pattern, printed.out)
    assert "6/6" in printed.err
    assert len(images(output)) == 6


def test_a_bar_shows_frames_rate_and_time_left(
    tmp_path: Path, style: Path, capsys: Capture
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", Recipe(ticks=tuple(range(60)), size=(160, 120)))
    assert run(clip, "--style", style) == 0
    shown = capsys.readouterr().err
    assert re.search(r"\d+/60 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+ ?frames/s\]", shown), shown


def test_progress_as_json(clip: Path, style: Path, capsys: Capture) -> None:
    assert run(clip, "--style", style, "--progress", "json", "--batch-size", "4") == 0
    printed = capsys.readouterr()
    events = [json.loads(line) for line in printed.out.splitlines()]
    assert printed.err == ""
    assert [event["event"] for event in events] == ["progress", "progress", "done"]
    assert [event["frames"] for event in events] == [4, 6, 6]
    assert events[0]["total"] == 6
    assert events[0]["eta"] == pytest.approx(2 / events[0]["fps"], abs=0.1)
    assert events[1]["eta"] == 0
    assert events[-1]["output"] == str(clip.with_name("clip.alpha.mp4"))
    assert all(event["fps"] > 0 < event["seconds"] for event in events)


def test_no_progress(clip: Path, style: Path, capsys: Capture) -> None:
    assert run(clip, "--style", style, "--progress", "none") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert len(printed.out.splitlines()) == 1


def test_notices_are_told(tmp_path: Path, style: Path, capsys: Capture) -> None:
    clip = write_clip(tmp_path / "a.mkv", size=(61, 43), codec="ffv1", pix_fmt="bgr0")
    assert run(clip, "--style", style, "--progress", "none") == 0
    assert re.search(r"^vidstyle: note: .*61×43", capsys.readouterr().err, re.MULTILINE)
    assert run(clip, "--style", style, "--progress", "json", "--overwrite") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(e["event"] == "warning" and "61×43" in e["message"] for e in events)


def test_options_reach_the_work(tmp_path: Path, style: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", Recipe(sounds=(Sound(),)))
    output = tmp_path / "b.mkv"
    assert (
        run(
            *(clip, "-o", output, "-s", style, "--strength", "0", "--audio", "none"),
            *("--start", "0:00.25", "--end", "00:00:00.75", "--max-side", "32", "--compare"),
        )
        == 0
    )
    pictures = images(output)
    assert len(pictures) == 12
    assert {picture.shape for picture in pictures} == {(24, 64, 3)}
    assert [number_of(picture[:, 32:]) for picture in pictures] == list(range(6, 18))
    with pytest.raises(IndexError):
        packets(output)


def test_options_of_memory_reach_the_work(
    clip: Path, style: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[TemporalOptions] = []

    def stylize_video(*arguments: object, temporal: TemporalOptions, **more: object) -> Summary:
        heard.append(temporal)
        return Summary(clip, 6, 1.0)

    monkeypatch.setattr("vidstyle.pipeline.video.stylize_video", stylize_video)
    assert run(clip, "-s", style) == 0
    given = ("--temporal", "0.25", "--flow", "ultrafast", "--cuts", "my cuts.txt")
    assert run(clip, "-s", style, *given) == 0
    assert heard == [TemporalOptions(0.6, "medium", "auto"), TemporalOptions(0.25, *given[3::2])]


def test_listed_cuts_show_in_the_video(clip: Path, style: Path) -> None:
    listed = clip.with_name("cuts.txt")
    listed.write_text("#3\n")
    options = ["--codec", "ffv1", "--pix-fmt", "bgr0", "--progress", "none", "-s", style]
    videos = []
    for name, extra in {
        "alone": ("--temporal", "0"),
        "through": ("--cuts", "none"),
        "listed": ("--cuts", listed),
    }.items():
        output = clip.with_name(f"{name}.mkv")
        assert main_code("run", clip, "-o", output, "--device", "cpu", *options, *extra) == 0
        videos.append(images(output))
    alone, through, reset = (np.stack(video) for video in videos)

    def fresh(video: np.ndarray) -> list[int]:
        return [index for index in range(6) if np.array_equal(video[index], alone[index])]

    assert fresh(through) == [0]
    assert fresh(reset) == [0, 3]


def test_a_blend(clip: Path) -> None:
    assert run(clip, "--style", "scream:0.7,wave:0.3", "--progress", "none") == 0
    assert names(clip.parent) == ["clip.mp4", "clip.scream+wave.mp4"]


def test_kept_colours(tmp_path: Path, style: Path) -> None:
    grey = write_clip(tmp_path / "a.mp4", SHORT)
    assert run(grey, "--style", style, "--color", "keep", "-o", tmp_path / "b.mp4") == 0
    saturation = np.ptp(np.stack(images(tmp_path / "b.mp4")).astype(int), axis=-1)
    assert saturation.mean() < 4


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12.5", 12.5), ("1:02", 62), ("01:02:03.5", 3723.5), ("0", 0), ("90", 90), ("0:00:01", 1)],
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


# -- bad input ------------------------------------------------------------------------------


def missing(folder: Path) -> Path:
    return folder / "bad.mp4"


def directory(folder: Path) -> Path:
    (folder / "bad.mp4").mkdir()
    return folder / "bad.mp4"


def text(folder: Path) -> Path:
    (folder / "bad.mp4").write_text("Dear diary,\nthis is not a video.\n" * 50)
    return folder / "bad.mp4"


def empty(folder: Path) -> Path:
    (folder / "bad.mp4").touch()
    return folder / "bad.mp4"


def sound_alone(folder: Path) -> Path:
    return write_audio(folder / "bad.mp4", Sound())


def without_index(folder: Path) -> Path:
    whole = write_clip(folder / "whole.mp4", SHORT)
    content = whole.read_bytes()
    whole.unlink()
    (folder / "bad.mp4").write_bytes(content[: content.index(b"moov") - 4])
    return folder / "bad.mp4"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (missing, "no such file"),
        (directory, "is a directory"),
        (text, "not a video"),
        (empty, "is empty"),
        (sound_alone, "only sound"),
        (without_index, "truncated"),
    ],
)
def test_bad_input(
    tmp_path: Path, style: Path, capsys: Capture, make: Callable[[Path], Path], reason: str
) -> None:
    source = make(tmp_path)
    before = names(tmp_path)
    assert run(source, "--style", style) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(rf"vidstyle: {re.escape(str(source))}: .*{reason}.*\n", printed.err)
    assert names(tmp_path) == before


BAD_OPTIONS = {
    "unknown style": (["--style", "screem"], 1, "unknown style 'screem'; did you mean .*scream"),
    "negative weights": (["--style", "scream:-1,wave:2"], 2, "cannot be negative"),
    "no weights": (["--style", "scream:0"], 2, "all be zero"),
    "output is input": (["-o", "{clip}"], 1, "is the input itself"),
    "unknown container": (["-o", "{folder}/a.xyz"], 1, "unknown extension .xyz"),
    "no extension": (["-o", "{folder}/a"], 1, "has no extension"),
    "no folder": (["-o", "{folder}/no/a.mp4"], 1, "no directory"),
    "unwritable folder": (["-o", "/proc/a.mp4"], 1, "cannot be written|no directory"),
    "output is a folder": (["-o", "{folder}/folder.mp4"], 1, "not a regular file"),
    "existing output": (["-o", "{folder}/there.mp4"], 1, "exists already"),
    "end before start": (["--start", "3", "--end", "2"], 2, "--end 2 s is not after --start 3 s"),
    "start beyond the end": (["--start", "100"], 2, "beyond the end"),
    "no time": (["--start", "soon"], 2, "'soon' is not a time"),
    "negative time": (["--start", "-1"], 2, "'-1' is not a time"),
    "too much strength": (["--strength", "1.5"], 2, "strength must be from 0 to 1"),
    "too much memory": (["--temporal", "1.5"], 2, "temporal must be from 0 to 1, not 1.5"),
    "negative memory": (["--temporal", "-0.1"], 2, "temporal must be from 0 to 1, not -0.1"),
    "memory of no size": (["--temporal", "some"], 2, "Invalid value for '--temporal'"),
    "unknown flow": (["--flow", "slow"], 2, "'slow' is not one of 'ultrafast', 'fast', 'medium'"),
    "no list of cuts": (["--cuts", "{folder}/no.txt"], 1, r"no\.txt: No such file"),
    "list of cuts is a folder": (["--cuts", "{folder}/folder.mp4"], 1, "Is a directory"),
    "list of no cuts": (["--cuts", "{folder}/there.mp4"], 1, "line 1: 'precious' is not a cut"),
    "no batch": (["--batch-size", "0"], 2, "--batch-size must be at least 1"),
    "both sizes": (["--max-side", "64", "--scale", "2"], 2, "max.side.*scale"),
    "unknown encoder": (["--codec", "libnosuch"], 1, "no encoder 'libnosuch'"),
    "unknown pixel format": (["--pix-fmt", "yuv999"], 1, "yuv999"),
    "crf out of range": (["--crf", "99"], 2, "crf"),
    "unknown preset": (["--preset", "warp"], 1, "warp"),
    "unknown colour": (["--color", "none"], 2, "'none' is not one of"),
    "unknown option": (["--nosuch"], 2, "No such option"),
    "no CUDA": (["--device", "cuda:99"], 1, "CUDA|only cuda:0"),
    "unknown device": (["--device", "abacus"], 1, "unknown device 'abacus'"),
    "unknown precision": (["--precision", "int4"], 1, "unknown precision 'int4'"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options(clip: Path, capsys: Capture, case: str) -> None:
    arguments, code, reason = BAD_OPTIONS[case]
    (clip.parent / "folder.mp4").mkdir()
    (clip.parent / "there.mp4").write_bytes(b"precious")
    before = names(clip.parent)
    filled = [a.format(clip=clip, folder=clip.parent) for a in arguments]
    with pytest.raises(SystemExit) as left:
        main(["run", str(clip), "--device", "cpu", *filled])
    printed = capsys.readouterr()
    assert left.value.code == code
    assert printed.out == ""
    assert re.fullmatch(rf"vidstyle: .*({reason}).*\n", printed.err), printed.err
    assert names(clip.parent) == before
    assert (clip.parent / "there.mp4").read_bytes() == b"precious"


@pytest.mark.parametrize("kind", ["missing", "damaged", "foreign"])
def test_bad_style_files(clip: Path, style: Path, capsys: Capture, kind: str) -> None:
    if kind == "missing":
        style.unlink()
    else:
        content = style.read_bytes()
        style.write_bytes(content[:-1000] if kind == "damaged" else b"not a style")
    assert run(clip, "--style", style) == 1
    assert re.fullmatch(rf"vidstyle: {re.escape(str(style))}: .+\n", capsys.readouterr().err)
    assert names(clip.parent) == ["clip.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_truncated_input(tmp_path: Path, style: Path, capsys: Capture, suffix: str) -> None:
    options = {"movflags": "+faststart"} if suffix == ".mp4" else {}
    whole = write_clip(
        tmp_path / f"whole{suffix}",
        Recipe(ticks=tuple(range(96)), options={"g": "12"}, container_options=options),
    )
    content = whole.read_bytes()
    whole.unlink()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(content[: int(len(content) * 0.6)])
    assert run(cut, "--style", style, "--progress", "none", "--strict") == 1
    assert re.fullmatch(rf"vidstyle: {re.escape(str(cut))}: .+\n", capsys.readouterr().err)
    assert not (tmp_path / "cut.alpha.mp4").exists()
    assert run(cut, "--style", style, "--progress", "none", "--resume") == 3
    assert re.search(r"note: truncated: \d\.\d s of 4\.0 s", capsys.readouterr().err)
    assert 6 < len(images(tmp_path / "cut.alpha.mp4")) < 96


# -- in a process of its own ----------------------------------------------------------------


def command(*arguments: str | Path) -> list[str]:
    start = "from vidstyle.cli.main import main; main()"
    return [sys.executable, "-c", start, "run", *map(str, arguments), *QUICK]


def big_clip(folder: Path, frames: int) -> Path:
    return write_clip(
        folder / "clip.mp4",
        Recipe(
            ticks=tuple(range(frames)),
            size=(320, 240),
            options={"preset": "ultrafast"},
            sounds=(Sound(seconds=frames / 24),),
        ),
    )


@pytest.mark.slow
def test_ctrl_c(tmp_path: Path) -> None:
    clip = big_clip(tmp_path, 240)
    process = subprocess.Popen(
        command(clip, "--style", "scream", "--progress", "json", "-o", tmp_path / "b.mp4"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if json.loads(line)["frames"] >= 30:
            process.send_signal(signal.SIGINT)
            break
    _out, err = process.communicate(timeout=60)
    partial = tmp_path / "b.partial.mp4"
    assert process.returncode == 130
    kept = f"what was finished is in {partial}; continue with --resume"
    assert err == f"vidstyle: interrupted; {kept}\n"
    assert names(tmp_path) == [".b.mp4.work", "b.partial.mp4", "clip.mp4"]
    assert 10 < len(images(partial)) < 240
    assert 0 < len(packets(partial)) < len(packets(clip))


@pytest.mark.slow
def test_a_full_disk(tmp_path: Path, style: Path) -> None:
    clip = big_clip(tmp_path, 48)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        command(clip, "--style", style, "--progress", "none", "-o", tmp_path / "b.mp4"),
        capture_output=True,
        text=True,
        preexec_fn=limit,
        timeout=60,
    )
    assert done.returncode == 1
    assert re.fullmatch(r"vidstyle: .*b(\.partial)?\.mp4: cannot be written \(.*\)\n", done.stderr)
    assert names(tmp_path) == ["clip.mp4"]


# -- bits, fields and range -----------------------------------------------------------------


def pix_fmt(path: Path) -> str:
    with av.open(str(path)) as container:
        return str(container.streams.video[0].codec_context.pix_fmt)


def test_bit_depth(tmp_path: Path, style: Path, capsys: Capture) -> None:
    deep = dataclasses.replace(SHORT, codec="ffv1", pix_fmt="yuv444p10le")
    clip = write_clip(tmp_path / "clip.mkv", deep)
    expected = {"auto": "yuv420p10le", "8": "yuv420p", "10": "yuv420p10le"}
    for depth, form in expected.items():
        target = tmp_path / f"{depth}.mp4"
        assert run(clip, "-o", target, "--style", style, "--bit-depth", depth) == 0
        assert pix_fmt(target) == form
    assert "4:4:4 chroma written as 4:2:0" in capsys.readouterr().err
    kept = tmp_path / "kept.mp4"
    assert run(clip, "-o", kept, "--style", style, "--pix-fmt", "keep") == 0
    assert pix_fmt(kept) == "yuv444p10le"
    assert capsys.readouterr().err.count("4:2:0") == 0


def test_hdr_and_deinterlace(tmp_path: Path, style: Path, capsys: Capture) -> None:
    hdr = dataclasses.replace(SHORT, codec="ffv1", pix_fmt="yuv420p10le", color=(1, 9, 9, 16))
    clip = write_clip(tmp_path / "clip.mkv", hdr)
    for mode, transfer in (("sdr", 1), ("keep", 16)):
        target = tmp_path / f"{mode}.mp4"
        assert run(clip, "-o", target, "--style", style, "--hdr", mode) == 0
        with av.open(str(target)) as container:
            assert container.streams.video[0].codec_context.color_trc == transfer
        assert ("written as SDR" in capsys.readouterr().err) == (mode == "sdr")
    target = tmp_path / "no.mp4"
    assert run(clip, "-o", target, "--style", style, "--hdr", "keep", "--bit-depth", "8") == 2
    assert "--bit-depth 8" in capsys.readouterr().err
    assert not target.exists()
    fields = dataclasses.replace(SHORT, options={"x264-params": "tff=1"})
    clip = write_clip(tmp_path / "fields.mp4", fields)
    for mode in ("auto", "off"):
        target = tmp_path / f"{mode}.mp4"
        assert run(clip, "-o", target, "--style", style, "--deinterlace", mode) == 0
        assert ("deinterlaced" in capsys.readouterr().err) == (mode == "auto")
