"""That the benchmarks still run, and add up what they measure."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
from toys import toy_photo

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.slow


def run(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_throughput(tmp_path: Path) -> None:
    raw = tmp_path / "raw.json"
    few = ["--sizes", "64x48", "--frames", "6", "--rounds", "1", "--plain-frames", "1"]
    variant = ["--variant", "mine: --preset ultrafast", "--json", str(raw)]
    text = run(str(BENCHMARKS / "throughput.py"), *few, *variant, "--temporal", "0.3")
    assert "mine: `vidstyle run --temporal 0.3 --preset ultrafast`" in text
    measured = json.loads(raw.read_text())
    (case,), (plain,) = measured["cases"], measured["plain"]["64x48"]
    (done,), (alone,) = case["runs"], case["alone"]
    assert done["frames"] == 6
    assert 0 < done["seconds"] < done["wall"]
    assert list(alone) == ["decode", "flow", "inference", "blend", "encode"]
    assert all(stage["frames"] == 6 and stage["seconds"] > 0 for stage in alone.values())
    rate, slowest = 6 / done["seconds"], max(stage["seconds"] for stage in alone.values()) / 6
    row = next(line for line in text.splitlines() if line.startswith("| 64x48 | mine"))
    cells = [cell.strip() for cell in row.split("|")[3:-1]]
    assert float(cells[0]) == pytest.approx(rate, abs=0.006)
    assert cells[3] == f"{rate * sum(plain.values()):.1f}×"
    assert cells[6] == f"{rate * slowest:.0%}"
    assert text.count("| met |") + text.count("| missed |") == 3


def test_gpu_on_a_cpu_without_pyav(tmp_path: Path) -> None:
    raw = tmp_path / "raw.json"
    script = (
        "import runpy, sys; sys.modules.update(dict.fromkeys(('av', 'typer', 'platformdirs'))); "
        f"sys.path.insert(0, {str(BENCHMARKS)!r}); sys.argv.pop(0); "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    here = ["--device", "cpu", "--sizes", "64x48", "--batches", "1,2", "--rounds", "1"]
    run("-c", script, str(BENCHMARKS / "gpu.py"), *here, "--no-compile", "--json", str(raw))
    rows = json.loads(raw.read_text())["rows"]
    assert {row["part"] for row in rows} == {"network", "product", "transfers", "host"}
    quality = {row["what"]: row["psnr"] for row in rows if row["part"] == "network"}
    assert quality["fp32"] > 100 > quality["bf16"] > 45
    assert all(row["seconds"] > 0 for row in rows)


def test_measures_of_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    measures = import_module("photorealistic")
    photo, style = toy_photo(60, 48, seed=1), toy_photo(48, 60, seed=2) // 2 + 30
    assert measures.structure(photo // 2 + 40, photo) == pytest.approx(1, abs=0.02)
    assert measures.structure(255 - photo, photo) < -0.5
    lab, wanted = (
        cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        for p in (measures.reinhard(photo, style), style)
    )
    np.testing.assert_allclose(lab.mean((0, 1)), wanted.mean((0, 1)), atol=3)
    np.testing.assert_allclose(lab.std((0, 1)), wanted.std((0, 1)), atol=3)
