"""Which styles there are, and loading one or a blend of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from bundled import STYLES
from toys import toy_file, write_toy

from vidstyle.errors import OptionError, StyleError
from vidstyle.styles import (
    Style,
    available_styles,
    load_style,
    read_style_file,
    style_label,
    write_style_file,
)
from vidstyle.styles.registry import BUNDLED, parse_blend, user_styles_dir

NAMES = (*STYLES, "photo")


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the user's own styles."""
    folder = tmp_path / "styles"
    folder.mkdir()
    monkeypatch.setenv("VIDSTYLE_STYLES", str(folder))
    return folder


# -- what there is --------------------------------------------------------------------------


def test_the_bundled_styles() -> None:
    entries = available_styles()
    assert set(entries) == set(NAMES)
    for name, entry in entries.items():
        assert entry.info.name == name
        assert entry.info.title
        assert entry.info.artist or name == "photo"
        assert entry.path == BUNDLED
        assert entry.bytes == 2 * load_style(name).vector.numel()


def test_the_bundled_styles_are_small_and_share_one_backbone() -> None:
    folder = BUNDLED.parent
    assert sum(p.stat().st_size for p in folder.glob("*.safetensors")) < 4_000_000
    file = read_style_file(BUNDLED)
    assert file.backbone is not None
    assert all(tensor.dtype == torch.float16 for tensor in file.backbone.values())
    assert file.infos["scream"].training


def test_the_bundled_styles_differ() -> None:
    vectors = [load_style(name).vector for name in NAMES]
    for n, vector in enumerate(vectors):
        assert not any(torch.allclose(vector, other, atol=0.01) for other in vectors[:n])


def test_user_styles_are_found_in_their_folder(own: Path) -> None:
    write_toy(own / "mine.safetensors", ["alpha", "beta"])
    (own / "notes.txt").write_text("no style")
    entries = available_styles()
    assert set(entries) == {*NAMES, "alpha", "beta"}
    assert entries["beta"].path == own / "mine.safetensors"
    assert entries["photo"].path == BUNDLED
    assert load_style("beta").info.artist == "Nobody"


def test_the_users_style_takes_precedence(own: Path) -> None:
    path = write_toy(own / "mine.safetensors", ["scream"])
    assert available_styles()["scream"].path == path
    assert load_style("scream").info.artist == "Nobody"
    assert load_style("wave").info.artist != "Nobody"


def test_the_last_of_the_users_files_takes_precedence_everywhere(own: Path) -> None:
    write_toy(own / "a.safetensors", ["alpha"], seed=1)
    path = write_toy(own / "b.safetensors", ["alpha"], seed=2)
    assert available_styles()["alpha"].path == path
    torch.testing.assert_close(load_style("alpha").vector, read_style_file(path).vectors["alpha"])


def test_a_missing_folder_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDSTYLE_STYLES", str(tmp_path / "nowhere"))
    assert set(available_styles()) == set(NAMES)
    monkeypatch.delenv("VIDSTYLE_STYLES")
    assert user_styles_dir().name == "styles"


def test_a_changed_file_is_read_again(own: Path) -> None:
    path = write_toy(own / "mine.safetensors", ["alpha"], seed=1)
    before = load_style("alpha").vector
    write_toy(path, ["alpha"], seed=2)
    assert not torch.allclose(load_style("alpha").vector, before)


# -- one style ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_load_by_name(name: str) -> None:
    style = load_style(name)
    assert style.label == style.info.name == name
    assert style.vector.shape == style.identity.shape == (style.network.style_size,)
    assert not any(parameter.requires_grad for parameter in style.network.parameters())


@pytest.mark.parametrize(
    ("name", "near"), [("screem", "scream"), ("Wave", "wave"), ("starry", "starry_night")]
)
def test_an_unknown_name_lists_the_nearest(name: str, near: str) -> None:
    with pytest.raises(StyleError, match=f"unknown style '{name}'; did you mean .*{near}"):
        load_style(name)


def test_a_name_far_from_all_lists_all() -> None:
    with pytest.raises(StyleError, match=r"there are .*la_muse, .*scream"):
        load_style("xyzzy")


def test_load_from_a_file(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "mine.safetensors")
    for spec in (path, str(path)):
        style = load_style(spec)
        assert style.label == "alpha"
        torch.testing.assert_close(style.vector, toy_file().vectors["alpha"])
        torch.testing.assert_close(style.identity, toy_file().vectors["photo"])


def test_load_from_a_file_of_several(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "two.safetensors", ["alpha", "beta"])
    assert load_style(f"{path}#beta").label == "beta"
    assert load_style(f"{path}#photo").label == "photo"
    with pytest.raises(StyleError, match=r"alpha, beta; use two\.safetensors#alpha"):
        load_style(path)
    with pytest.raises(StyleError, match="no style 'gamma'; it contains alpha, beta"):
        load_style(f"{path}#gamma")


def test_a_relative_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_toy(tmp_path / "mine.safetensors")
    monkeypatch.chdir(tmp_path)
    assert load_style("mine.safetensors").label == "alpha"


@pytest.mark.parametrize("kind", ["missing", "directory", "text"])
def test_bad_files_are_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.safetensors"
    if kind == "directory":
        path.mkdir()
    elif kind == "text":
        path.write_text("hello")
    with pytest.raises(StyleError, match=r"bad\.safetensors: "):
        load_style(path)


def test_a_damaged_file_of_the_user_is_passed_over(own: Path) -> None:
    (own / "bad.safetensors").write_text("hello")
    write_toy(own / "good.safetensors", ["alpha"])
    with pytest.warns(UserWarning, match=r"bad\.safetensors: damaged.*skipped"):
        assert set(available_styles()) == {*NAMES, "alpha"}
    with pytest.warns(UserWarning, match=r"bad\.safetensors"):
        assert load_style("alpha").label == "alpha"


def test_damaged_numbers_are_told_when_their_style_is_asked_for(own: Path) -> None:
    """Lists read headers alone; and no other style of the name takes its place."""
    path = write_toy(own / "mine.safetensors", ["scream", "alpha"])
    content = bytearray(path.read_bytes())
    content[8 + int.from_bytes(content[:8], "little")] ^= 0b100  # the first of its weights
    path.write_bytes(content)
    assert available_styles()["scream"].path == path
    assert load_style("wave").label == "wave"
    with pytest.raises(StyleError, match=r"mine\.safetensors: .*damaged"):
        load_style("scream")


# -- vectors without a backbone -------------------------------------------------------------


def test_vectors_alone_use_the_backbone_they_were_made_for(tmp_path: Path) -> None:
    bundled = read_style_file(BUNDLED)
    vector = bundled.vectors["wave"] + 0.125
    alone = dataclasses.replace(
        bundled,
        backbone=None,
        vectors={"mine": vector},
        infos={"mine": dataclasses.replace(bundled.infos["wave"], name="mine")},
    )
    style = load_style(write_style_file(alone, tmp_path / "mine.safetensors"))
    torch.testing.assert_close(style.vector, vector, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(style.identity, bundled.vectors["photo"])
    weights, expected = style.network.state_dict(), load_style("wave").network.state_dict()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_vectors_for_an_absent_backbone(tmp_path: Path, own: Path) -> None:
    alone = dataclasses.replace(toy_file(), backbone=None)
    path = write_style_file(alone, tmp_path / "mine.safetensors")
    with pytest.raises(StyleError, match=f"backbone {alone.backbone_id}, which is not installed"):
        load_style(path)
    write_toy(own / "whole.safetensors", ["beta"])
    assert load_style(path).label == "alpha"


# -- blends ---------------------------------------------------------------------------------


def blend(*parts: tuple[str, float]) -> torch.Tensor:
    return sum(weight * load_style(name).vector for name, weight in parts)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("scream:0.7,wave:0.3", [("scream", 0.7), ("wave", 0.3)]),
        ("scream:7,wave:3", [("scream", 0.7), ("wave", 0.3)]),
        ("scream,wave", [("scream", 0.5), ("wave", 0.5)]),
        (" scream:1 , wave:0 ", [("scream", 1.0)]),
        ("scream:2", [("scream", 1.0)]),
        ("scream:1e-3,wave:3e-3", [("scream", 0.25), ("wave", 0.75)]),
        ("scream:1,wave:1,udnie:2", [("scream", 0.25), ("wave", 0.25), ("udnie", 0.5)]),
    ],
)
def test_blends(spec: str, parts: list[tuple[str, float]]) -> None:
    style = load_style(spec)
    torch.testing.assert_close(style.vector, blend(*parts), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spec", ["wave", "scream:0.7,wave:0.3", "{toy}", "{toy}#photo,wave:0"])
def test_labels_are_known_without_loading(tmp_path: Path, spec: str) -> None:
    spec = spec.format(toy=write_toy(tmp_path / "mine.safetensors"))
    names = {"wave": "wave", "scream:0.7,wave:0.3": "scream+wave"}
    own = "photo+wave" if "#" in spec else "alpha"
    assert style_label(spec) == names.get(spec, own)
    if "#" not in spec:  # else of different backbones
        assert load_style(spec).label == style_label(spec)


def test_labels_of_unknown_styles() -> None:
    with pytest.raises(StyleError, match="unknown style 'screem'"):
        style_label("scream,screem")


def test_a_blend_is_named_after_its_parts() -> None:
    style = load_style("scream:0.7,wave:0.3")
    assert style.label == style.info.name == "scream+wave"
    assert "Scream" in style.info.title
    assert "Wave" in style.info.title


def test_files_in_a_blend(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "two.safetensors", ["alpha", "beta"])
    vectors = toy_file(["alpha", "beta"]).vectors
    style = load_style(f"{path}#alpha:3,{path}#beta")
    expected = 0.75 * vectors["alpha"] + 0.25 * vectors["beta"]
    torch.testing.assert_close(style.vector, expected)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("scream:-1,wave:2", "cannot be negative"),
        ("scream:nan", "weights"),
        ("scream:inf,wave:1", "weights"),
        ("scream:0,wave:0", "all be zero"),
        ("", "no name"),
        ("scream,,wave", "no name"),
        (":0.5", "no name"),
    ],
)
def test_senseless_blends(spec: str, reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        load_style(spec)


def test_different_backbones_refuse_to_blend(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "mine.safetensors")
    with pytest.raises(StyleError, match="different backbones"):
        load_style(f"scream,{path}")


def test_a_colon_in_a_path_is_no_weight() -> None:
    assert parse_blend(r"C:\mine.safetensors") == [(r"C:\mine.safetensors", 1.0)]
    assert parse_blend(r"C:\mine.safetensors:0.5") == [(r"C:\mine.safetensors", 0.5)]


# -- strength -------------------------------------------------------------------------------


@pytest.mark.parametrize("strength", [0.0, 0.25, 1.0])
def test_strength_mixes_towards_the_identity(strength: float) -> None:
    style = load_style("wave")
    expected = (1 - strength) * load_style("photo").vector + strength * style.vector
    torch.testing.assert_close(style.at_strength(strength), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_senseless_strengths(strength: float) -> None:
    style: Style = load_style("wave")
    with pytest.raises(OptionError, match="from 0 to 1"):
        style.at_strength(strength)
