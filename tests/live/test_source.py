"""Live sources, with real streams over the loopback interface and real files."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from clips import Sound, corners, number_of, write_audio, write_clip
from streams import Sender, coded, decoded, free_port

from vidstyle.errors import InputError, OptionError
from vidstyle.live.address import Kind, resolve
from vidstyle.live.audio import AudioPacket
from vidstyle.live.source import LiveFrame, LiveSource, open_live
from vidstyle.options import SourceOptions

QUICK = SourceOptions(open_timeout=15, read_timeout=0.6, reconnect=15)


@pytest.fixture
def url() -> str:
    return f"udp://127.0.0.1:{free_port()}"


# -- addresses --------------------------------------------------------------------------------


def test_what_names_mean(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    kinds = {
        "test": Kind.TEST,
        "-": Kind.PIPE,
        str(clip): Kind.FILE,
        "rtsp://10.0.0.7/stream": Kind.NETWORK,
        "HTTP://example.org/live.ts": Kind.NETWORK,
    }
    for name, kind in kinds.items():
        assert resolve(name).kind is kind
    assert resolve("rtsp://10.0.0.7/stream").options["rtsp_flags"] == "prefer_tcp"
    assert resolve("udp://127.0.0.1:5000").options["fflags"] == "nobuffer"


@pytest.mark.parametrize(
    ("platform", "source", "expected"),
    [
        ("linux", "0", ("/dev/video0", "v4l2", {"video_size": "640x480", "framerate": "30"})),
        ("linux", "/dev/video2", ("/dev/video2", "v4l2", {"video_size": "640x480"})),
        ("darwin", "0", ("0:none", "avfoundation", {"framerate": "30"})),
        ("darwin", "camera:FaceTime HD", ("FaceTime HD:none", "avfoundation", {})),
        ("win32", "camera:USB Camera", ("video=USB Camera", "dshow", {"framerate": "30"})),
    ],
)
def test_cameras_of_each_platform(
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    source: str,
    expected: tuple[str, str, dict[str, str]],
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    address = resolve(source, (640, 480), 30)
    url, name, options = expected
    assert (address.kind, address.url, address.format) == (Kind.CAMERA, url, name)
    assert options.items() <= address.options.items()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("63", "63: no such camera"),
        ("camera:/dev/video63", "no such camera"),
        ("nothing.mp4", "nothing.mp4: no such file; give a camera by its number"),
        ("quic://127.0.0.1:9", "cannot be opened .protocol not found"),
        (".", ".: neither a video file nor a camera"),
    ],
)
def test_what_is_not_there_is_one_clear_error(source: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_live(source)
    assert "\n" not in str(caught.value)


def test_nobody_sends(url: str) -> None:
    with pytest.raises(InputError, match=f"{url}: nothing arrived within 0.5 s"):
        open_live(url, SourceOptions(open_timeout=0.5))
    with pytest.raises(InputError, match="connection refused"):
        open_live(url.replace("udp", "tcp"))


def test_sound_alone_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds only sound"):
        open_live(str(write_audio(tmp_path / "a.m4a", Sound())))


@pytest.mark.parametrize(
    "changes",
    [
        {"open_timeout": 0},
        {"read_timeout": float("inf")},
        {"reconnect": -1},
        {"max_side": 1},
        {"rate": 0},
        {"size": (0, 9)},
    ],
)
def test_options_that_make_no_sense(changes: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(changes)).replace("_", " ")):
        replace(SourceOptions(), **changes)


# -- test pattern and files -------------------------------------------------------------------


def test_the_test_pattern_runs_in_real_time() -> None:
    with open_live("test", SourceOptions(size=(160, 120), rate=20)) as live:
        assert (live.width, live.height, live.rate) == (160, 120, 20)
        frames = list(islice(live, 11))
    assert [frame.number for frame in frames] == list(range(11))
    assert np.diff([frame.time for frame in frames]) == pytest.approx(0.05, abs=1e-3)
    assert frames[-1].captured - frames[0].captured > 0.4
    assert frames[0].image.shape == (120, 160, 3) and frames[0].image.dtype == np.uint8
    assert not np.array_equal(frames[0].image, frames[-1].image)


def test_a_file_is_played_in_real_time_and_ends(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", ticks=tuple(range(13)))
    with open_live(str(clip)) as live:
        frames = list(live)
        assert live.reason == f"{clip}: ended"
    assert [number_of(frame.image) for frame in frames] == list(range(13))
    assert [frame.time for frame in frames] == pytest.approx([n / 24 for n in range(13)], abs=1e-4)
    elapsed = frames[-1].captured - frames[0].captured
    assert 0.45 < elapsed < 3
    assert all(now.captured >= before.captured for before, now in pairwise(frames))


def test_a_looped_file_goes_on_without_a_gap(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", ticks=tuple(range(6)))
    with open_live(str(clip), SourceOptions(loop=True)) as live:
        frames = list(islice(live, 15))
    assert [number_of(frame.image) for frame in frames] == [n % 6 for n in range(15)]
    steps = np.diff([frame.time for frame in frames])
    assert steps.min() > 0 and np.median(steps) == pytest.approx(1 / 24, abs=2e-3)


@pytest.mark.parametrize("hours", [0, 5])
def test_a_file_whose_clock_breaks_goes_on(tmp_path: Path, hours: int) -> None:
    parts = []
    for start in (0, hours * 3600):
        options = {"output_ts_offset": str(start)} if start else {}
        parts.append(write_clip(tmp_path / "part.ts", container_options=options).read_bytes())
    source = tmp_path / "a.ts"
    source.write_bytes(b"".join(parts))
    with open_live(str(source)) as live:
        times = [frame.time for frame in live]
    assert len(times) == 48
    assert max(after - before for before, after in pairwise(times)) < 0.1


def test_pictures_come_upright_and_no_larger_than_asked(tmp_path: Path) -> None:
    clip = write_clip(
        tmp_path / "clip.mp4", image=lambda n, w, h: corners(w, h), rotation=90, size=(96, 64)
    )
    with open_live(str(clip), SourceOptions(max_side=48)) as live:
        image = next(iter(live)).image
        assert (live.width, live.height) == (32, 48) == image.shape[1::-1]
    # Turned counter-clockwise, what was at the top right is at the top left.
    assert image[4, 4].argmax() == 1 and image[-5, 4].argmax() == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files on Windows")
def test_a_fifo_is_read_as_it_comes(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.ts", ticks=tuple(range(10)))
    fifo = tmp_path / "fifo.ts"
    os.mkfifo(fifo)
    threading.Thread(target=lambda: fifo.write_bytes(clip.read_bytes()), daemon=True).start()
    with open_live(str(fifo)) as live:
        numbers = [number_of(frame.image) for frame in live]
        assert live.reason == f"{fifo}: ended"
    assert numbers == list(range(10))


def test_stopping_from_another_thread() -> None:
    with open_live("test", SourceOptions(size=(64, 64))) as live:
        threading.Timer(0.2, live.stop).start()
        assert len(list(live)) < 100
        assert live.reason == "stopped"


# -- network ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_udp_arrives_whole_and_in_order(url: str) -> None:
    with Sender(url) as sender, open_live(url, QUICK) as live:
        assert (live.width, live.height) == (128, 96)
        frames = list(islice(live, 25))
    numbers = [decoded(frame.image) for frame in frames]
    assert None not in numbers
    assert np.diff(numbers).min() >= 1 and len(set(np.diff(numbers[5:]))) <= 2
    assert np.diff([frame.time for frame in frames]).min() > 0
    late = [frame.captured - sender.sent[n] for n, frame in zip(numbers, frames, strict=True)]
    assert 0 <= np.median(late) < 2


@pytest.mark.slow
def test_a_sender_that_is_started_anew_at_once_goes_unnoticed(url: str) -> None:
    said: list[str] = []
    with Sender(url) as first, open_live(url, replace(QUICK, read_timeout=10), said.append) as live:
        frames = iter(live)
        before = [next(frames) for _ in range(20)]
        first.stop()
        with Sender(url, first=1000):
            after = [next(f for f in frames if (decoded(f.image) or 0) >= 1000)]
            after += islice(frames, 10)
    assert said == []
    times = [frame.time for frame in before + after]
    assert np.diff(times).min() > 0 and times[-1] - times[0] < 15
    assert [f.number for f in before] == list(range(20))


@pytest.mark.slow
def test_a_sender_that_vanishes_is_waited_for(url: str) -> None:
    said: list[str] = []
    with Sender(url) as first, open_live(url, QUICK, said.append) as live:
        frames = iter(live)
        before = list(islice(frames, 10))
        first.stop()
        returning = Sender(url, first=1000)
        threading.Timer(1.0, returning.start).start()
        after = [next(f for f in frames if (decoded(f.image) or 0) >= 1000), *islice(frames, 10)]
        returning.stop()
    assert said == [f"{url}: silent for 0.6 s; trying again for 15 s", f"{url}: is back"]
    # The stream's clock went on meanwhile.
    gap = after[0].time - before[-1].time
    assert 0.5 < gap < 15
    assert after[0].captured - before[-1].captured == pytest.approx(gap, abs=1)
    assert after[0].image.shape == before[0].image.shape


@pytest.mark.slow
def test_a_sender_that_comes_back_otherwise_is_letterboxed(url: str) -> None:
    with Sender(url) as first, open_live(url, QUICK) as live:
        frames = iter(live)
        list(islice(frames, 5))
        first.stop()
        with Sender(url, first=1000, size=(160, 64)):
            image = None
            while image is None or image[:10].max() > 40:  # black bars above and below
                image = next(frames).image
                assert image.shape == (96, 128, 3)
    assert image[48].max() > 100


@pytest.mark.slow
def test_a_sender_that_stays_away_ends_the_stream_with_one_line(url: str) -> None:
    options = replace(QUICK, reconnect=0.5)
    with Sender(url) as sender, open_live(url, options) as live:
        frames = iter(live)
        list(islice(frames, 5))
        sender.stop()
        began = time.monotonic()
        list(frames)
        assert time.monotonic() - began < 15
        assert live.reason == f"{url}: silent for 0.6 s, and did not come back within 0.5 s"


@pytest.mark.slow
def test_without_patience_it_ends_at_once(url: str) -> None:
    said: list[str] = []
    options = replace(QUICK, reconnect=0)
    with Sender(url) as sender, open_live(url, options, said.append) as live:
        frames = iter(live)
        list(islice(frames, 5))
        sender.stop()
        list(frames)
        assert live.reason == f"{url}: silent for 0.6 s"
    assert said == []


@pytest.mark.slow
def test_tcp_is_listened_to_and_waited_for() -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    first, second = Sender(url), Sender(url, first=1000)
    threading.Timer(0.5, first.start).start()
    with open_live(f"{url}?listen=1", QUICK) as live:
        frames = iter(live)
        assert decoded(next(frames).image) is not None
        first.stop()
        threading.Timer(0.7, second.start).start()
        assert any((decoded(frame.image) or 0) >= 1000 for frame in islice(frames, 200))
        second.stop()


# -- http -------------------------------------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The URL under which ``tmp_path`` is to be had."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_of_the_network_is_played_in_real_time_and_ends(tmp_path: Path, served: str) -> None:
    write_clip(tmp_path / "clip.mp4", ticks=tuple(range(13)))
    with open_live(f"{served}/clip.mp4", QUICK) as live:
        frames = list(live)
        assert live.reason == f"{served}/clip.mp4: ended"
    assert [number_of(frame.image) for frame in frames] == list(range(13))
    assert frames[-1].captured - frames[0].captured > 0.45
    with pytest.raises(InputError, match="not found"):
        open_live(f"{served}/nothing.mp4", QUICK)


@pytest.mark.slow
def test_segments_are_played_evenly_until_their_end(tmp_path: Path, served: str) -> None:
    ended = threading.Event()
    options = {"hls_time": "1", "hls_list_size": "3", "hls_flags": "delete_segments"}

    def send() -> None:
        with av.open(str(tmp_path / "live.m3u8"), "w", "hls", container_options=options) as output:
            stream = output.add_stream("libx264", 30, options={"g": "15", "tune": "zerolatency"})
            stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
            began, number = time.monotonic(), 0
            while not ended.wait(max(0, began + number / 30 - time.monotonic())):
                output.mux(stream.encode(av.VideoFrame.from_ndarray(coded(number))))
                number += 1

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    while not (tmp_path / "live1.ts").exists():
        time.sleep(0.05)
    with open_live(f"{served}/live.m3u8", QUICK) as live:
        frames = list(islice(live, 60))
        ended.set()
        thread.join()
        list(live)
        assert live.reason == f"{served}/live.m3u8: ended"
    assert np.diff([decoded(frame.image) or 0 for frame in frames]).tolist() == [1] * 59
    steps = np.diff([frame.captured for frame in frames])
    assert np.median(steps) == pytest.approx(1 / 30, abs=0.015)  # not a second's all at once


# -- sound ------------------------------------------------------------------------------------


def items_of(live: LiveSource, until: Callable[[LiveFrame], bool]) -> list[LiveFrame | AudioPacket]:
    items = []
    for item in live.items():
        items.append(item)
        if isinstance(item, LiveFrame) and until(item):
            return items
    return items


def test_sound_travels_on_the_clock_of_the_pictures(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", sounds=[Sound()])
    with open_live(str(clip), SourceOptions(audio=True)) as live:
        assert live.audio is not None and live.audio.rate == 48_000
        items = items_of(live, lambda frame: False)
        output = tmp_path / "sound.mkv"
        packets = [item for item in items if isinstance(item, AudioPacket)]
        with av.open(str(output), "w") as container:
            stream = live.audio.add_to(container)
            for packet in packets:
                container.mux(packet.packet(stream))
    times = [float(packet.pts * packet.time_base) for packet in packets]
    assert min(times) >= 0 and np.diff(times).min() > 0 and max(times) > 0.8
    with av.open(str(output)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert samples == pytest.approx(48_000, abs=6000)


def test_sound_is_not_delivered_unless_asked_for(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", sounds=[Sound()], ticks=tuple(range(5)))
    with open_live(str(clip)) as live:
        assert live.audio is None
        assert all(isinstance(item, LiveFrame) for item in live.items())


@pytest.mark.slow
def test_sound_of_a_looped_file_never_goes_back(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", sounds=[Sound(seconds=0.5)], ticks=tuple(range(12)))
    with open_live(str(clip), SourceOptions(audio=True, loop=True)) as live:
        items = items_of(live, lambda frame: frame.number == 30)
    times = [float(i.dts * i.time_base) for i in items if isinstance(i, AudioPacket)]
    assert np.diff(times).min() > 0 and times[-1] > 0.9


@pytest.mark.slow
def test_sound_of_the_network(url: str) -> None:
    with Sender(url, tone=True), open_live(url, replace(QUICK, audio=True)) as live:
        assert live.audio is not None and live.audio.codec == "aac"
        items = items_of(live, lambda frame: frame.time > 1.5)
    times = [float(i.pts * i.time_base) for i in items if isinstance(i, AudioPacket)]
    assert len(times) > 40 and abs(times[-1] - 1.5) < 0.5
