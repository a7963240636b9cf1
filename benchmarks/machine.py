"""What benchmarks share: where they ran, programs run as children, clips, tables.

Imports nothing heavy: a process counts as its own peak of memory what it had when it started a
program, and a child begins with that of its parent.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "samples" / "harbour.mp4"
PROGRAM = [sys.executable, "-m", "vidstyle"]
LIBRARIES = ("torch", "opencv-python-headless", "av", "numpy", "openvino")


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def facts() -> dict[str, str]:
    """The machine, the libraries and the state of this repository."""
    return {
        "processor": _processor(),
        "cores": str(cores()),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
        "memory": _memory(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: found for name in LIBRARIES if (found := _version(name))},
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def heading(**more: object) -> str:
    """The facts, and what else should be known, as a paragraph above a table."""
    known = {**facts(), **more}
    return ", ".join(f"{name} {value}" for name, value in known.items()) + "\n"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    parts = (line.partition(":") for line in lines)
    fields = {name.strip(): value.strip() for name, _, value in parts}
    of_amx = " with AMX" if "amx_tile" in fields.get("flags", "") else ""
    return fields.get("model name", platform.machine()) + of_amx


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):
        return "unknown"
    return f"{size / 2**30:.0f} GiB"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


@dataclass(frozen=True)
class Child:
    """A program that ended well.

    Attributes:
        seconds: from its start to its end.
        first: until the first line that ``until`` wanted.
        processor: seconds of all its threads, in the program and in the system.
        peak: most memory that it had (RSS), in bytes.
    """

    stdout: str
    seconds: float
    first: float | None
    processor: float
    peak: int


def run_child(
    command: Sequence[object], until: Callable[[str], bool] = lambda line: False
) -> Child:
    """Run a program with this checkout's package before any that is installed.

    Ends this one when it fails, with what it wrote to stderr.

    Args:
        command: program and arguments; each becomes a string.
        until: see ``Child.first``.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
        assert process.stdout is not None
        lines, first = [], None
        for line in process.stdout:
            if first is None and until(line):
                first = time.perf_counter() - began
            lines.append(line)
        process.stdout.close()
        # Not process.wait(), which does not tell what the program used.
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(
                f"{' '.join(map(str, command))}\nended with {process.returncode}:\n{errors.read()}"
            )
    unit = 1 if sys.platform == "darwin" else 1024
    processor = used.ru_utime + used.ru_stime
    return Child("".join(lines), seconds, first, processor, used.ru_maxrss * unit)


def run_script(path: str | Path, *arguments: object) -> Any:
    """What a Python script prints as JSON, in a process of its own."""
    return json.loads(run_child([sys.executable, path, *map(str, arguments)]).stdout)


def make_clip(path: Path, size: str, frames: int) -> Path:
    """The sample clip at another size (``1280x720``), to and fro where it is too short; H.264 with
    the sample's sound. In a process of its own: see above."""
    run_child([sys.executable, __file__, path, size, frames])
    return path


def write_clip(path: Path, size: str, frames: int) -> None:
    from dataclasses import replace
    from itertools import cycle, islice, pairwise

    from vidstyle import image as images
    from vidstyle.video import VideoReader, VideoWriter, WriteOptions, plan_output

    width, height = parse_size(size)
    with VideoReader(SAMPLE) as reader:
        info, sample = reader.info, list(islice(reader, frames))
    step = sample[1].pts - sample[0].pts
    assert all(b.pts - a.pts == step for a, b in pairwise(sample))
    to_and_fro = islice(cycle(sample + sample[-2:0:-1]), frames)
    options = WriteOptions(crf=18, preset="veryfast")
    with VideoWriter(
        plan_output(path, info, source=SAMPLE, size=(width, height), options=options)
    ) as writer:
        for number, frame in enumerate(to_and_fro):
            image = images.resize(frame.image, width, height)
            writer.write(replace(frame, image=image, pts=number * step))


def parse_size(size: str) -> tuple[int, int]:
    """Width and height from ``1280x720``."""
    width, height = map(int, size.split("x"))
    return width, height


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def save(path: Path | None, values: Mapping[str, Any]) -> None:
    """Raw numbers beside the facts, as JSON; nothing without a path."""
    if path:
        path.write_text(json.dumps({"machine": facts(), **values}, indent=1) + "\n")


def parser(description: str | None) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


if __name__ == "__main__":
    write_clip(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
