"""How fast and how late `vidstyle stream` is, from a UDP sender to a UDP receiver.

    python benchmarks/stream.py [--sizes 640x360,960x540,1280x720] [--seconds 20] [-- OPTIONS]

The sample clip, encoded beforehand and with numbers drawn into it, is sent in real time through a
`vidstyle stream` in a process of its own, and is received and decoded here, on the same machine.
OPTIONS go to `vidstyle stream`; the strength is 0.4 unless given there, which takes as long as 1
and leaves the numbers legible. The first seconds, in which the working size is found, are left out.

    working      size that the program draws at, median
    in, out      pictures a second that it receives, and that it draws
    program      latency as the program tells it, median and p95: from the arrival of a picture
                 until the sink has taken it
    whole way    latency from sending until the result is decoded, median, p95 and longest. MPEG-TS
                 and the H.264 parser alone take a frame interval or two: they know that a picture
                 is complete when the next one begins
    dropped      share of the pictures that came while another was being drawn or sent
    unread       share of the received pictures whose number is not legible
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from threading import Event, Thread

import av
import cv2
import numpy as np
from machine import ROOT, heading
from machine import SAMPLE as HARBOUR

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from streams import NUMBERS, Receiver, coded, decoded, free_port  # noqa: E402

from vidstyle import VideoReader  # noqa: E402

CODE = 0.4
"""Share of width and height that the number takes."""
LEGIBLE = ["--strength", "0.4"]
SETTLING = 6.0
"""Seconds at the beginning that do not count."""
START = 60.0
"""Seconds that the program may take to begin."""


def numbered_clip(width: int, height: int) -> Iterator[np.ndarray]:
    """The sample clip to and fro, for ever, with a number in the upper left corner."""
    with VideoReader(HARBOUR) as reader:
        clip = [
            cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_AREA)
            for frame in reader
        ]
    clip += clip[::-1]
    for number in range(NUMBERS):
        image = clip[number % len(clip)].copy()
        corner = coded(number, round(CODE * width), round(CODE * height))
        image[: corner.shape[0], : corner.shape[1]] = corner
        yield image


def number_of(image: np.ndarray) -> int | None:
    height, width = image.shape[:2]
    return decoded(image[: round(CODE * height), : round(CODE * width)])


def encoded(width: int, height: int, fps: int) -> list[bytes]:
    """All the numbers there are, as H.264."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, fps), fps
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "g": str(fps),
        "x264-params": "repeat-headers=1:vbv-maxrate=8000:vbv-bufsize=2000",
    }
    packets = []
    for image in numbered_clip(width, height):
        packets += encoder.encode(av.VideoFrame.from_ndarray(image, format="rgb24"))
    return [bytes(packet) for packet in packets]


class ClipSender(Thread):
    """Sends encoded pictures in real time, from the beginning again at their end.

    Attributes:
        sent: when each number was sent last, by ``time.monotonic()``.
    """

    def __init__(self, url: str, packets: list[bytes], fps: int) -> None:
        super().__init__(daemon=True)
        self.url, self.packets, self.fps = url, packets, fps
        self.sent: dict[int, float] = {}
        self.ended = Event()

    def run(self) -> None:
        muxer = {"flush_packets": "1", "muxdelay": "0", "muxpreload": "0"}
        url = f"{self.url}?pkt_size=1316"
        with av.open(url, "w", format="mpegts", container_options=muxer) as output:
            stream = output.add_mux_stream("h264", self.fps)
            began, count = time.monotonic(), 0
            while not self.ended.wait(max(0, began + count / self.fps - time.monotonic())):
                number = count % len(self.packets)
                packet = av.Packet(self.packets[number])
                packet.stream, packet.time_base = stream, Fraction(1, self.fps)
                packet.pts = packet.dts = count
                self.sent[number] = time.monotonic()
                output.mux(packet)
                count += 1


@dataclass(frozen=True)
class Result:
    """One row."""

    size: str
    working: str
    received: float
    drawn: float
    program: tuple[float, float]
    whole_way: tuple[float, float, float]
    dropped: float
    unread: float
    ordered: bool

    def __str__(self) -> str:
        def ms(*seconds: float) -> str:
            return " / ".join(f"{1000 * s:.0f}" for s in seconds)

        return (
            f"{self.size:>10}{self.working:>10}{self.received:>7.1f}{self.drawn:>7.1f}"
            f"{ms(*self.program):>13}{ms(*self.whole_way):>20}"
            f"{self.dropped:>9.1%}{self.unread:>8.1%}{'' if self.ordered else '  OUT OF ORDER'}"
        )


HEADER = (
    f"{'size':>10}{'working':>10}{'in':>7}{'out':>7}{'program ms':>13}{'whole way ms':>20}"
    f"{'dropped':>9}{'unread':>8}"
)


def measure(width: int, height: int, seconds: float, fps: int, more: list[str]) -> Result:
    """One stream."""
    there, here = (f"udp://127.0.0.1:{free_port()}" for _ in range(2))
    sender = ClipSender(there, encoded(width, height, fps), fps)
    sender.start()
    program = [sys.executable, "-m", "vidstyle", "stream", there, "--to", here, *LEGIBLE]
    limits = ["--duration", str(SETTLING + seconds), "--progress", "json"]
    with Receiver(here, patience=START, silence=START, read=number_of) as receiver:
        done = subprocess.run(
            [*program, *limits, "--fps", str(fps), *more],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    sender.ended.set()
    sender.join()
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return result(f"{width}x{height}", events, sender, receiver)


def result(size: str, events: list[dict], sender: ClipSender, receiver: Receiver) -> Result:
    """What came of a stream once it had settled."""
    counted = [e for e in events if e["event"] == "status" and e["seconds"] >= SETTLING]
    first, last = counted[0], counted[-1]

    def median(name: str) -> float:
        return statistics.median(event[name] for event in counted)

    def lost(event: dict) -> int:
        return event["dropped"] + sum(event["sink_drops"].values())

    arrived = [
        (number, when)
        for number, when in zip(receiver.numbers, receiver.times, strict=False)
        if when >= receiver.times[0] + SETTLING
    ]
    readable = [number for number, _ in arrived if number is not None]
    took = sorted(when - sender.sent[number] for number, when in arrived if number is not None)
    return Result(
        size,
        working=f"{median('width'):.0f}x{median('height'):.0f}",
        received=median("capture_fps"),
        drawn=median("output_fps"),
        program=(median("latency_median"), median("latency_p95")),
        whole_way=(statistics.median(took), took[int(0.95 * (len(took) - 1))], took[-1]),
        dropped=(lost(last) - lost(first)) / max(last["captured"] - first["captured"], 1),
        unread=1 - len(readable) / len(arrived),
        ordered=all(0 < (b - a) % NUMBERS < NUMBERS // 2 for a, b in pairwise(readable)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="640x360,960x540,1280x720")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("more", nargs="*", help="options of vidstyle stream, after --")
    options = parser.parse_args()
    more = " ".join(options.more) or "none"
    print(heading(fps=options.fps, seconds=options.seconds, options=more))
    print(HEADER)
    for size in options.sizes.split(","):
        width, height = map(int, size.split("x"))
        print(measure(width, height, options.seconds, options.fps, options.more), flush=True)


if __name__ == "__main__":
    main()
