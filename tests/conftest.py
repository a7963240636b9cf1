"""Fixtures for all tests; the markers ``data`` and ``slow`` are registered in pyproject.toml."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


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
