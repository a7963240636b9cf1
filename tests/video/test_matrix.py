"""Every container with every codec that FFmpeg writes, thinned; whole: tests/matrix.py."""

from __future__ import annotations

from pathlib import Path

import matrix
import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("target", ["mp4", "mkv"])
@pytest.mark.parametrize("source", matrix.CONTAINERS)
def test_no_codec_of_a_container_loses_anything_in_silence(
    source: str, target: str, tmp_path: Path
) -> None:
    cases = matrix.thinned_cases(source, tmp_path)
    assert cases
    found = {}
    for number, case in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        if faults := matrix.check(case, target, folder):
            found[str(case)] = faults
    assert not found
