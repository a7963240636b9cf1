"""Passes packets on from stdin to a URL; the program of a process of its own.

FFmpeg's network calls can block forever, and PyAV holds Python's global lock while it opens and
closes an output. In a process of its own that blocks nobody else, and can be killed.

    python -P sender.py URL CONTAINER MUXER_OPTIONS < packets.nut

MUXER_OPTIONS is a JSON object. On failure the reason is printed on stderr, in one line, and the
exit status is 1. Needs PyAV alone, so that it starts quickly.
"""

from __future__ import annotations

import json
import sys

import av
from av.error import FFmpegError

NEVER_WAIT = {"flush_packets": "1", "max_interleave_delta": "1"}
"""Without these, a stream that pauses would delay the other by ten seconds."""
_READ_AT_ONCE = {"probesize": "32", "analyzeduration": "0"}


def main() -> None:
    url, container, options = sys.argv[1:]
    try:
        send(url, container, json.loads(options))
    except (FFmpegError, OSError, ValueError) as error:
        print(str(getattr(error, "strerror", None) or error).lower(), file=sys.stderr)
        sys.exit(1)


def send(url: str, container: str, options: dict[str, str]) -> None:
    """Pass on what comes on stdin, until it ends."""
    with (
        open(0, "rb", buffering=0) as pipe,  # a buffered reader waits until its buffer is full
        av.open(pipe, "r", format="nut", options=_READ_AT_ONCE, buffer_size=1 << 20) as source,
        av.open(url, "w", format=container, container_options=NEVER_WAIT | options) as output,
    ):
        copies = {s.index: output.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if not packet.size:
                continue
            if packet.dts is None:
                packet.dts = packet.pts  # NUT does not tell it of the first packet
            packet.stream = copies[packet.stream.index]
            output.mux(packet)


if __name__ == "__main__":
    main()
