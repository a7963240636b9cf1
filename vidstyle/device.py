"""Compute devices: choosing one, its number format, memory and errors."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor

from vidstyle.errors import DeviceError, OptionError
from vidstyle.models.quantized import Int8Conv2d
from vidstyle.options.drawing import Backend

T = TypeVar("T")
R = TypeVar("R")


PRECISIONS = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "int8": torch.int8,
}


def pick_device(name: str = "auto") -> torch.device:
    """The torch device named ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    Raises:
        DeviceError: this machine has no such device, or the name is unknown.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    unknown = DeviceError(f"unknown device '{name}'; use auto, cpu, cuda, cuda:N or mps")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise unknown from error
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if count == 0:
            raise DeviceError(f"device '{name}': no CUDA device on this machine; use --device cpu")
        if (device.index or 0) >= count:
            raise DeviceError(f"device '{name}': this machine has only cuda:0 to cuda:{count - 1}")
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(f"device '{name}': no Apple GPU on this machine; use --device cpu")
    elif device.type not in ("cpu", "cuda", "mps"):
        raise unknown
    return device


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """``auto``, ``fp32``, ``bf16``, ``fp16`` or ``int8`` as a torch dtype.

    On a GPU, auto is fp16. On a CPU it is the fastest of fp32, bf16 and, where it wins clearly,
    int8, of those that the processor has instructions for, timed once: of two with the same
    instructions, one may run bf16 at twice the speed of fp32 and the other at half of it. int8
    means 8-bit residual blocks in an fp32 network and is for CPUs only.

    Raises:
        DeviceError: an unknown name, or int8 where it is not supported.
    """
    if name == "auto":
        return fastest_cpu_precision() if device.type == "cpu" else torch.float16
    if name not in PRECISIONS:
        raise DeviceError(f"unknown precision '{name}'; use auto, {', '.join(PRECISIONS)}")
    dtype = PRECISIONS[name]
    if dtype == torch.int8 and (device.type != "cpu" or not has_int8()):
        raise DeviceError(f"int8 is not supported on {device}; use --precision auto")
    return dtype


def pick_backend(
    name: Backend, device: torch.device, precision: torch.dtype
) -> Literal["torch", "openvino"]:
    """The backend of the fast network.

    Auto is OpenVINO for fp32 and bf16 on CPUs, if it is installed and ``VIDSTYLE_OPENVINO`` is
    not 0.

    Raises:
        OptionError: an unknown name.
        DeviceError: OpenVINO is asked for but cannot be used.
    """
    if name not in get_args(Backend):
        raise OptionError(f"backend must be auto, torch or openvino, not '{name}'")
    fits = device.type == "cpu" and precision in (torch.float32, torch.bfloat16)
    if name == "auto":
        wanted = fits and os.environ.get("VIDSTYLE_OPENVINO") != "0"
        return "openvino" if wanted and has_openvino() else "torch"
    if name == "openvino" and not fits:
        raise DeviceError(
            f"OpenVINO runs on the CPU in fp32 or bf16, not on {device} in "
            f"{precision_name(precision)}; use --backend auto"
        )
    if name == "openvino" and not has_openvino():
        raise DeviceError("OpenVINO is not installed; pip install 'vidstyle[openvino]'")
    return name


def has_openvino() -> bool:
    """Whether OpenVINO is installed, and ``onnx``, which passes the network to it."""
    return all(find_spec(name) is not None for name in ("openvino", "onnx"))


def training_precision(name: str, device: torch.device) -> torch.dtype:
    """Like ``pick_precision``, but only fp32 or bf16, since gradients need their range."""
    if name in ("fp16", "int8"):
        raise DeviceError(f"cannot train or optimize in {name}; use auto, fp32 or bf16")
    if name == "auto" and device.type == "cpu":
        return fastest_cpu_precision((torch.float32, torch.bfloat16))
    dtype = pick_precision(name, device)
    return torch.bfloat16 if dtype == torch.float16 else dtype


def precision_name(dtype: torch.dtype) -> str:
    return next(name for name, value in PRECISIONS.items() if value == dtype)


def has_bf16() -> bool:
    """Whether the processor multiplies bfloat16; on x86, AVX512-BF16 or AMX does."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: True)() for check in checks)


def has_int8() -> bool:
    """Whether torch has oneDNN's 8-bit convolutions and the processor has VNNI for them."""
    vnni = getattr(torch.cpu, "_is_vnni_supported", lambda: False)
    return hasattr(torch.ops.onednn, "qconv_pointwise") and vnni()


@cache
def fastest_cpu_precision(
    among: tuple[torch.dtype, ...] = (torch.float32, torch.bfloat16, torch.int8),
) -> torch.dtype:
    """Of the precisions that the processor has instructions for, the one that takes least time.

    Two processors with the same instructions may differ by four, so that a convolution like the
    backbone's is timed, for about 50 ms. What counts is the processor time of a single thread,
    which other programs do not change; the best of a few alternating rounds, as they may still
    empty its caches. int8 must win clearly, since it is less exact and speeds up nothing but
    convolutions.
    """
    able = {torch.bfloat16: has_bf16, torch.int8: has_int8}
    among = tuple(dtype for dtype in among if dtype not in able or able[dtype]())
    if len(among) == 1:
        return among[0]
    runs = {dtype: _convolution(dtype) for dtype in among}
    times: dict[torch.dtype, list[float]] = {dtype: [] for dtype in among}
    with torch.inference_mode(), single_thread():
        for _ in range(12):
            for dtype, convolve in runs.items():
                begin = time.thread_time()
                convolve()
                times[dtype].append(time.thread_time() - begin)
    handicap = {torch.int8: 1.5}
    return min(times, key=lambda dtype: min(times[dtype]) * handicap.get(dtype, 1))


@contextmanager
def single_thread() -> Iterator[None]:
    """Let torch compute on the calling thread alone."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _convolution(dtype: torch.dtype) -> Callable[[], Tensor]:
    conv = torch.nn.Conv2d(96, 96, 3, bias=False).requires_grad_(False)
    x = torch.rand(1, 96, 48, 48).contiguous(memory_format=torch.channels_last)
    if dtype == torch.int8:
        quantized = Int8Conv2d(conv)
        return lambda: quantized(x)
    conv = conv.to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = x.to(dtype)
    return lambda: conv(x)


def usual_batch(device: torch.device) -> int:
    """The default batch size on a device."""
    return min(torch.get_num_threads(), 4) if device.type == "cpu" else 8


def fitting_batch(batch: int, bytes_each: int, memory: int | None) -> int:
    """``batch``, or as many pictures of ``bytes_each`` as fit into half of the memory; at least 1.

    The other half is for queued frames, workspaces and other programs.
    """
    return batch if memory is None else max(1, min(batch, memory // 2 // bytes_each))


def parallel_map(function: Callable[[T], R], items: Sequence[T], workers: int) -> list[R]:
    """Map a function over items on CPU threads; the results are in order."""
    workers = min(workers, len(items), torch.get_num_threads())
    if workers <= 1:
        return [function(item) for item in items]
    with worker_pool(workers) as pool:
        return list(pool.map(function, items))


@contextmanager
def worker_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A thread pool that divides torch's threads among its workers.

    Workers with an item each do not wait for one another after every layer, and lose less when
    other work takes a core.
    """
    threads = torch.get_num_threads()
    share = max(threads // workers, 1)
    try:
        with ThreadPoolExecutor(workers, "layers", torch.set_num_threads, (share,)) as pool:
            yield pool
    finally:
        # The number is set per thread, but new threads inherit the one set last.
        torch.set_num_threads(threads)


def tune_allocator() -> None:
    """Keep freed memory in the process instead of returning it to the kernel (glibc only).

    glibc returns large blocks at once, and every frame would fault its pages in again, which
    costs as much as the convolutions.
    """
    if not sys.platform.startswith("linux"):
        return
    mmap_threshold, trim_threshold, top_pad, mxfast = -3, -1, -2, 1
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(top_pad, 1 << 28)
        # Otherwise the decoders' small blocks pile up unmerged until all of the padding is used.
        mallopt(mxfast, 0)


def list_devices() -> list[tuple[str, str]]:
    """Name and description, including memory, of every device that torch can use."""
    threads = f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
    memory = _physical_memory()
    devices = [("cpu", f"{threads}, {memory / 2**30:.1f} GiB" if memory else threads)]
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        gib = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        about = f"{torch.cuda.get_device_name(index)}, {gib}"
        devices.append((f"cuda:{index}", about))
    if torch.backends.mps.is_available():
        limit = torch.mps.recommended_max_memory()
        devices.append(("mps", f"Apple GPU, {limit / 2**30:.1f} GiB"))
    return devices


def memory_size(device: torch.device) -> int | None:
    """Bytes that a computation can use on a device, or None if the system does not tell.

    On a GPU that is what other programs leave free; on a CPU all of the memory, because most of
    what is in use can be freed.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device)
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    return _physical_memory()


_LIBRARIES = ("CUDA ", "cuDNN ", "CUBLAS", "MPS ")
"""Beginnings of messages of device errors that torch has no exception type for."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out; torch raises several types for that."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    known = ("DefaultCPUAllocator", "MPS backend out of memory", "bad_alloc")  # OpenVINO's is last
    return isinstance(error, RuntimeError) and any(text in str(error) for text in known)


@contextmanager
def device_errors() -> Iterator[None]:
    """Convert what a device, its driver or its libraries raise in the block to ``DeviceError``."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            raise DeviceError(
                "out of memory; use a smaller --max-side or --batch-size, or another --device"
            ) from error
        if isinstance(error, torch.AcceleratorError) or str(error).startswith(_LIBRARIES):
            reason = str(error).partition("\n")[0]
            raise DeviceError(
                f"the device failed ({reason}); try again, or use --device cpu"
            ) from error
        raise


def _physical_memory() -> int | None:
    """Bytes of memory, or None if the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
