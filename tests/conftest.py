"""Fixtures for all tests; the markers ``data`` and ``slow`` are registered in pyproject.toml."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each core runs a test of its own: two that both use all cores would wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# As in a terminal: where tests are started with nohup or in the background, signals are ignored,
# and so they would be by the programs that tests start.
for heard, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    number = getattr(signal, heard, None)  # Windows has no SIGHUP
    if number is not None and signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)
# As on a plain install, in programs that tests start as well; who wants OpenVINO says so.
os.environ["VIDSTYLE_OPENVINO"] = "0"
HARBOUR = Path(__file__).resolve().parents[1] / "samples" / "make_harbour.py"


def data_folder() -> Path | None:
    """Where ``VIDSTYLE_DATA`` points, if it does."""
    value = os.environ.get("VIDSTYLE_DATA")
    return Path(value) if value else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if data_folder() is not None:
        return
    skip = pytest.mark.skip(reason="set VIDSTYLE_DATA to the shared data to run it")
    for item in items:
        if item.get_closest_marker("data"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def data() -> Path:
    """The shared data; for tests marked ``data``."""
    folder = data_folder()
    if folder is None:
        pytest.skip("set VIDSTYLE_DATA to the shared data to run it")
    return folder


@pytest.fixture(scope="session")
def harbour() -> Iterator[ModuleType]:
    """``samples/make_harbour.py`` as a module (it lies outside any package)."""
    spec = importlib.util.spec_from_file_location("make_harbour", HARBOUR)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="session")
def whole_vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights, as wide as VGG19's, which the predictor of styles asks for."""
    from safetensors.torch import save_file
    from toys import toy_vgg

    path = tmp_path_factory.mktemp("weights") / "vgg.safetensors"
    save_file(toy_vgg(64), path)
    return path
