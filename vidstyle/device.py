"""Which device computes, in which number format, and how memory is laid out."""

from __future__ import annotations

import ctypes
import os
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
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises:
        DeviceError: the device does not exist here, or the name is unknown.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"unknown device '{name}'; use auto, cpu, cuda, cuda:N or mps") from error
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if count == 0:
            raise DeviceError(f"device '{name}': no CUDA device on this machine; use --device cpu")
        if (device.index or 0) >= count:
            raise DeviceError(f"device '{name}': only cuda:0 to cuda:{count - 1} exist here")
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(f"device '{name}': no Apple GPU on this machine; use --device cpu")
    elif device.type not in ("cpu", "cuda", "mps"):
        raise DeviceError(f"unknown device '{name}'; use auto, cpu, cuda, cuda:N or mps")
    return device


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """``auto``, ``fp32``, ``bf16``, ``fp16`` or ``int8`` as a torch dtype.

    On a GPU, auto is fp16. On a CPU it is the fastest of fp32, bf16 and, where that wins clearly,
    int8, timed once: with the same instruction set, bf16 runs at twice the speed of fp32 on one
    processor and at half on another. int8 means 8-bit residual blocks in a network of fp32, on CPUs
    alone.

    Raises:
        DeviceError: an unknown name, or int8 where there is none.
    """
    if name == "auto":
        return fastest_cpu_precision() if device.type == "cpu" else torch.float16
    if name not in PRECISIONS:
        raise DeviceError(f"unknown precision '{name}'; use auto, {', '.join(PRECISIONS)}")
    dtype = PRECISIONS[name]
    if dtype == torch.int8 and (device.type != "cpu" or not has_int8()):
        raise DeviceError(f"precision int8 is not to be had on {device}; use auto")
    return dtype


def pick_backend(
    name: Backend, device: torch.device, precision: torch.dtype
) -> Literal["torch", "openvino"]:
    """What computes the fast network: OpenVINO on a CPU in fp32 or bf16, where it is installed.

    Raises:
        OptionError: an unknown name.
        DeviceError: OpenVINO is asked for, and cannot be had.
    """
    if name not in get_args(Backend):
        raise OptionError(f"backend is auto, torch or openvino, not '{name}'")
    fits = device.type == "cpu" and precision in (torch.float32, torch.bfloat16)
    if name == "auto":
        return "openvino" if fits and wants_openvino() else "torch"
    if name == "openvino" and not fits:
        raise DeviceError(
            f"OpenVINO draws on the CPU in fp32 or bf16, not on {device} in "
            f"{precision_name(precision)}; use --backend auto"
        )
    if name == "openvino" and not has_openvino():
        raise DeviceError("OpenVINO is not installed; pip install 'vidstyle[openvino]'")
    return name


def wants_openvino() -> bool:
    """Whether it is installed, and ``VIDSTYLE_OPENVINO`` is not 0."""
    return has_openvino() and os.environ.get("VIDSTYLE_OPENVINO") != "0"


def has_openvino() -> bool:
    """Whether OpenVINO is installed, and ``onnx``, by which it is given the network."""
    return all(find_spec(name) is not None for name in ("openvino", "onnx"))


def training_precision(name: str, device: torch.device) -> torch.dtype:
    """Like ``pick_precision``, of fp32 and bf16 alone: gradients need their range."""
    if name in ("fp16", "int8"):
        raise DeviceError(f"cannot train or optimize in {name}; use auto, fp32 or bf16")
    if name == "auto" and device.type == "cpu":
        return fastest_cpu_precision((torch.float32, torch.bfloat16))
    dtype = pick_precision(name, device)
    return torch.bfloat16 if dtype == torch.float16 else dtype


def precision_name(dtype: torch.dtype) -> str:
    return next(name for name, value in PRECISIONS.items() if value == dtype)


def has_int8() -> bool:
    """Whether torch has oneDNN's 8-bit convolutions here, and the processor multiplies so."""
    vnni = getattr(torch.cpu, "_is_vnni_supported", lambda: False)
    return hasattr(torch.ops.onednn, "qconv_pointwise") and vnni()


@cache
def fastest_cpu_precision(
    among: tuple[torch.dtype, ...] = (torch.float32, torch.bfloat16, torch.int8),
) -> torch.dtype:
    """Times a convolution like the backbone's in each, some 50 ms in all.

    int8 must win clearly: it is less exact, and only convolutions gain by it.
    """
    among = tuple(dtype for dtype in among if dtype != torch.int8 or has_int8())
    runs = {dtype: _convolution(dtype) for dtype in among}
    times: dict[torch.dtype, list[float]] = {dtype: [] for dtype in among}
    with torch.inference_mode():
        for _ in range(12):  # in turns, and the best of each, as other programs may be busy
            for dtype, convolve in runs.items():
                begin = time.perf_counter()
                convolve()
                times[dtype].append(time.perf_counter() - begin)
    handicap = {torch.int8: 1.5}
    return min(times, key=lambda dtype: min(times[dtype]) * handicap.get(dtype, 1))


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
    """How many pictures a device works on at once unless told otherwise."""
    return min(torch.get_num_threads(), 4) if device.type == "cpu" else 8


def fitting_batch(batch: int, bytes_each: int, memory: int | None) -> int:
    """How many pictures of so many bytes a computation may work on at once: ``batch``, or the fewer
    that half of a memory has room for, and 1 at least. The other half is for what else there is:
    frames that wait, workspaces, other programs."""
    return batch if memory is None else max(1, min(batch, memory // 2 // bytes_each))


def parallel_map(function: Callable[[T], R], items: Sequence[T], workers: int) -> list[R]:
    """Results in order, of as many items at once as there are workers, on the CPU."""
    workers = min(workers, len(items), torch.get_num_threads())
    if workers <= 1:
        return [function(item) for item in items]
    with worker_pool(workers) as pool:
        return list(pool.map(function, items))


@contextmanager
def worker_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads among which those that torch would use for one item are divided.

    Threads with an item each do not wait for one another after every layer, and lose less when
    other work takes a core.
    """
    threads = torch.get_num_threads()
    share = max(threads // workers, 1)
    try:
        with ThreadPoolExecutor(workers, "layers", torch.set_num_threads, (share,)) as pool:
            yield pool
    finally:
        # Each thread has a number of its own, but new ones begin with what was set last.
        torch.set_num_threads(threads)


def tune_allocator() -> None:
    """Keep freed memory in the process instead of handing it back to the kernel.

    glibc returns large blocks at once, and every frame would fault its pages in again, which
    costs as much as the convolutions. Elsewhere than on glibc this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mmap_threshold, trim_threshold, top_pad, mxfast = -3, -1, -2, 1
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(top_pad, 1 << 28)
        # Else decoders' small blocks pile up unmerged until all of the padding is in use.
        mallopt(mxfast, 0)


def list_devices() -> list[tuple[str, str]]:
    """Name and description, with memory, of every device that torch can use here."""
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
    """Bytes that a computation may have there at most, where the system tells.

    On a GPU, what other programs left; on a CPU all of it, as most of what is in use can be freed.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device)
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    return _physical_memory()


_LIBRARIES = ("CUDA ", "cuDNN ", "CUBLAS", "MPS ")
"""What messages of errors begin with that torch has no type for."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out; torch has no one type for that."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    known = ("DefaultCPUAllocator", "MPS backend out of memory", "bad_alloc")  # OpenVINO's is last
    return isinstance(error, RuntimeError) and any(text in str(error) for text in known)


@contextmanager
def device_errors() -> Iterator[None]:
    """Turn what a device, its driver or its libraries raise in the block into ``DeviceError``."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            message = "memory ran out; draw smaller (--max-side) or fewer at once (--batch-size)"
            raise DeviceError(f"{message}, or on another --device") from error
        if isinstance(error, torch.AcceleratorError) or str(error).startswith(_LIBRARIES):
            reason = str(error).partition("\n")[0]
            raise DeviceError(
                f"the device failed ({reason}); try again, or --device cpu"
            ) from error
        raise


def _physical_memory() -> int | None:
    """Bytes, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
