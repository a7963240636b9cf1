"""How fast the network is on a GPU, against what the card's memory and arithmetic allow.

    python benchmarks/gpu.py [--sizes 1920x1080,3840x2160] [--batches 1,2,4,8,16] [--rounds 5]
        [--no-compile] [--json FILE] [--device cuda]

Needs torch, OpenCV, safetensors, lazy-loader and the package (`pip install --no-deps .`), and no
PyAV; with it, runs from file to file are measured, too. Without CUDA it ends with exit code 2;
`--device cpu --sizes 160x96` runs everything but CUDA graphs, to try this program.

card        measured: bytes a second of a copy inside of the device (read and written), FLOP/s of a
            product of matrices in each precision, bytes a second of copies to and from the device
network     the bare network, from floats in [0, 1] on the device to the same, in number formats and
            ways to run it. The *floor* of a picture is the sum over the convolutions of the longer
            of two times: to read its input once and write its output once, and to multiply; as if
            all that is between them, normalization too, cost nothing. PSNR is against fp32
product     FastStylizer as it is, from uint8 arrays to uint8 arrays, by pictures at once; ``own
            size`` draws pictures of 4K at their own size and whole (--stroke-size 1 --tile 0)
transfers   the same work as the product's, in plain copies and waiting for each batch, and through
            pinned memory with streams for either way and three batches in flight
host        what the other stages of a run take on this machine's processor: flow and blend
files       from file to file, with PyAV alone: encoders and decoders of the card where they open
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from machine import PROGRAM, ROOT, cores, heading, make_clip, parse_size, parser, run_child, save
from machine import table as markdown
from torch import Tensor, nn

sys.path.insert(0, str(ROOT))

from vidstyle.models.transformer import TransformerNet
from vidstyle.styles.registry import BUNDLED, Style, load_style
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.temporal.consistency import TemporalMemory
from vidstyle.temporal.motion import (
    TemporalOptions,
    estimate_motion,
    thumbnail,
)

assert sys.modules.get("av") is None, "stylizers and temporal are to be had without PyAV"

STYLE = "scream"
IN_FLIGHT = 3
LEAST = 0.2
"""Seconds that are measured at once, at least."""
T = TypeVar("T")
Run = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Way:
    """A number format, and how the network is run."""

    name: str
    dtype: torch.dtype
    tf32: bool = False
    benchmark: bool = False
    """cuDNN tries its algorithms and takes the fastest."""
    compiled: bool = False
    graph: bool = False

    def batches(self, batches: list[int]) -> list[int]:
        """Those to measure: all of what the product does, one of what takes a minute to compile."""
        if self.compiled:
            return [batches[len(batches) // 2]]
        return batches if self.dtype == torch.float16 else batches[:1]


WAYS = (
    Way("fp32", torch.float32),
    Way("tf32", torch.float32, tf32=True),
    Way("bf16", torch.bfloat16),
    Way("fp16", torch.float16),
    Way("fp16, cudnn.benchmark", torch.float16, benchmark=True),
    Way("fp16, CUDA graph", torch.float16, benchmark=True, graph=True),
    Way("fp16, compiled", torch.float16, benchmark=True, compiled=True),
    Way("fp16, compiled, CUDA graph", torch.float16, benchmark=True, compiled=True, graph=True),
)


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        seconds: a picture.
        floor: seconds a picture, at least.
        psnr: in dB, against fp32.
    """

    part: str
    size: str
    what: str
    batch: int
    seconds: float | None
    floor: float | None = None
    psnr: float | None = None

    def cells(self) -> list[str]:
        if self.seconds is None:
            return [self.part, self.size, self.what, str(self.batch), *["no memory"] * 4]
        return [
            *(self.part, self.size, self.what, str(self.batch)),
            *(f"{1000 * self.seconds:.3f}", f"{1 / self.seconds:.1f}"),
            f"{self.floor / self.seconds:.0%}" if self.floor else "",
            f"{self.psnr:.1f}" if self.psnr else "",
        ]


class Bench:
    """Times work on one device."""

    def __init__(self, device: torch.device, rounds: int) -> None:
        self.device, self.rounds = device, rounds
        self.module = torch.get_device_module(device)

    def seconds(self, run: Callable[[], object]) -> float:
        """Median of the rounds, after three calls to warm up; the device's work included."""
        for _ in range(3):
            once = self._clock(run, 1)
        count = max(1, math.ceil(LEAST / self.rounds / max(once, 1e-6)))
        return statistics.median(self._clock(run, count) / count for _ in range(self.rounds))

    def _clock(self, run: Callable[[], object], count: int) -> float:
        self.module.synchronize()
        began = time.perf_counter()
        for _ in range(count):
            run()
        self.module.synchronize()
        return time.perf_counter() - began

    def attempt(self, measure: Callable[[], T]) -> T | None:
        """None where memory does not suffice."""
        try:
            return measure()
        except torch.OutOfMemoryError:
            return None
        finally:
            if self.device.type == "cuda":
                torch.cuda.empty_cache()


# -- the card -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Card:
    """What the device does in a second, as measured.

    Attributes:
        copy: bytes inside of it, read and written.
        flops: of matrices, by the names of ``Way``.
        up, down: bytes to the device and from it, by kinds of the host's memory.
    """

    copy: float
    flops: dict[str, float]
    up: dict[str, float]
    down: dict[str, float]

    def __str__(self) -> str:
        flops = ", ".join(f"{name} {rate / 1e12:.2f}" for name, rate in self.flops.items())
        ways = ", ".join(
            f"{kind} {self.up[kind] / 1e9:.1f} up, {self.down[kind] / 1e9:.1f} down"
            for kind in self.up
        )
        return f"copy {self.copy / 1e9:.1f} GB/s; TFLOP/s: {flops}; host's memory, GB/s: {ways}"


def measure_card(bench: Bench) -> Card:
    gpu = bench.device.type == "cuda"
    side, size = (8192, 2**30) if gpu else (512, 2**24)
    block, other = (torch.empty(size, dtype=torch.uint8, device=bench.device) for _ in range(2))
    copy = 2 * size / bench.seconds(lambda: other.copy_(block))
    flops = {}
    for way in WAYS[:4]:
        use(way)
        a = torch.randn(side, side, device=bench.device, dtype=way.dtype)
        flops[way.name] = 2 * side**3 / bench.seconds(partial(torch.mm, a, a))
    up, down, small = {}, {}, block[: size // 8]
    for kind in ("pageable", "pinned") if gpu else ("pageable",):
        host = torch.empty(size // 8, dtype=torch.uint8, pin_memory=kind == "pinned")
        up[kind] = size / 8 / bench.seconds(partial(small.copy_, host, non_blocking=True))
        down[kind] = size / 8 / bench.seconds(partial(host.copy_, small, non_blocking=True))
    return Card(copy, flops, up, down)


def use(way: Way) -> None:
    """Set what is global in torch."""
    torch.backends.cuda.matmul.allow_tf32 = way.tf32
    torch.backends.cudnn.allow_tf32 = way.tf32
    torch.backends.cudnn.benchmark = way.benchmark


# -- the bare network ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """Of one layer, for a picture: numbers read and written, multiplications and additions."""

    numbers: int
    flops: int


def layers(style: Style, photo: Tensor) -> list[Work]:
    """Of the convolutions, and of the addition at the end; ``photo``: 1×3×H×W on the CPU."""
    works: list[Work] = []

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        numbers = inputs[0].numel() + output.numel() + module.weight.numel()
        works.append(Work(numbers, 2 * output.numel() * module.weight[0].numel()))

    convolutions = [m for m in style.network.modules() if isinstance(m, nn.Conv2d)]
    hooks = [module.register_forward_hook(add) for module in convolutions]
    style.network(photo, style.vector[None])
    for hook in hooks:
        hook.remove()
    return [*works, Work(3 * photo.numel(), 2 * photo.numel())]


def floor(works: list[Work], dtype: torch.dtype, copy: float, flops: float) -> float:
    """Seconds for a picture, at least; see above."""
    return sum(max(w.numbers * dtype.itemsize / copy, w.flops / flops) for w in works)


def runner(way: Way, style: Style, example: Tensor) -> Run:
    """The network, ready for pictures like the example."""
    use(way)
    network: TransformerNet = deepcopy(style.network)
    network = network.to(example.device, way.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    vector = style.vector[None].to(example.device, way.dtype)
    call = torch.compile(network, dynamic=False) if way.compiled else network

    def run(image: Tensor) -> Tensor:
        return call(image, vector)

    return graphed(run, example.to(way.dtype)) if way.graph else run


def graphed(run: Run, example: Tensor) -> Run:
    """Recorded once, and played again for each picture like the example."""
    still = example.clone(memory_format=torch.preserve_format)
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            run(still)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = run(still)

    def play(image: Tensor) -> Tensor:
        still.copy_(image)
        graph.replay()
        return result

    return play


def psnr(result: Tensor, reference: Tensor) -> float:
    """In dB, of pictures as they are shown: clamped to [0, 1]."""
    difference = result.float().clamp(0, 1) - reference.float().clamp(0, 1)
    return -10 * math.log10(max(float(difference.square().mean()), 1e-12))


def network_rows(
    bench: Bench, card: Card, style: Style, size: str, batches: list[int], ways: list[Way]
) -> Iterator[Row]:
    photos = torch.from_numpy(pictures(size, max(batches))).permute(0, 3, 1, 2)
    works = layers(style, photos[:1].float() / 255)
    images = (photos.to(bench.device).float() / 255).contiguous(memory_format=torch.channels_last)
    reference = runner(WAYS[0], style, images[:1])(images[:1])

    def measure(way: Way, image: Tensor) -> tuple[float, float]:
        run = runner(way, style, image)
        return bench.seconds(partial(run, image)) / len(image), psnr(run(image)[:1], reference)

    for way in ways:
        if way.graph and bench.device.type != "cuda":
            continue
        rate = card.flops["tf32" if way.tf32 else way.name.partition(",")[0]]
        least = floor(works, way.dtype, card.copy, rate)
        for batch in way.batches(batches):
            done = bench.attempt(partial(measure, way, images[:batch].to(way.dtype)))
            seconds, quality = done or (None, None)
            yield Row("network", size, way.name, batch, seconds, least, quality)
            if way.compiled:
                torch.compiler.reset()


# -- from arrays to arrays ----------------------------------------------------------------------


def product_rows(bench: Bench, size: str, batches: list[int], own_size: bool) -> Iterator[Row]:
    for batch in batches:
        for what in ("as it is", "own size")[: 1 + own_size]:
            drawn = {"stroke_size": 1.0, "tile": 0} if what == "own size" else {}
            options = FastOptions(device=str(bench.device), batch_size=batch, **drawn)  # type: ignore[arg-type]
            stylizer = FastStylizer(f"{BUNDLED}#{STYLE}", options)
            seconds = bench.seconds(partial(stylizer, pictures(size, batch))) / batch
            less = f", went on with {stylizer.batch_size}" if stylizer.batch_size < batch else ""
            yield Row("product", size, what + less, batch, seconds)


def transfer_rows(bench: Bench, style: Style, size: str, batch: int) -> Iterator[Row]:
    gpu = bench.device.type == "cuda"
    way = WAYS[4] if gpu else WAYS[0]
    photos = pictures(size, batch)
    example = torch.from_numpy(photos).permute(0, 3, 1, 2).to(bench.device, way.dtype)
    run = runner(way, style, example)

    def draw(pixels: Tensor) -> Tensor:
        """uint8 N×H×W×3 on the device, to the same; as the product does."""
        photo = pixels.permute(0, 3, 1, 2).to(way.dtype).mul_(1 / 255)
        coded = run(photo).mul_(255).add_(0.5).clamp_(0, 255).to(torch.uint8)
        return coded.permute(0, 2, 3, 1).contiguous()

    def plain() -> None:
        draw(torch.from_numpy(photos).to(bench.device)).cpu().numpy()

    pixels, count = torch.from_numpy(photos).to(bench.device), 4 * IN_FLIGHT
    subjects: dict[str, tuple[Callable[[], object], int]] = {
        "plain copies": (plain, 1),
        "pinned, streams": (partial(overlapped, bench, draw, photos, count, gpu), count),
        "without": (partial(draw, pixels), 1),
    }
    for what, (subject, times) in subjects.items():
        seconds = bench.attempt(partial(bench.seconds, subject))
        each = None if seconds is None else seconds / batch / times
        yield Row("transfers", size, what, batch, each)


class Slot:
    """Buffers of a batch on its way, on the host and on the device."""

    def __init__(self, bench: Bench, shape: tuple[int, ...], pinned: bool) -> None:
        self.given, self.taken = (
            torch.empty(shape, dtype=torch.uint8, pin_memory=pinned) for _ in range(2)
        )
        self.pixels = torch.empty(shape, dtype=torch.uint8, device=bench.device)
        self.drawn: Tensor | None = None
        self.up, self.ready, self.down = (bench.module.Event() for _ in range(3))


def overlapped(
    bench: Bench, draw: Run, photos: np.ndarray, count: int, pinned: bool
) -> list[np.ndarray]:
    """So many batches, of which some come, some are drawn and some go at the same time."""
    module = bench.module
    uploads, downloads, here = module.Stream(), module.Stream(), module.current_stream()
    slots = [Slot(bench, photos.shape, pinned) for _ in range(IN_FLIGHT)]
    results: list[np.ndarray] = []

    def collect(slot: Slot) -> None:
        slot.down.synchronize()
        results[:] = [slot.taken.numpy().copy()]  # the buffer is used again

    for number in range(count):
        slot = slots[number % IN_FLIGHT]
        if number >= IN_FLIGHT:
            collect(slot)
        slot.given.numpy()[...] = photos
        with module.stream(uploads):
            slot.pixels.copy_(slot.given, non_blocking=True)
            slot.up.record(uploads)
        here.wait_event(slot.up)
        slot.drawn = draw(slot.pixels)  # kept until it is on the host
        slot.ready.record(here)
        with module.stream(downloads):
            downloads.wait_event(slot.ready)
            slot.taken.copy_(slot.drawn, non_blocking=True)
            slot.down.record(downloads)
    for number in range(max(count - IN_FLIGHT, 0), count):
        collect(slots[number % IN_FLIGHT])
    return results


# -- the rest of a run --------------------------------------------------------------------------


def host_rows(bench: Bench, size: str) -> Iterator[Row]:
    """Flow by the clock of one thread, of which as many run as there are cores."""
    first, second = pictures(size, 2)
    before, now = thumbnail(first), thumbnail(second)
    preset = TemporalOptions().flow
    motion = estimate_motion(before, now, preset, False)
    memory = TemporalMemory()
    memory(first, motion)
    flow = bench.seconds(lambda: estimate_motion(thumbnail(first), now, preset, False))
    yield Row("host", size, f"flow ({preset}), a thread of {cores()}", 1, flow)
    yield Row("host", size, "blend", 1, bench.seconds(lambda: memory(second, motion)))


def file_rows(bench: Bench, size: str) -> Iterator[Row]:
    """Where PyAV is."""
    from vidstyle.video.probe import encoder_opens

    frames = 100
    encoders = [name for name in ("libx264", "h264_nvenc") if encoder_opens(name)]
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder) / "clip.mp4", size, frames)
        for codec in encoders:
            for temporal in ("0.6", "0"):
                options = ["--codec", codec, "--temporal", temporal, "--device", str(bench.device)]
                output = ["-o", Path(folder) / "out.mp4", "--overwrite", "--progress", "none"]
                done = run_child([*PROGRAM, "run", clip, *output, "--json", *options])
                summary = json.loads(done.stdout.splitlines()[-1])
                stages = summary["stages"]
                limit = max(stages, key=lambda name: stages[name]["seconds"])
                what = f"run, {codec}, --temporal {temporal}; {limit} works longest"
                yield Row("files", size, what, 1, summary["seconds"] / frames)
        for decoder in ("h264", "h264_cuvid"):
            seconds = decoding(clip, decoder)
            if seconds:
                yield Row("files", size, f"decode, {decoder}", 1, seconds / frames)


def decoding(clip: Path, decoder: str) -> float | None:
    """Seconds for all frames; None where the decoder does not open."""
    import av

    began = time.perf_counter()
    with av.open(clip) as container:
        stream = container.streams.video[0]
        try:
            context = av.CodecContext.create(decoder, "r")
            assert isinstance(context, av.VideoCodecContext)
            context.extradata = stream.codec_context.extradata
            context.thread_type = "AUTO"
            assert sum(len(context.decode(packet)) for packet in container.demux(stream))
        except (av.error.FFmpegError, ValueError):
            return None
    return time.perf_counter() - began


def pictures(size: str, count: int) -> np.ndarray:
    """Coloured clouds with some grain that move, N×H×W×3 uint8."""
    width, height = parse_size(size)
    rng = np.random.default_rng(0)
    clouds = cv2.resize(
        rng.integers(0, 256, (30, 40, 3), np.uint8),
        (width + 2 * count, height),
        interpolation=cv2.INTER_CUBIC,
    )
    clouds = cv2.add(clouds, rng.integers(0, 8, clouds.shape, np.uint8))
    return np.stack([clouds[:, 2 * n : 2 * n + width] for n in range(count)])


def rows(bench: Bench, card: Card, options: argparse.Namespace) -> Iterator[Row]:
    style = load_style(f"{BUNDLED}#{STYLE}")
    ways = [way for way in WAYS if way.compiled <= options.compile]
    batches = [int(batch) for batch in options.batches.split(",")]
    for size in options.sizes.split(","):
        width, height = parse_size(size)
        yield from network_rows(bench, card, style, size, batches, ways)
        yield from product_rows(bench, size, batches, max(width, height) > 2048)
        yield from transfer_rows(bench, style, size, batches[len(batches) // 2])
        yield from host_rows(bench, size)
        if find_spec("av"):
            yield from file_rows(bench, size)


@torch.inference_mode()
def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--sizes", default="1920x1080,3840x2160")
    arguments.add_argument("--batches", default="1,2,4,8,16")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    arguments.add_argument("--json", type=Path, help="for the raw numbers")
    options = arguments.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("no CUDA here", file=sys.stderr)
        sys.exit(2)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    bench = Bench(device, options.rounds)
    card = measure_card(bench)
    print(heading(device=name, cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version()))
    print(f"{card}\n")
    head = ["part", "size", "what", "at once", "ms a picture", "pictures/s", "of the floor", "PSNR"]
    print(markdown(head, []), end="")
    done = []
    for row in rows(bench, card, options):
        print(f"| {' | '.join(row.cells())} |", flush=True)
        done.append(asdict(row))
    save(options.json, {"card": asdict(card), "rows": done})


if __name__ == "__main__":
    main()
