"""The live loop: newest pictures, bounded latency, commands, ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import Sound, number_of, write_clip
from streams import Sender, decoded, free_port
from toys import identity

import vidstyle
from vidstyle.errors import InputError, OptionError, OutputError
from vidstyle.live.audio import AudioPacket
from vidstyle.live.controls import ChangeStrength, ChooseStyle, LiveControls, Quit, StepStyle
from vidstyle.live.session import Throttle, rate_limit, stream
from vidstyle.live.sinks import SinkFormat
from vidstyle.live.size import SMALLEST
from vidstyle.live.source import LiveFrame
from vidstyle.live.status import StreamNotice, StreamStatus, StreamSummary
from vidstyle.options import SourceOptions, StreamOptions
from vidstyle.stylizers import FastOptions
from vidstyle.temporal.motion import TemporalOptions

SMALL = SourceOptions(size=(96, 64), open_timeout=15)
FP32 = FastOptions(precision="fp32")


@dataclass
class Collector:
    """A sink that remembers, and can be slow or break."""

    name: str = "collector"
    takes_audio: bool = True
    can_reconnect: bool = False
    may_block: bool = False
    delay: float = 0.0
    breaks_after: int | None = None
    mistake: type[Exception] = OutputError
    fails_to_close: bool = False
    format: SinkFormat | None = None
    frames: list[LiveFrame] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    packets: list[AudioPacket] = field(default_factory=list)
    closed: int = 0

    def open(self, format: SinkFormat) -> None:
        self.format = format

    def write(self, frame: LiveFrame) -> None:
        time.sleep(self.delay)
        if self.breaks_after is not None and len(self.frames) >= self.breaks_after:
            raise self.mistake(f"{self.name}: is gone")
        self.frames.append(frame)
        self.delays.append(time.monotonic() - frame.captured)

    def write_audio(self, packet: AudioPacket) -> None:
        self.packets.append(packet)

    def close(self) -> None:
        self.closed += 1
        if self.fails_to_close and self.closed == 1:
            raise OutputError(f"{self.name}: no space left on device")

    def cancel(self) -> None:
        pass


class Keyboard(Collector):
    """A sink in which somebody presses keys, one after so many pictures each."""

    def __init__(self, *presses: tuple[int, str]) -> None:
        super().__init__("keyboard")
        self.presses = list(presses)
        self.threads: set[str] = set()

    def keys(self) -> list[str]:
        self.threads.add(threading.current_thread().name)
        due = [key for count, key in self.presses if count <= len(self.frames)]
        self.presses = [p for p in self.presses if p[0] > len(self.frames)]
        return due


def run(source: str, *sinks: Any, style: Any = "photo", **options: Any) -> StreamSummary:
    """A stream of small pictures that are passed through as they are."""
    options.setdefault("capture", SMALL)
    options.setdefault("fast", FP32)
    return stream(source, sinks, style, **options)


def test_the_public_names() -> None:
    assert vidstyle.stream is stream and vidstyle.StreamOptions is StreamOptions


# -- pictures ---------------------------------------------------------------------------------


def test_a_file_goes_through_in_order_and_ends(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", ticks=tuple(range(20)))
    sink = Collector()
    summary = run(str(clip), sink)
    numbers = [number_of(frame.image) for frame in sink.frames]
    assert numbers == sorted(set(numbers)) and numbers[-1] == 19
    assert [frame.number for frame in sink.frames] == numbers
    assert summary.reason == f"{clip}: ended"
    assert summary.captured == 20 == summary.shown + summary.dropped
    assert summary.shown == len(numbers) + summary.sink_drops["collector"]
    assert sink.format == SinkFormat(64, 48, 24.0, None) and sink.closed == 1
    times = [frame.time for frame in sink.frames]
    assert times == pytest.approx([n / 24 for n in numbers], abs=1e-3)


def test_pictures_are_drawn_in_the_style(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", ticks=tuple(range(8)), size=(96, 64))
    plain, painted = Collector(), Collector()
    options = StreamOptions(working_side=96)
    run(str(clip), plain, options=options)
    run(str(clip), painted, style="wave", options=options, temporal=TemporalOptions(0))
    expected = vidstyle.FastStylizer("wave", FP32)(plain.frames[-1].image)
    assert painted.frames[-1].number == plain.frames[-1].number
    assert np.array_equal(painted.frames[-1].image, expected)


@pytest.mark.slow
def test_late_pictures_are_dropped_counted_and_never_queued() -> None:
    """Some seconds of work for each second of pictures."""
    sink = Collector()
    summary = run(
        "test",
        sink,
        style="scream",
        capture=SourceOptions(size=(640, 480), rate=60),
        options=StreamOptions(fps=60, working_side=640, duration=1.5),
    )
    assert summary.dropped > summary.shown
    assert abs(summary.captured - summary.shown - summary.dropped) <= 2
    numbers = [frame.number for frame in sink.frames]
    assert numbers == sorted(set(numbers))
    # Not a queue's: that would grow by the share that is dropped, to seconds.
    drawing = np.median(np.diff([frame.captured for frame in sink.frames]))
    assert np.median(sink.delays[-5:]) < 3 * drawing + 0.5
    assert summary.latency_p95 == pytest.approx(np.quantile(sink.delays, 0.95), rel=0.3, abs=0.05)


@pytest.mark.slow
def test_the_working_size_follows_the_budget() -> None:
    seen: list[StreamStatus] = []

    def listen(event: object) -> None:
        if isinstance(event, StreamStatus):
            seen.append(event)

    run(
        "test",
        Collector(),
        style="scream",
        capture=SourceOptions(size=(1280, 960)),
        options=StreamOptions(duration=1.5, status=0.2),
        listener=listen,
    )
    assert SMALLEST <= seen[-1].width < 1280
    assert seen[-1].height == round(seen[-1].width * 0.75)


@pytest.mark.slow
def test_a_slow_sink_holds_up_neither_the_stream_nor_the_others() -> None:
    slow, quick = Collector("slow", delay=0.5), Collector("quick")
    summary = run("test", slow, quick, options=StreamOptions(duration=1.5))
    assert len(slow.frames) < 6 < len(quick.frames)
    assert summary.sink_drops["slow"] > 10
    assert max(slow.delays[1:-1]) < 3


def test_fps_leaves_pictures_out_evenly() -> None:
    throttle = Throttle(15)
    assert [n for n in range(30) if throttle.wants(n / 30)] == list(range(0, 30, 2))
    throttle = Throttle(24)
    chosen = [n / 60 for n in range(600) if throttle.wants(n / 60)]
    assert len(chosen) == pytest.approx(240, abs=12)
    assert max(np.diff(chosen)) < 3.5 / 60
    throttle = Throttle(30)
    rng = np.random.default_rng(0)
    jittery = np.arange(300) / 30 + rng.uniform(-0.004, 0.004, 300)
    assert sum(throttle.wants(float(time)) for time in jittery) >= 297
    throttle = Throttle(10)
    assert throttle.wants(0) and throttle.wants(5) and not throttle.wants(5.02)


def test_rate_limit() -> None:
    assert rate_limit(StreamOptions(), None) == 30 and rate_limit(StreamOptions(), 12.5) == 12.5
    assert (
        rate_limit(StreamOptions(fps=10), 25) == 10 and rate_limit(StreamOptions(fps=60), 50) == 50
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"fps": 0},
        {"latency": -1},
        {"duration": 0},
        {"working_side": 4},
        {"morph": -1},
        {"status": 0},
    ],
)
def test_options_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong)).replace("_", " ")):
        StreamOptions(**wrong)


# -- commands and events ----------------------------------------------------------------------


def test_keys_and_their_commands() -> None:
    controls = LiveControls()
    for key in ("n", "LEFT", "3", "]", "-", "q"):
        assert controls.press(key)
    assert not controls.press("F7")
    controls.set_style("wave")
    assert controls.pending() == [
        *(
            StepStyle(1),
            StepStyle(-1),
            ChooseStyle(3),
            StepStyle(0.1),
            ChangeStrength(-0.1),
            Quit(),
        ),
        ChooseStyle("wave"),
    ]
    assert controls.pending() == []


def test_keys_change_the_stream_and_end_it() -> None:
    seen: list[StreamStatus] = []

    def listen(event: object) -> None:
        if isinstance(event, StreamStatus):
            seen.append(event)

    keyboard = Keyboard((5, "n"), (15, "-"), (15, "t"), (30, "q"))
    summary = run(
        "test",
        keyboard,
        style="scream",
        options=StreamOptions(status=0.01, styles=("scream", "wave"), morph=0.2),
        listener=listen,
    )
    assert summary.reason == "stopped"
    assert {status.style for status in seen} == {"scream", "wave"}
    assert (seen[0].strength, seen[-1].strength) == (1.0, 0.9)
    assert (seen[0].temporal, seen[-1].temporal) == (0.6, 0.0)
    assert keyboard.threads == {threading.current_thread().name}
    assert seen == sorted(seen, key=lambda status: status.seconds)
    assert seen[-1].capture_fps > 0 and seen[-1].output_fps > 0
    assert 0 < seen[-1].latency_median <= seen[-1].latency_p95


def test_a_style_that_is_not_there_is_a_notice() -> None:
    controls, events = LiveControls(), []
    controls.set_style("wavy")
    summary = run(
        "test",
        Collector(),
        controls=controls,
        listener=events.append,
        options=StreamOptions(duration=0.5),
    )
    notices = [event.message for event in events if isinstance(event, StreamNotice)]
    assert len(notices) == 1 and "unknown style 'wavy'" in notices[0]
    assert summary.notices == tuple(notices)


def test_other_threads_can_end_it() -> None:
    controls = LiveControls()
    threading.Timer(0.5, controls.quit).start()
    assert run("test", Collector(), controls=controls).reason == "stopped"


def test_an_identity_passes_pictures_unchanged() -> None:
    sink = Collector()
    run("test", sink, style=identity(), options=StreamOptions(duration=0.5))
    first = sink.frames[0]
    with vidstyle.open_live("test", SMALL) as live:
        original = next(frame for frame in live if frame.number == first.number)
    assert np.array_equal(first.image, original.image)


# -- ends -------------------------------------------------------------------------------------


def test_a_source_that_is_not_there_is_an_error_before_anything_is_opened() -> None:
    sink = Collector()
    with pytest.raises(InputError, match="no such camera"):
        run("63", sink)
    assert sink.format is None
    with pytest.raises(OptionError, match="at least one sink"):
        run("test")


def test_the_failure_of_the_only_sink_is_the_streams() -> None:
    sink = Collector(breaks_after=3)
    with pytest.raises(OutputError, match="collector: is gone"):
        run("test", sink)
    assert sink.closed and threads() == []


def test_with_other_sinks_the_stream_goes_on() -> None:
    broken, whole = Collector("broken", breaks_after=3), Collector("whole")
    summary = run("test", broken, whole, options=StreamOptions(duration=0.7))
    assert summary.notices == ("broken: is gone; the stream goes on without it",)
    assert len(whole.frames) > 5 and len(broken.frames) == 3
    assert summary.sink_drops["broken"] > 0


def test_a_mistake_in_a_sink_is_raised_once_and_the_others_are_closed() -> None:
    broken = Collector("broken", breaks_after=3, mistake=ZeroDivisionError)
    whole = Collector("whole")
    with pytest.raises(ZeroDivisionError):
        run("test", broken, whole)
    assert whole.closed and threads() == []


def test_a_sink_that_cannot_be_completed_is_an_error() -> None:
    full, whole = Collector("full", fails_to_close=True), Collector("whole")
    with pytest.raises(OutputError, match="no space left"):
        run("test", full, whole, options=StreamOptions(duration=0.5))
    assert whole.closed


def test_a_sink_that_does_not_open_closes_those_before() -> None:
    class Closed(Collector):
        def open(self, format: SinkFormat) -> None:
            raise OutputError("closed: cannot be opened")

    first = Collector()
    with pytest.raises(OutputError, match="cannot be opened"):
        run("test", first, Closed())
    assert first.closed and threads() == []


def test_no_thread_outlives_the_stream() -> None:
    run("test", Collector(), options=StreamOptions(duration=0.3))
    assert threads() == []


def threads() -> list[str]:
    """Those that a stream may have left."""
    others = ("sink", "capture", "live-motion")
    return [t.name for t in threading.enumerate() if t.name.startswith(others)]


INTERRUPTED = """
import signal, sys
sys.path[:0] = sys.argv[1:3]
import vidstyle
from test_session import Collector, SMALL
sink = Collector()
def listen(event):
    print("status", flush=True)
before = signal.getsignal(signal.SIGINT)
options = vidstyle.StreamOptions(status=0.1)
summary = vidstyle.stream(
    "test", [sink, sys.argv[3]], "photo", options=options, capture=SMALL, listener=listen
)
assert signal.getsignal(signal.SIGINT) is before
print("ended", summary.reason, sink.closed)
"""


@pytest.mark.slow
def test_interrupting_is_the_usual_end(tmp_path: Path) -> None:
    here = Path(__file__).parent
    recording = tmp_path / "recording.mkv"
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(here), str(here.parent), str(recording)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(4):
        assert process.stdout.readline() == "status\n"
    os.kill(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[0].splitlines()[-1] == "ended stopped 1"
    assert process.returncode == 0
    with av.open(str(recording)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 5


# -- sound and network ------------------------------------------------------------------------


@pytest.mark.slow
def test_sound_stays_in_step(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", sounds=[Sound(seconds=1)], ticks=tuple(range(24)))
    sink, deaf = Collector(), Collector("deaf", takes_audio=False)
    capture = SourceOptions(audio=True)
    run(str(clip), sink, deaf, str(tmp_path / "out.mkv"), capture=capture)
    times = [float(packet.pts * packet.time_base) for packet in sink.packets]
    assert times[0] < 0.1 and times[-1] > 0.8 and np.diff(times).min() > 0
    assert deaf.packets == []
    with av.open(str(tmp_path / "out.mkv")) as container:
        sound = [float(p.pts * p.time_base) for p in container.demux(audio=0) if p.size]
    assert sound[-1] == pytest.approx(times[-1], abs=0.1)


@pytest.mark.slow
def test_a_stream_outlives_its_sender() -> None:
    url = f"udp://127.0.0.1:{free_port()}"
    capture = SourceOptions(open_timeout=15, read_timeout=0.6, reconnect=20)
    sink, events, controls = Collector(), [], LiveControls()
    first, second = Sender(url), Sender(url, first=1000)

    def listen(event: object) -> None:
        events.append(event)
        numbers = [decoded(frame.image) for frame in sink.frames[-1:]]
        if first.is_alive() and len(sink.frames) > 10:
            first.stop()
            threading.Timer(1.2, second.start).start()
        if numbers and (numbers[0] or 0) >= 1000:
            controls.quit()

    first.start()
    summary = run(
        url,
        sink,
        capture=capture,
        options=StreamOptions(status=0.1, duration=60),
        controls=controls,
        listener=listen,
    )
    second.stop()
    assert summary.reason == "stopped"
    assert [n.split(": ")[1] for n in summary.notices] == [
        "silent for 0.6 s; trying again for 20 s",
        "is back",
    ]
    assert np.diff([frame.time for frame in sink.frames]).min() > 0


@pytest.mark.slow
def test_a_sender_that_stays_away_ends_the_stream() -> None:
    url = f"udp://127.0.0.1:{free_port()}"
    capture = SourceOptions(open_timeout=15, read_timeout=0.5, reconnect=0.5)
    sink = Collector()
    with Sender(url) as sender:
        threading.Timer(2.5, sender.stop).start()
        summary = run(url, sink, capture=capture)
    assert summary.reason.endswith("silent for 0.5 s, and did not come back within 0.5 s")
    assert sink.closed == 1 and len(sink.frames) > 0


# -- endurance --------------------------------------------------------------------------------


SOAK = """
import resource, sys
sys.path[:0] = sys.argv[1:3]
import vidstyle
from test_session import Collector
class Null(Collector):
    def write(self, frame):
        self.count = getattr(self, "count", 0) + 1
sizes = []
def listen(event):
    pages = int(open("/proc/self/statm").read().split()[1])
    sizes.append(pages * resource.getpagesize() >> 20)
controls = vidstyle.LiveControls()
summary = vidstyle.stream(
    "test", [Null()], "scream",
    capture=vidstyle.SourceOptions(size=(640, 360)),
    options=vidstyle.StreamOptions(duration=60, status=1), controls=controls, listener=listen,
)
half = len(sizes) // 3
print(max(sizes[:half]), max(sizes[half:]), summary.shown, summary.latency_p95)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_a_minute_takes_no_more_memory_than_its_beginning() -> None:
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", SOAK, str(here), str(here.parent)],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    early, late, shown, latency = done.stdout.split()
    assert int(late) < int(early) + 40  # MiB
    assert int(shown) > 60 and float(latency) < 5
