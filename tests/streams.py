"""Real streams over the loopback interface: pictures that carry their number, sent and received.

As a program, it sends: ``python streams.py URL FIRST_NUMBER`` until it is killed.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from threading import Event, Thread
from typing import Any, Self

import av
import cv2
import numpy as np
from av.error import FFmpegError

ROWS, COLUMNS = 3, 5
NUMBER_BITS, CHECK_BITS = 11, 4
NUMBERS = 1 << NUMBER_BITS
LIVE = {
    "fflags": "nobuffer",
    "flags": "low_delay",
    "probesize": "200000",
    "fpsprobesize": "0",
}
TIME_BASE = Fraction(1, 90_000)


def free_port() -> int:
    """A port of this machine that nobody uses, for TCP and UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _check(number: int) -> int:
    return (number * 7 + 5) % 13 + 1  # from 1 to 13: neither all black nor all white


def coded(number: int, width: int = 128, height: int = 96) -> np.ndarray:
    """A picture with its number, modulo 2048, and a check sum as black and white blocks."""
    number %= NUMBERS
    word = number << CHECK_BITS | _check(number)
    bits = [(word >> bit) & 1 for bit in range(ROWS * COLUMNS)]
    blocks = np.array(bits, np.uint8).reshape(ROWS, COLUMNS) * 200 + 28
    grey = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.repeat(grey[..., None], 3, axis=2)


def decoded(image: np.ndarray) -> int | None:
    """The number of a picture of any size; None when the check sum is another."""
    height, width = image.shape[:2]
    ys = [int((row + 0.5) * height / ROWS) for row in range(ROWS)]
    xs = [int((column + 0.5) * width / COLUMNS) for column in range(COLUMNS)]
    light = np.array([[image[y - 2 : y + 3, x - 2 : x + 3].mean() for x in xs] for y in ys])
    word = sum(1 << bit for bit, value in enumerate(light.ravel()) if value > light.mean())
    number, check = word >> CHECK_BITS, word & ((1 << CHECK_BITS) - 1)
    return number if check == _check(number) else None


class Sender(Thread):
    """Sends coded pictures in real time, with a tone if asked, until ``stop``.

    Attributes:
        sent: when each number was sent, by ``time.monotonic()``.
    """

    def __init__(
        self,
        url: str,
        *,
        first: int = 0,
        rate: int = 30,
        size: tuple[int, int] = (128, 96),
        tone: bool = False,
        picture: Callable[[int, int, int], np.ndarray] = coded,
    ) -> None:
        super().__init__(name="sender", daemon=True)
        self.sent: dict[int, float] = {}
        self._url, self._first, self._rate, self._size = url, first, rate, size
        self._tone, self._picture = tone, picture
        self._stop_asked = Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(10)

    def run(self) -> None:
        url = f"{self._url}?pkt_size=1316" if self._url.startswith("udp") else self._url
        muxer = {"flush_packets": "1", "muxdelay": "0", "muxpreload": "0"}
        with av.open(url, "w", format="mpegts", container_options=muxer) as output:
            video = self._add_video(output)
            sound = self._add_sound(output) if self._tone else None
            began, count = time.monotonic(), 0
            while not self._stop_asked.wait(max(0, began + count / self._rate - time.monotonic())):
                number = self._first + count
                image = self._picture(number, *self._size)
                picture = av.VideoFrame.from_ndarray(image, format="rgb24")
                picture.pts = round(count / self._rate / TIME_BASE)
                picture.time_base = TIME_BASE
                self.sent[number % NUMBERS] = time.monotonic()
                output.mux(video.encode(picture))
                count += 1
                if sound:
                    for frame in sound.until(count / self._rate):
                        output.mux(sound.stream.encode(frame))

    def _add_video(self, output: Any) -> Any:
        options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "g": str(self._rate // 2),
            "x264-params": "repeat-headers=1",
        }
        stream = output.add_stream("libx264", self._rate, options=options)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = TIME_BASE
        return stream

    def _add_sound(self, output: Any) -> Tone:
        stream = output.add_stream("aac", 48_000)
        stream.codec_context.time_base = Fraction(1, 48_000)
        return Tone(stream)


@dataclass
class Tone:
    """440 Hz, in pieces."""

    stream: Any
    done: int = 0

    def until(self, seconds: float) -> list[Any]:
        frames = []
        while self.done < seconds * 48_000:
            wave = 0.4 * np.sin(2 * np.pi * 440 * np.arange(self.done, self.done + 1024) / 48_000)
            samples = np.stack([wave, wave]).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
            frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), self.done
            self.done += 1024
            frames.append(frame)
        return frames


@dataclass
class Receiver:
    """Receives a stream in the background until ``stop``, its end, or silence (seconds).

    Attributes:
        numbers: of the pictures, in the order in which they came; None for unreadable ones.
        times: when they came, by ``time.monotonic()``.
        stamps: their own times, in seconds.
        image: the last picture.
        packets: of sound: their times in seconds.
    """

    url: str
    patience: float = 20.0
    silence: float = 2.0
    read: Callable[[np.ndarray], int | None] = decoded
    numbers: list[int | None] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    stamps: list[float] = field(default_factory=list)
    packets: list[float] = field(default_factory=list)
    image: np.ndarray | None = None
    error: str | None = None

    def __enter__(self) -> Self:
        self._stop_asked = Event()
        self._thread = Thread(target=self._receive, name="receiver", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take no more. The thread ends with the next packet, or in silence."""
        self._stop_asked.set()

    def wait_for(self, count: int, seconds: float = 30.0) -> None:
        """Until so many pictures have come; fails when they do not."""
        deadline = time.monotonic() + seconds
        while len(self.numbers) < count:
            assert time.monotonic() < deadline, f"{len(self.numbers)} pictures, {self.error}"
            assert self._thread.is_alive() or len(self.numbers) >= count, self.error
            time.sleep(0.02)

    def _receive(self) -> None:
        buffers = "?fifo_size=1000000&overrun_nonfatal=1&buffer_size=1000000"
        url = self.url + buffers if self.url.startswith("udp") else self.url
        limits = (self.patience, self.silence)
        try:
            with av.open(url, "r", format="mpegts", options=LIVE, timeout=limits) as source:
                for packet in source.demux():
                    if self._stop_asked.is_set():
                        return
                    self._take(packet)
        except (FFmpegError, OSError) as error:
            self.error = str(error)

    def _take(self, packet: Any) -> None:
        if packet.stream.type == "audio" and packet.pts is not None:
            self.packets.append(float(packet.pts * packet.time_base))
            return
        for frame in packet.decode():
            if self._stop_asked.is_set():
                return
            self.image = frame.to_ndarray(format="rgb24")
            self.numbers.append(self.read(self.image))
            self.times.append(time.monotonic())
            self.stamps.append(frame.time)


if __name__ == "__main__":
    Sender(sys.argv[1], first=int(sys.argv[2])).run()
