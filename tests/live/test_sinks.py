"""Sinks with real receivers, files and windows; what is sent is read back with PyAV."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, ClassVar

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from clips import Sound, corners, frame_times, images, packet_times, packets, write_audio
from streams import Receiver, coded, decoded, free_port

from vidstyle.errors import OptionError, OutputError
from vidstyle.live.audio import AudioPacket, AudioTemplate
from vidstyle.live.clock import TICKS
from vidstyle.live.sinks import (
    PreviewWindow,
    RecordingSink,
    RecordOptions,
    SendOptions,
    Sink,
    SinkFormat,
    SinkWorker,
    UrlSink,
    VirtualCamera,
    open_sink,
)
from vidstyle.live.source import LiveFrame

SMALL = SinkFormat(128, 96, 30)
FAST = RecordOptions(preset="ultrafast")


def frame(
    number: int, seconds: float | None = None, size: tuple[int, int] = (128, 96)
) -> LiveFrame:
    """A coded picture, at 30 a second unless told."""
    seconds = number / 30 if seconds is None else seconds
    return LiveFrame(coded(number, *size), time.monotonic(), number, round(seconds * TICKS))


def play(worker: SinkWorker, count: int, first: int = 0) -> None:
    """Put pictures in real time."""
    began = time.monotonic()
    for number in range(first, first + count):
        time.sleep(max(0.0, began + (number - first) / 30 - time.monotonic()))
        worker.put(frame(number))


def play_until(worker: SinkWorker, enough: Any, first: int = 0, seconds: float = 30) -> int:
    """Put pictures in real time until something holds; the next number."""
    deadline, number = time.monotonic() + seconds, first
    while not enough():
        assert time.monotonic() < deadline, worker.failure
        worker.put(frame(number))
        number += 1
        time.sleep(1 / 30)
    return number


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("window", PreviewWindow),
        ("camera", VirtualCamera),
        ("camera:/dev/video7", VirtualCamera),
        ("udp://127.0.0.1:1234", UrlSink),
        ("rtmp://host/live/key", UrlSink),
        ("-", UrlSink),
        ("take.mp4", RecordingSink),
        ("/tmp/take.MKV", RecordingSink),
    ],
)
def test_names_of_sinks(name: str, kind: type) -> None:
    assert isinstance(open_sink(name), kind)


@pytest.mark.parametrize("name", ["windw", "take.avi", "x", "gopher://host", "take"])
def test_no_sink(name: str) -> None:
    with pytest.raises(OptionError, match=re.escape(name)):
        open_sink(name)


@pytest.mark.parametrize("changes", [{"bitrate": 0}, {"keyframes": 0.0}, {"preset": "brisk"}])
def test_options_that_make_no_sense(changes: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        SendOptions(**changes)
    with pytest.raises(OptionError):
        RecordOptions(crf=99)


# -- URLs -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_udp_keeps_order_times_and_pictures() -> None:
    url = f"udp://127.0.0.1:{free_port()}"
    with Receiver(url) as receiver:
        worker = SinkWorker(UrlSink(url), SMALL)
        play_until(worker, lambda: len(receiver.numbers) >= 40)
        worker.close()
    assert worker.failure is None
    assert None not in receiver.numbers
    numbers = [int(n) for n in receiver.numbers if n is not None]
    assert numbers == sorted(set(numbers))
    steps, moved = np.diff(receiver.stamps), np.diff(numbers)
    assert np.allclose(steps, moved / 30, atol=2 / TICKS)
    assert receiver.image is not None and receiver.image.shape == (96, 128, 3)


@pytest.mark.slow
def test_odd_sizes_lose_a_line() -> None:
    url = f"udp://127.0.0.1:{free_port()}"
    with Receiver(url) as receiver:
        sink = UrlSink(url)
        sink.open(SinkFormat(129, 97, 30))
        number = 0
        while len(receiver.numbers) < 3:
            sink.write(frame(number, size=(129, 97)))
            number += 1
            time.sleep(1 / 30)
            assert number < 900
        sink.close()
    assert receiver.image is not None and receiver.image.shape == (96, 128, 3)


def sound_of(folder: Path, codec: str = "aac") -> tuple[AudioTemplate, list[AudioPacket]]:
    """Two seconds of sound as a live source would give it."""
    path = write_audio(folder / "sound.mka", Sound(codec=codec, seconds=1.5))
    with av.open(str(path)) as source:
        stream = source.streams.audio[0]
        template = AudioTemplate(stream)
        found = [
            AudioPacket(bytes(p), p.pts, p.dts, p.duration or 0, p.time_base)
            for p in source.demux(stream)
            if p.dts is not None and p.pts is not None and p.pts >= 0
        ]
    path.unlink()
    return template, found


@pytest.mark.slow
def test_sound_goes_along(tmp_path: Path) -> None:
    template, sound = sound_of(tmp_path)
    url = f"udp://127.0.0.1:{free_port()}"
    with Receiver(url) as receiver:
        worker = SinkWorker(UrlSink(url), SinkFormat(128, 96, 30, template))
        began = time.monotonic()
        play(worker, 30)  # while the receiver finds out what it is
        waiting = list(sound)
        for number in range(30, 100):
            worker.put(frame(number))
            while waiting and waiting[0].pts * waiting[0].time_base <= (number - 30) / 30:
                packet = waiting.pop(0)
                later = packet.pts + round(1 / packet.time_base)
                worker.put_audio(
                    AudioPacket(packet.data, later, later, packet.duration, packet.time_base)
                )
            time.sleep(max(0.0, began + number / 30 - time.monotonic()))
        worker.close()
    assert not waiting
    assert len(receiver.packets) > 30
    # MPEG-TS adds the same to both.
    lag = receiver.stamps[0] - int(receiver.numbers[0] or 0) / 30
    assert receiver.packets[-1] - lag == pytest.approx(
        1 + float(sound[-1].pts * sound[-1].time_base), abs=0.05
    )


def test_sound_that_a_protocol_cannot_carry(tmp_path: Path) -> None:
    template, _ = sound_of(tmp_path, "vorbis")
    for url in ("rtmp://127.0.0.1:9/live/key", "udp://127.0.0.1:9"):
        with pytest.raises(OutputError, match=r"cannot carry vorbis audio.*--audio none"):
            SinkWorker(UrlSink(url), SinkFormat(128, 96, 30, template))


class Upload(BaseHTTPRequestHandler):
    """Keeps what is posted in pieces."""

    received: ClassVar[io.BytesIO]
    done: ClassVar[Event]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        while size := int(self.rfile.readline(), 16):
            self.received.write(self.rfile.read(size))
            self.rfile.readline()
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        self.done.set()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.slow
def test_http_posts_the_stream() -> None:
    Upload.received, Upload.done = io.BytesIO(), Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Upload) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        sink = UrlSink(f"http://127.0.0.1:{server.server_address[1]}/live.ts")
        sink.open(SMALL)
        for number in range(20):
            sink.write(frame(number))
        sink.write(replace(frame(20), image=corners(128, 96)))
        sink.close()
        assert Upload.done.wait(30)
        server.shutdown()
    Upload.received.seek(0)
    with av.open(Upload.received, format="mpegts") as source:
        pictures = list(source.decode(video=0))
    assert [decoded(p.to_ndarray(format="rgb24")) for p in pictures[:20]] == list(range(20))
    last = pictures[20]
    assert (last.color_range, last.colorspace, last.color_primaries, last.color_trc) == (1, 1, 1, 1)
    seen = last.reformat(format="rgb24", src_colorspace=Colorspace.ITU709).to_ndarray()
    for y, x in ((24, 32), (24, 96), (72, 96), (72, 32)):
        assert np.abs(seen[y, x].astype(int) - corners(128, 96)[y, x]).max() < 8


@pytest.mark.slow
def test_nobody_listens_to_udp() -> None:
    worker = SinkWorker(UrlSink(f"udp://127.0.0.1:{free_port()}"), SMALL)
    play(worker, 15)
    worker.close()
    assert worker.failure is None and worker.written > 0


def test_a_refused_connection_is_one_line() -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    worker = SinkWorker(UrlSink(url), SMALL)
    play_until(worker, lambda: worker.failure is not None)
    worker.close()
    assert isinstance(worker.failure, OutputError)
    assert str(worker.failure) == f"{url}: connection refused"


@pytest.mark.parametrize("url", ["rtmp://127.0.0.1:{}/live/key", "rtsp://127.0.0.1:{}/live"])
def test_servers_that_are_not_there(url: str) -> None:
    worker = SinkWorker(UrlSink(url.format(free_port())), SMALL)
    play_until(worker, lambda: worker.failure is not None)
    worker.close()
    assert str(worker.failure).endswith(": connection refused")


SERVERS = {
    "rtmp://127.0.0.1:{}/live/key": {"listen": "1"},
    "rtsp://127.0.0.1:{}/live": {"rtsp_flags": "listen", "listen_timeout": "20"},
}


@pytest.mark.slow
@pytest.mark.parametrize("address", SERVERS)
def test_servers_get_every_picture_and_the_sound(tmp_path: Path, address: str) -> None:
    template, sound = sound_of(tmp_path)
    url = address.format(free_port())
    numbers: list[int | None] = []
    heard: list[float] = []

    def serve() -> None:
        with av.open(url, options=SERVERS[address]) as source, suppress(OSError):
            for packet in source.demux():
                if packet.stream.type == "audio" and packet.size:
                    heard.append(float(packet.pts * packet.time_base))
                elif packet.stream.type == "video":
                    numbers.extend(decoded(f.to_ndarray(format="rgb24")) for f in packet.decode())

    server = Thread(target=serve, daemon=True)
    server.start()
    time.sleep(1)  # until it listens
    sink = UrlSink(url)
    sink.open(SinkFormat(128, 96, 30, template))
    waiting = list(sound)
    for number in range(45):
        sink.write(frame(number))
        while waiting and waiting[0].pts * waiting[0].time_base <= number / 30:
            sink.write_audio(waiting.pop(0))
        time.sleep(1 / 30)
    sink.close()
    server.join(20)
    assert numbers == list(range(45))
    assert len(heard) > 0.9 * (len(sound) - len(waiting))


@pytest.mark.slow
def test_a_receiver_that_goes_is_tried_again() -> None:
    port = free_port()
    said: list[str] = []
    worker = SinkWorker(UrlSink(f"tcp://127.0.0.1:{port}"), SMALL, reconnect=30, report=said.append)
    number = 0
    for back in (0, 1):
        with Receiver(f"tcp://127.0.0.1:{port}?listen=1") as receiver:

            def enough(receiver: Receiver = receiver, back: int = back) -> bool:
                return len(receiver.numbers) >= 20 and len(said) >= 2 * back

            number = play_until(worker, enough, number)
        seen = [n for n in receiver.numbers if n is not None]
        assert seen == sorted(set(seen))
    worker.close()
    assert worker.failure is None
    assert said[0].endswith("trying again")
    assert said[1] == f"tcp://127.0.0.1:{port}: is back"
    assert worker.written > 40


@pytest.mark.slow
def test_it_serves_who_fetches() -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    worker = SinkWorker(UrlSink(f"{url}?listen=1"), SMALL, patience=0.2)
    play(worker, 30)
    with Receiver(url) as receiver:
        play_until(worker, lambda: len(receiver.numbers) >= 10, 30)
    worker.close()
    assert receiver.numbers[-1] is not None and receiver.numbers[-1] >= 30


def test_nobody_fetches() -> None:
    worker = SinkWorker(UrlSink(f"tcp://127.0.0.1:{free_port()}?listen=1"), SMALL, closing=0.5)
    play(worker, 5)
    began = time.monotonic()
    worker.close()
    assert time.monotonic() - began < 10
    assert worker.failure is None


@pytest.fixture
def deaf() -> Iterator[str]:
    """Somebody who takes calls and then does not listen."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


def noise(number: int) -> LiveFrame:
    image = np.random.default_rng(number).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    return LiveFrame(image, time.monotonic(), number, number * TICKS // 30)


@pytest.mark.slow
def test_a_receiver_that_hangs_holds_up_nobody(deaf: str) -> None:
    shape = SinkFormat(320, 240, 30)
    sink = UrlSink(deaf, SendOptions(bitrate=20_000_000))
    worker = SinkWorker(sink, shape, patience=1.0, closing=0.5)
    url = f"udp://127.0.0.1:{free_port()}"
    other = SinkWorker(UrlSink(url), shape)
    number, longest = 0, 0.0
    deadline = time.monotonic() + 40
    while worker.failure is None:
        assert time.monotonic() < deadline
        picture = noise(number)
        began = time.monotonic()
        worker.put(picture)
        other.put(picture)
        longest = max(longest, time.monotonic() - began)
        number += 1
        time.sleep(1 / 60)
    worker.close()
    other.close()
    assert isinstance(worker.failure, OutputError)
    assert longest < 2
    assert worker.dropped > 0
    assert other.failure is None and other.written > worker.written


@pytest.mark.slow
def test_closing_does_not_wait_for_a_receiver_that_hangs(deaf: str) -> None:
    shape = SinkFormat(320, 240, 30)
    worker = SinkWorker(UrlSink(deaf, SendOptions(bitrate=20_000_000)), shape, closing=1)
    number = waiting = 0
    while waiting < 30:  # pictures in a row that nothing came of
        before = worker.written
        worker.put(noise(number))
        number += 1
        time.sleep(1 / 60)
        waiting = waiting + 1 if worker.written == before and number > 60 else 0
        assert number < 3000
    began = time.monotonic()
    worker.close()
    assert time.monotonic() - began < 15
    assert worker.failure is None


def test_a_long_ending_is_waited_for() -> None:
    slow = Slow()
    slow.close = lambda: time.sleep(0.4)  # type: ignore[method-assign]
    worker = SinkWorker(slow, SMALL, closing=0.1)
    worker.put(frame(0))
    began = time.monotonic()
    worker.close()
    assert time.monotonic() - began >= 0.4


@pytest.mark.slow
def test_a_sender_that_was_killed_is_started_again() -> None:
    url = f"udp://127.0.0.1:{free_port()}"
    sink = UrlSink(url)
    worker = SinkWorker(sink, SMALL, reconnect=10)
    with Receiver(url) as receiver:
        number = play_until(worker, lambda: len(receiver.numbers) >= 10)
        sink.cancel()
        many = len(receiver.numbers) + 30
        play_until(worker, lambda: len(receiver.numbers) >= many, number)
    worker.close()
    assert worker.failure is None


# -- recordings -----------------------------------------------------------------------------

UNEVEN = (0.0, 0.04, 0.1, 0.2, 0.21, 0.4, 0.48, 0.7, 0.9, 1.3)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_recordings_keep_times_and_pictures(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"take{suffix}"
    sink = RecordingSink(path, FAST)
    sink.open(SMALL)
    for number, seconds in enumerate(UNEVEN):
        sink.write(frame(number, seconds))
    assert not path.exists()
    sink.close()
    assert names(tmp_path) == [path.name]
    assert [decoded(image) for image in images(path)] == list(range(len(UNEVEN)))
    finest = 1e-3 if suffix == ".mkv" else 1e-5
    assert [float(t) for t in frame_times(path)] == pytest.approx(list(UNEVEN), abs=finest)
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(1e6 * (UNEVEN[-1] + 1 / 30), abs=2e3)
    sink.close()  # again: nothing happens


def test_recordings_of_odd_sizes_lose_a_line(tmp_path: Path) -> None:
    sink = RecordingSink(tmp_path / "take.mkv", FAST)
    sink.open(SinkFormat(129, 97, 30))
    sink.write(frame(0, size=(129, 97)))
    sink.close()
    assert [image.shape for image in images(sink.path)] == [(96, 128, 3)]


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "aac"), (".mkv", "libopus")])
def test_recordings_keep_the_sound(tmp_path: Path, suffix: str, codec: str) -> None:
    template, sound = sound_of(tmp_path, codec)
    path = tmp_path / f"take{suffix}"
    sink = RecordingSink(path, FAST)
    sink.open(SinkFormat(128, 96, 30, template))
    waiting = list(sound)
    for number in range(60):
        sink.write(frame(number))
        while waiting and waiting[0].pts * waiting[0].time_base <= number / 30:
            sink.write_audio(waiting.pop(0))
    sink.close()
    written = sound[: len(sound) - len(waiting)]
    assert packets(path) == [packet.data for packet in written]
    began = [float(packet.pts * packet.time_base) for packet in written]
    assert [float(t) for t in packet_times(path)] == pytest.approx(began, abs=1.1e-3)


def test_sound_that_a_container_cannot_hold(tmp_path: Path) -> None:
    template, _ = sound_of(tmp_path, "vorbis")
    path = tmp_path / "take.mov"
    with pytest.raises(OutputError, match=rf"{path}.*vorbis.*mkv"):
        RecordingSink(path, FAST).open(SinkFormat(128, 96, 30, template))
    assert names(tmp_path) == []


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "take.mp4"
    path.write_text("precious")
    with pytest.raises(OutputError, match="--overwrite"):
        SinkWorker(RecordingSink(path, FAST), SMALL)
    assert path.read_text() == "precious"
    worker = SinkWorker(
        RecordingSink(path, RecordOptions(preset="ultrafast", overwrite=True)), SMALL
    )
    worker.put(frame(0))
    worker.close()
    assert len(images(path)) == 1


def test_a_recording_of_nothing(tmp_path: Path) -> None:
    worker = SinkWorker(RecordingSink(tmp_path / "take.mp4", FAST), SMALL)
    worker.close()
    assert isinstance(worker.failure, OutputError)
    assert names(tmp_path) == []


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file can grow beyond 300 kB."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_full_disk(tmp_path: Path, full_disk: None, suffix: str) -> None:
    take = tmp_path / f"take{suffix}"
    options = RecordOptions(crf=10, preset="ultrafast")
    worker = SinkWorker(RecordingSink(take, options), SinkFormat(320, 240, 30), depth=30)
    number = 0
    while worker.failure is None:
        worker.put(noise(number))
        number += 1
        time.sleep(0.01)
        assert number < 3000
    worker.close()
    reason = f"{take}: cannot be written (file too large)"
    if suffix == ".mp4":
        assert str(worker.failure) == reason
        assert names(tmp_path) == []
        return
    assert str(worker.failure) == f"{reason}; what was recorded is in {tmp_path}/take.partial.mkv"
    assert names(tmp_path) == ["take.partial.mkv"]
    assert len(images(tmp_path / "take.partial.mkv")) > 1


# -- workeres -------------------------------------------------------------------------------


class Slow:
    """A sink that takes its time, and may fail."""

    name, takes_audio, can_reconnect, may_block = "slow", True, True, False

    def __init__(self, seconds: float = 0.0, failures: int = 0) -> None:
        self.seconds, self.failures = seconds, failures
        self.numbers: list[int] = []
        self.opened = self.closed = 0

    def open(self, format: SinkFormat) -> None:
        self.opened += 1

    def write(self, frame: LiveFrame) -> None:
        time.sleep(self.seconds)
        if self.failures > 0:
            self.failures -= 1
            raise OutputError("slow: gone")
        self.numbers.append(frame.number)

    def write_audio(self, packet: AudioPacket) -> None:
        pass

    def close(self) -> None:
        self.closed += 1

    def cancel(self) -> None:
        pass


def test_newer_pictures_replace_older_ones() -> None:
    sink: Sink = (slow := Slow(0.05))
    delivered: list[int] = []
    worker = SinkWorker(sink, SMALL, delivered=lambda f: delivered.append(f.number))
    for number in range(100):
        worker.put(frame(number))
        time.sleep(0.005)
    worker.close()
    assert slow.numbers == sorted(slow.numbers) == delivered
    assert slow.numbers[-1] == 99
    assert worker.written == len(slow.numbers) < 60
    assert worker.written + worker.dropped == 100
    assert slow.closed == 1


def test_a_queue_lets_bursts_through() -> None:
    slow = Slow(0.01)
    worker = SinkWorker(slow, SMALL, depth=50)
    for number in range(50):
        worker.put(frame(number))
    worker.close()
    assert slow.numbers == list(range(50))
    assert worker.dropped == 0


def test_failures_within_the_time_are_forgiven() -> None:
    slow = Slow(failures=2)
    said: list[str] = []
    worker = SinkWorker(slow, SMALL, reconnect=20, report=said.append)
    play_until(worker, lambda: len(slow.numbers) > 5)
    worker.close()
    assert worker.failure is None
    assert slow.opened == slow.closed == 3
    assert said[0] == "slow: gone; trying again"


def test_mistakes_in_a_sink_are_raised_once() -> None:
    slow = Slow()
    slow.write = lambda frame: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    worker = SinkWorker(slow, SMALL)
    worker.put(frame(0))
    with pytest.raises(ZeroDivisionError):
        worker.close()


# -- the window -----------------------------------------------------------------------------

needs_pygame = pytest.mark.skipif(
    importlib.util.find_spec("pygame") is None, reason="the extra [preview] is not installed"
)


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[PreviewWindow]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    window = PreviewWindow()
    yield window
    window.close()


def shown() -> np.ndarray:
    """What is on the dummy screen, H×W×3."""
    import pygame

    return pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)


@needs_pygame
def test_the_window_shows_the_picture(window: PreviewWindow) -> None:
    window.open(SMALL)
    for number in (5, 77):
        window.write(frame(number))
        assert np.array_equal(shown(), coded(number))


@needs_pygame
def test_the_window_keeps_the_aspect(window: PreviewWindow) -> None:
    import pygame

    window.open(SMALL)
    window.write(frame(77))
    pygame.display.set_mode((400, 96 * 2), pygame.RESIZABLE)
    window.write(frame(78))
    screen = shown()
    assert screen.shape == (192, 400, 3)
    assert not screen[:, :72].any() and not screen[:, -72:].any()
    assert decoded(screen[:, 72:-72]) == 78


@needs_pygame
def test_a_picture_larger_than_the_screen(window: PreviewWindow) -> None:
    import pygame

    pygame.display.init()
    width, height = pygame.display.get_desktop_sizes()[0]
    window.open(SinkFormat(2 * width, 2 * height, 30))
    window.write(frame(9, size=(2 * width, 2 * height)))
    screen = shown()
    assert screen.shape[1] <= width and screen.shape[0] <= height
    assert decoded(screen) == 9


@needs_pygame
def test_keys_of_the_window(window: PreviewWindow) -> None:
    import pygame

    window.open(SMALL)
    window.keys()

    def press(key: int, text: str = "") -> None:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=text, mod=0))

    press(pygame.K_n, "n")
    press(pygame.K_RIGHT)
    press(pygame.K_LSHIFT)
    press(pygame.K_PLUS, "+")
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert list(window.keys()) == ["n", "right", "+", "quit"]
    assert list(window.keys()) == []


@needs_pygame
def test_the_window_fills_the_screen_and_shrinks_again(window: PreviewWindow) -> None:
    import pygame

    window.open(SMALL)
    window.write(frame(5))
    width, height = pygame.display.get_desktop_sizes()[0]
    for size in ((width, height), (128, 96)):
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_f, unicode="f", mod=0))
        assert list(window.keys()) == []
        screen = shown()
        assert screen.shape[1::-1] == size
        picture = int(screen.shape[0] * 128 / 96)
        side = (screen.shape[1] - picture) // 2
        assert decoded(screen[:, side : side + picture]) == 5


@needs_pygame
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux is without a display")
def test_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OutputError, match="no display"):
        PreviewWindow().open(SMALL)
    monkeypatch.setenv("DISPLAY", ":7777")  # nobody serves it
    window = PreviewWindow()
    with pytest.raises(OutputError, match="no display"):
        window.open(SMALL)
    window.close()


@pytest.mark.parametrize(
    ("module", "sink", "extra"),
    [("pygame", PreviewWindow(), "preview"), ("pyvirtualcam", VirtualCamera(), "virtualcam")],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, sink: Sink, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(OptionError, match=rf"pip install 'vidstyle\[{extra}\]'"):
        sink.open(SMALL)


# -- the camera -----------------------------------------------------------------------------


class Memory:
    """A backend of pyvirtualcam that keeps what it gets."""

    sent: ClassVar[list[np.ndarray]] = []
    asked: ClassVar[dict[str, Any]] = {}

    def __init__(self, **asked: Any) -> None:
        if asked["device"] not in (None, "memory"):
            raise RuntimeError("no such device")
        Memory.asked = asked
        Memory.sent = []

    def close(self) -> None:
        pass

    def send(self, pixels: np.ndarray) -> None:
        Memory.sent.append(np.array(pixels))

    def device(self) -> str:
        return "memory"

    def native_fourcc(self) -> int | None:
        return None


def test_the_camera_gets_the_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = pytest.importorskip("pyvirtualcam.camera")
    monkeypatch.setattr(camera, "BACKENDS", {})
    camera.register_backend("memory", Memory)
    sink = VirtualCamera()
    sink.open(SMALL)
    sink.write(frame(3))
    sink.write(frame(4))
    sink.close()
    sink.close()
    assert (Memory.asked["width"], Memory.asked["height"]) == (128, 96)
    assert [decoded(pixels.reshape(96, 128, 3)) for pixels in Memory.sent] == [3, 4]


@pytest.mark.skipif(
    any(name.startswith("video") for name in os.listdir("/dev"))
    if os.path.isdir("/dev")
    else False,
    reason="there are cameras",
)
def test_no_camera_to_be_had() -> None:
    pytest.importorskip("pyvirtualcam")
    with pytest.raises(OutputError) as caught:
        VirtualCamera().open(SMALL)
    assert "\n" not in str(caught.value)
    if sys.platform.startswith("linux"):
        assert "modprobe v4l2loopback" in str(caught.value)
