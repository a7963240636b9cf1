"""Which device and number format is picked, and what is said when there is none."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from vidstyle.device import (
    fastest_cpu_precision,
    fitting_batch,
    list_devices,
    parallel_map,
    pick_device,
    pick_precision,
    precision_name,
    training_precision,
    usual_batch,
)
from vidstyle.errors import DeviceError

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def machine(monkeypatch: pytest.MonkeyPatch, *, cuda: int = 0, mps: bool = False) -> None:
    """Pretend to be on a machine with so many GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(0, False, "cpu"), (0, True, "mps"), (2, True, "cuda:0")]
)
def test_auto_takes_the_best(
    monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool, expected: str
) -> None:
    machine(monkeypatch, cuda=cuda, mps=mps)
    assert pick_device("auto") == torch.device(expected)


def test_named_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, cuda=2, mps=True)
    for name in ("cpu", "cuda", "cuda:1", "mps"):
        assert pick_device(name) == torch.device(name)


@pytest.mark.parametrize(
    ("name", "cuda", "reason"),
    [
        ("cuda", 0, "no CUDA device on this machine"),
        ("cuda:0", 0, "no CUDA device on this machine"),
        ("cuda:2", 2, "only cuda:0 to cuda:1"),
        ("mps", 0, "no Apple GPU"),
    ],
)
def test_absent_devices(monkeypatch: pytest.MonkeyPatch, name: str, cuda: int, reason: str) -> None:
    machine(monkeypatch, cuda=cuda)
    with pytest.raises(DeviceError, match=f"'{name}'.*{reason}"):
        pick_device(name)


@pytest.mark.parametrize("able", [False, True])
def test_bf16_is_for_processors_that_multiply_it(
    monkeypatch: pytest.MonkeyPatch, able: bool
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: able)
    threads = torch.get_num_threads()
    among = (torch.float32, torch.bfloat16)
    fastest = fastest_cpu_precision.__wrapped__(among)
    assert fastest in (among if able else among[:1])
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("name", ["", "gpu", "cuda:x", "cuda:-1", "xla", "meta", "CPU"])
def test_unknown_devices(name: str) -> None:
    with pytest.raises(DeviceError, match=f"unknown device '{name}'; use auto, cpu"):
        pick_device(name)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_named_precisions(name: str, dtype: torch.dtype) -> None:
    assert pick_precision(name, CPU) == dtype
    assert precision_name(dtype) == name


def test_automatic_precision() -> None:
    assert pick_precision("auto", torch.device("cuda")) == torch.float16
    picked = pick_precision("auto", CPU)
    assert picked in (torch.float32, torch.bfloat16, torch.int8)
    assert all(pick_precision("auto", CPU) == picked for _ in range(5))


def test_unknown_precision() -> None:
    with pytest.raises(DeviceError, match="unknown precision 'int4'; use auto, fp32, bf16, fp16"):
        pick_precision("int4", CPU)


def test_int8_is_for_processors_alone() -> None:
    with pytest.raises(DeviceError, match="int8 is not supported on cuda"):
        pick_precision("int8", torch.device("cuda"))


def test_training_keeps_to_formats_with_range() -> None:
    assert training_precision("auto", CPU) in (torch.float32, torch.bfloat16)
    assert training_precision("auto", torch.device("cuda")) == torch.bfloat16
    for name in ("int8", "fp16"):
        with pytest.raises(DeviceError, match=f"cannot train or optimize in {name}"):
            training_precision(name, CPU)


def test_the_processor_is_listed_with_threads_and_memory() -> None:
    name, about = list_devices()[0]
    assert name == "cpu"
    assert about.startswith(f"{torch.get_num_threads()} threads")
    if hasattr(os, "sysconf"):
        assert re.search(r"\d+\.\d GiB$", about)


@needs_cuda
def test_gpus_are_listed_with_memory() -> None:
    listed = dict(list_devices())
    assert re.search(r"[\d.]+ of [\d.]+ GiB free", listed["cuda:0"])
    assert pick_device("auto").type == "cuda"


def page_faults(prepare: str) -> int:
    """Faults of a process that uses 64 MB and frees them, again and again, once it is warm."""
    script = f"""
        import resource, torch
        from vidstyle.device import tune_allocator
        {prepare}
        def faults(rounds):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for _ in range(rounds):
                torch.ones(16_000_000)
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        faults(6)
        print(faults(20))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is tuned")
def test_freed_memory_is_used_again_without_page_faults() -> None:
    # Now and then the heap is cut elsewhere by a small block, and one round faults.
    assert page_faults("tune_allocator()") * 4 < page_faults("")


# -- several pictures at once ---------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 4, 9])
def test_results_come_in_order_and_threads_are_given_back(workers: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        shares = parallel_map(lambda n: (n, torch.get_num_threads()), range(7), workers)
        assert [n for n, _ in shares] == list(range(7))
        assert {share for _, share in shares} == {4 // min(workers, 4)}
        assert torch.get_num_threads() == 4
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 4
    finally:
        torch.set_num_threads(before)


def test_work_is_done_side_by_side() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    barrier = threading.Barrier(2, timeout=20)
    try:
        assert sorted(parallel_map(lambda n: barrier.wait(), [0, 1], 2)) == [0, 1]
    finally:
        torch.set_num_threads(before)


def test_an_error_in_one_comes_through() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            parallel_map(lambda n: 1 // n, [2, 1, 0, 1], 2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("threads", "pictures"), [(1, 1), (2, 2), (16, 4)])
def test_a_processor_takes_a_picture_for_each_core(
    monkeypatch: pytest.MonkeyPatch, threads: int, pictures: int
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert usual_batch(torch.device("cpu")) == pictures
    assert usual_batch(torch.device("cuda")) == 8


def test_fewer_pictures_at_once_where_memory_is_short() -> None:
    gib = 2**30
    assert fitting_batch(8, gib // 8, 80 * gib) == 8
    assert fitting_batch(8, gib // 8, gib) == 4
    assert fitting_batch(8, gib, gib) == 1
    assert fitting_batch(8, gib, None) == 8
