"""``vidstyle stream`` as a user meets it: what is printed and written, keys, exit codes."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from clips import Recipe, Sound, frame_times, images, packet_times, packets, write_clip
from streams import coded, decoded, free_port
from toys import write_toy

from vidstyle.cli.keys import keys_of
from vidstyle.cli.main import main
from vidstyle.cli.status import StreamReporter, status_line
from vidstyle.errors import OptionError
from vidstyle.live.controls import KEYS
from vidstyle.live.status import StreamNotice, StreamStatus
from vidstyle.options.values import parse_bitrate

Capture = pytest.CaptureFixture[str]
QUICK = ("--device", "cpu", "--precision", "fp32", "--preset", "ultrafast")
TEST = ("test", "--size", "128x96", "--working-side", "64")
START = "from vidstyle.cli.main import main; main()"


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("style") / "toy.safetensors", ["alpha"])


def stream(*arguments: str | Path) -> int:
    """The exit code of ``vidstyle stream …``."""
    with pytest.raises(SystemExit) as left:
        main(["stream", *map(str, arguments), *QUICK])
    return int(left.value.code or 0)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- what is written and printed ------------------------------------------------------------


@pytest.mark.slow
def test_a_recording_of_the_test_pattern(tmp_path: Path, style: Path, capsys: Capture) -> None:
    take = tmp_path / "take.mp4"
    assert stream(*TEST, "--to", take, "--style", style, "--duration", "1") == 0
    printed = capsys.readouterr()
    assert re.fullmatch(
        rf"{re.escape(str(take))}: \d+ pictures in \d\.\d s, \d+\.\d pictures/s, "
        r"latency \d+ ms \(p95 \d+ ms\), \d+ dropped; ended after 1 s\n",
        printed.out,
    )
    assert re.match(r"in \d+\.\d out \d+\.\d fps \| latency ", printed.err)
    assert names(tmp_path) == ["take.mp4"]
    written = images(take)
    assert len(written) > 5 and written[0].shape == (96, 128, 3)


def test_json_lines(tmp_path: Path, style: Path, capsys: Capture) -> None:
    take = tmp_path / "take.mkv"
    options = ("--style", style, "--duration", "1", "--progress", "json")
    assert stream(*TEST, "--to", take, *options) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    events = [json.loads(line) for line in printed.out.splitlines()]
    assert [event["event"] for event in events] == ["status"] * (len(events) - 1) + ["done"]
    for event in events[:-1]:
        assert event["style"] == "alpha"
        assert event["captured"] >= event["shown"] > 0
        assert event["sink_drops"] == {str(take): 0}
        assert (event["width"], event["height"]) == (64, 48)
    done = events[-1]
    assert done["outputs"] == [str(take)]
    assert done["shown"] == len(images(take))
    assert done["latency_p95"] >= done["latency_median"] > 0


def test_no_progress(tmp_path: Path, style: Path, capsys: Capture) -> None:
    options = ("--style", style, "--duration", "0.5", "--progress", "none")
    assert stream(*TEST, "--to", tmp_path / "take.mp4", *options) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert len(printed.out.splitlines()) == 1


def test_a_file_in_real_time_with_its_sound(tmp_path: Path, style: Path, capsys: Capture) -> None:
    clip = write_clip(
        tmp_path / "clip.mp4",
        Recipe(
            ticks=tuple(range(36)),
            image=lambda number, width, height: coded(number, width, height),
            size=(128, 96),
            sounds=(Sound(seconds=1.5),),
        ),
    )
    take, silent = tmp_path / "take.mp4", tmp_path / "silent.mp4"
    options = ("--style", style, "--strength", "0", "--progress", "none")
    began = time.monotonic()
    assert stream(clip, "--to", take, *options) == 0
    assert time.monotonic() - began > 1.3
    assert 10 < len(images(take)) <= 36
    sound = packets(clip)
    copied = packets(take)
    assert len(copied) > 0.8 * len(sound)
    assert set(copied) <= set(sound)
    # In step: what delayed the pictures has delayed the sound as much.
    first = decoded(images(take)[0])
    assert first is not None
    picture = float(frame_times(take)[0]) - first / 24
    later = float(packet_times(take)[0] - packet_times(clip)[sound.index(copied[0])])
    assert later == pytest.approx(picture, abs=0.05)
    assert stream(clip, "--to", silent, *options, "--audio", "none") == 0
    with av.open(str(silent)) as written:
        assert not written.streams.audio
    assert "ended" in capsys.readouterr().out


def test_two_recordings_at_once(tmp_path: Path, style: Path) -> None:
    takes = [tmp_path / "a.mp4", tmp_path / "b.mkv"]
    where = [part for take in takes for part in ("--to", str(take))]
    assert stream(*TEST, *where, "--style", style, "--duration", "0.5") == 0
    assert names(tmp_path) == ["a.mp4", "b.mkv"]
    assert all(images(take) for take in takes)


def test_the_window(style: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """The default sink, closed as by hand after a while."""
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")

    def close() -> None:
        time.sleep(1)
        while not ended.is_set():
            if pygame.display.get_init():
                pygame.event.post(pygame.event.Event(pygame.QUIT))
            ended.wait(0.2)

    ended = threading.Event()
    user = threading.Thread(target=close)
    user.start()
    try:
        assert stream(*TEST, "--style", style, "--progress", "none") == 0
    finally:
        ended.set()
        user.join()
    assert re.match(r"window: \d+ pictures .*; stopped\n", capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_stdout_carries_the_stream_until_a_service_manager_ends_it(
    tmp_path: Path, style: Path
) -> None:
    take = tmp_path / "take.mp4"
    arguments = [*TEST, "--to", "-", "--to", str(take), "--style", str(style), *QUICK]
    program = subprocess.Popen(
        [sys.executable, "-c", START, "stream", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None
    begin = program.stdout.read(8_000)
    program.send_signal(signal.SIGTERM)
    rest, said = program.communicate(timeout=60)
    assert program.returncode == 0
    with av.open(io.BytesIO(begin + rest), format="mpegts") as received:
        pictures = [frame.to_ndarray(format="rgb24") for frame in received.decode(video=0)]
    assert pictures and pictures[0].shape == (96, 128, 3)
    assert re.fullmatch(r"-, .*take\.mp4: .*; stopped", said.decode().splitlines()[-1])
    assert names(tmp_path) == ["take.mp4"]
    assert images(take)


# -- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("test", "--to", "windw"), 2, r"windw: not a sink; .*"),
        (("test", "--to", "-", "--progress", "json"), 2, r".*both need stdout.*"),
        (("test", "--to", "a.mkv", "--to", "a.mkv"), 2, r"--to names the same sink twice"),
        (("test", "--to", "udp://127.0.0.1:9", "--fps", "0"), 2, r"--fps must be more than 0.*"),
        (
            ("test", "--to", "udp://127.0.0.1:9", "--size", "big"),
            2,
            r"--size: 'big' is not a size.*",
        ),
        (("test", "--to", "udp://127.0.0.1:9", "--bitrate", "much"), 2, r".*is not a bit rate.*"),
        (
            ("test", "--to", "udp://127.0.0.1:9", "--style", "nobody"),
            1,
            r"unknown style 'nobody'.*",
        ),
        (("nothing.mp4", "--to", "udp://127.0.0.1:9"), 1, r"nothing.mp4: no such file.*"),
    ],
)
def test_one_line(arguments: tuple[str, ...], code: int, message: str, capsys: Capture) -> None:
    assert stream(*arguments) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(rf"vidstyle: {message}\n", printed.err)


@pytest.mark.skipif(Path("/dev/video77").exists(), reason="there are many cameras")
def test_no_such_camera(capsys: Capture) -> None:
    assert stream("77", "--to", "udp://127.0.0.1:9") == 1
    assert re.fullmatch(r"vidstyle: 77: .+\n", capsys.readouterr().err)


def test_an_existing_recording(tmp_path: Path, style: Path, capsys: Capture) -> None:
    take = tmp_path / "take.mp4"
    take.write_text("precious")
    assert stream(*TEST, "--to", take, "--style", style) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert take.read_text() == "precious"
    options = ("--style", style, "--duration", "0.5", "--overwrite")
    assert stream(*TEST, "--to", take, *options) == 0
    assert images(take)


def test_the_only_sink_is_not_there(style: Path, capsys: Capture) -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    options = ("--style", style, "--reconnect", "0", "--progress", "none")
    assert stream(*TEST, "--to", url, *options) == 1
    assert capsys.readouterr().err == f"vidstyle: {url}: connection refused\n"


@pytest.mark.slow
def test_one_sink_of_two_is_not_there(tmp_path: Path, style: Path, capsys: Capture) -> None:
    url, take = f"tcp://127.0.0.1:{free_port()}", tmp_path / "take.mp4"
    options = ("--style", style, "--reconnect", "0", "--duration", "3", "--progress", "none")
    assert stream(*TEST, "--to", url, "--to", take, *options) == 3
    assert f"note: {url}: connection refused" in capsys.readouterr().err
    assert len(images(take)) > 5


# -- keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("nq", ["n", "q"]),
        ("\x1b[A\x1b[B\x1bOC\x1b[D", ["up", "down", "right", "left"]),
        ("\x1b", ["escape"]),
        ("\x1b[1;5A\x1b[15~x", ["x"]),
        ("+é\n", ["+", "é", "\n"]),
        ("", []),
    ],
)
def test_what_terminals_send(typed: str, keys: list[str]) -> None:
    assert keys_of(typed) == keys


READER = textwrap.dedent("""
    import sys
    from threading import Event
    from vidstyle.cli.keys import TerminalKeys

    ended = Event()

    def press(key):
        print(key, flush=True)
        if key == "q":
            ended.set()

    with TerminalKeys(press) as keys:
        print("active" if keys.active else "no terminal", flush=True)
        if keys.active:
            ended.wait(60)
        if "fail" in sys.argv:
            raise SystemExit(3)
""")


@pytest.fixture
def keyboard() -> Iterator[tuple[int, int]]:
    """A pseudo-terminal: the side to type at, and the side of the program."""
    pty = pytest.importorskip("pty")
    sides = pty.openpty()
    yield sides
    for side in sides:
        os.close(side)


@pytest.mark.parametrize("fails", [False, True])
def test_keys_are_read_one_by_one(keyboard: tuple[int, int], fails: bool) -> None:
    import fcntl
    import termios

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    here, there = keyboard
    before = termios.tcgetattr(there)
    program = subprocess.Popen(
        [sys.executable, "-c", READER, *(["fail"] if fails else [])],
        stdin=there,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=take_terminal,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "active\n"
    assert termios.tcgetattr(there) != before
    os.write(here, b"n\x1b[A")
    assert program.stdout.readline() == "n\n"
    assert program.stdout.readline() == "up\n"
    os.write(here, b"q")
    assert program.wait(60) == (3 if fails else 0)
    assert termios.tcgetattr(there) == before


def test_without_a_terminal_no_keys() -> None:
    done = subprocess.run([sys.executable, "-c", READER], input="q", capture_output=True, text=True)
    assert done.stdout == "no terminal\n"


def test_help_names_all_keys(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["stream", "--help"])
    text = capsys.readouterr().out
    text = text[text.index("Keys") : text.index("Arguments")]
    typed = {"left": "←", "right": "→", "up": "↑", "down": "↓", "escape": "Esc"}
    hidden = {"=", "quit", "\x1b", "\x03", *map(str, range(2, 9))}
    for name in KEYS.keys() - hidden:
        assert typed.get(name, name) in re.split(r"[\s,]+", text), name


# -- the status line ------------------------------------------------------------------------

STATUS = StreamStatus(
    seconds=4.0,
    captured=120,
    shown=100,
    dropped=20,
    capture_fps=30.0,
    output_fps=24.96,
    latency_median=0.0841,
    latency_p95=0.1206,
    width=512,
    height=288,
    style="scream",
    strength=1.0,
    temporal=0.6,
    sink_drops={"udp://a:1": 0, "take.mp4": 3},
)
LINE = (
    "in 30.0 out 25.0 fps | latency 84 ms p95 121 ms | 20 dropped | 512×288 | scream 1.0 | "
    "steady 0.6 | take.mp4 3 dropped"
)


def test_the_status_line() -> None:
    assert status_line(STATUS) == LINE


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_is_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "40")
    with StreamReporter("bar") as reporter:
        reporter(STATUS)
        reporter(STATUS)
        reporter(StreamNotice("the sender is back"))
        reporter(STATUS)
    shown = f"\r\x1b[K{LINE[:39]}"
    note = "\r\x1b[Kvidstyle: note: the sender is back\n"
    assert screen.getvalue() == f"{shown}{shown}{note}{shown}\r\x1b[K"


def test_a_log_gets_a_line_now_and_then(capsys: Capture) -> None:
    with StreamReporter("bar") as reporter:
        for tenth in range(0, 250, 5):
            reporter(dataclasses.replace(STATUS, seconds=tenth / 10))
    assert capsys.readouterr().err == f"{LINE}\n" * 3


# -- options --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rate"), [("4M", 4_000_000), ("800k", 800_000), ("1234567", 1_234_567)]
)
def test_bit_rates(text: str, rate: int) -> None:
    assert parse_bitrate(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "M"])
def test_no_bit_rate(text: str) -> None:
    with pytest.raises(OptionError):
        parse_bitrate(text)
