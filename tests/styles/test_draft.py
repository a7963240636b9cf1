"""Drafts: found by their backbone, and steered by its vectors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toys import TINY, toy_network, toy_vector

from vidstyle.errors import StyleError
from vidstyle.styles import load_style
from vidstyle.styles.draft import BUNDLED_DRAFT, Draft, find_draft, write_draft
from vidstyle.styles.file import backbone_hash
from vidstyle.train.draft import DistilOptions, pruned


def toy_draft(seed: int = 0) -> Draft:
    network = toy_network(seed)
    vectors = torch.stack([toy_vector(network, n) for n in range(3)])
    options = DistilOptions(width=TINY.width // 2, deep=TINY.deep // 2, steps=1)
    return pruned(network, backbone_hash(network.state_dict()), vectors, options)


def test_the_bundled_backbone_has_one() -> None:
    draft = find_draft(load_style("scream").network)
    assert draft.network.architecture.stride == 2
    assert BUNDLED_DRAFT.stat().st_size < 1_000_000


def test_vectors_are_mapped_linearly() -> None:
    draft, network = toy_draft(), toy_network()
    first, second = toy_vector(network, 1), toy_vector(network, 2)
    blend = draft.vector(0.3 * first + 0.7 * second)
    assert blend.shape == (draft.network.style_size,)
    torch.testing.assert_close(blend, 0.3 * draft.vector(first) + 0.7 * draft.vector(second))


def test_the_identity_of_a_backbone_is_that_of_its_draft() -> None:
    network = toy_network()
    photo = torch.rand(1, 3, 24, 32)
    draft = toy_draft()
    result = draft.network(photo, draft.vector(network.identity_style())[None])
    torch.testing.assert_close(result, photo, rtol=0, atol=1e-6)


def test_a_draft_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDSTYLE_STYLES", str(tmp_path))
    (tmp_path / "drafts").mkdir()
    draft = toy_draft()
    write_draft(draft, tmp_path / "drafts" / "mine.safetensors")
    found = find_draft(toy_network())
    assert found.backbone_id == draft.backbone_id
    style = toy_vector(toy_network())
    torch.testing.assert_close(found.vector(style), draft.vector(style), rtol=2e-3, atol=2e-3)
    assert found.network.architecture == replace(TINY, width=4, deep=8, stride=2, margin=12)


def test_another_backbone_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDSTYLE_STYLES", str(tmp_path))
    with pytest.raises(StyleError, match=r"no draft.*--quality standard.*distil"):
        find_draft(toy_network(seed=5))


def test_a_damaged_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDSTYLE_STYLES", str(tmp_path))
    (tmp_path / "drafts").mkdir()
    path = write_draft(toy_draft(), tmp_path / "drafts" / "mine.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StyleError, match=r"mine\.safetensors: damaged"):
        find_draft(toy_network())
