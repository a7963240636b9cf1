"""Style files: what is written comes back, and nothing else is taken for a style."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from toys import TINY, toy_file, toy_network, write_toy

from vidstyle.errors import OptionError, OutputError, StyleError
from vidstyle.styles import StyleInfo, read_header, read_style_file, write_style_file
from vidstyle.styles.file import backbone_hash
from vidstyle.styles.header import MAX_BYTES

Contents = tuple[dict[str, str], dict[str, Tensor]]


def contents(path: Path) -> Contents:
    """Metadata and tensors as safetensors reads them."""
    with safe_open(path, framework="pt") as stored:
        return stored.metadata(), {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118


def refusal(path: Path) -> str:
    """The message with which a file is refused, by its header; it is one line and names it."""
    with pytest.raises(StyleError) as caught:
        read_style_file(path)
    message = str(caught.value)
    with pytest.raises(StyleError) as again:
        read_header(path)
    assert str(again.value) == message
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


# -- round trip -----------------------------------------------------------------------------


def test_a_file_comes_back(tmp_path: Path) -> None:
    file = toy_file(["alpha", "beta"])
    info = StyleInfo("alpha", "Ä Title", "Ün Artist", "1893", {"steps": 3, "weight": 0.5})
    file = dataclasses.replace(file, infos={**file.infos, "alpha": info}, licence="CC0")
    back = read_style_file(write_style_file(file, tmp_path / "a.safetensors"))
    assert back.path == tmp_path / "a.safetensors"
    assert back.infos == file.infos
    assert back.licence == "CC0"
    assert back.architecture == TINY
    assert back.backbone_id == file.backbone_id
    assert back.vectors.keys() == {"alpha", "beta", "photo"}
    for name, vector in file.vectors.items():
        torch.testing.assert_close(back.vectors[name], vector, rtol=0, atol=0)
    for ours, theirs in zip(back.network().parameters(), toy_network().parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_numbers_are_stored_in_fp16(tmp_path: Path) -> None:
    file = toy_file()
    exact = torch.linspace(-2, 2, len(file.vectors["alpha"]))
    file = dataclasses.replace(file, vectors={**file.vectors, "alpha": exact})
    path = write_style_file(file, tmp_path / "a.safetensors")
    metadata, tensors = contents(path)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert metadata["format"] == "vidstyle-style"
    stored = read_style_file(path).vectors["alpha"]
    assert stored.dtype == torch.float32
    torch.testing.assert_close(stored, exact, rtol=2**-11, atol=1e-6)


@pytest.mark.parametrize("name", ["", "a,b", "a:1", "a#b", "../a", "a\\b"])
def test_names_that_could_not_be_asked_for(name: str) -> None:
    with pytest.raises(OptionError, match="cannot name a style"):
        StyleInfo(name)


def test_vectors_can_stand_alone(tmp_path: Path) -> None:
    file = dataclasses.replace(toy_file(), backbone=None)
    path = write_style_file(file, tmp_path / "a.safetensors")
    assert path.stat().st_size < 4096
    with pytest.raises(StyleError, match=r"a\.safetensors: .*no backbone"):
        read_style_file(path).network()


def test_a_header_tells_what_is_in_the_file(tmp_path: Path) -> None:
    file = toy_file(["alpha", "beta"])
    header = read_header(write_style_file(file, tmp_path / "a.safetensors"))
    assert header.infos == file.infos and header.backbone_id == file.backbone_id
    assert header.bytes == {name: 2 * vector.numel() for name, vector in file.vectors.items()}
    assert header.has_backbone
    alone = write_style_file(dataclasses.replace(file, backbone=None), tmp_path / "b.safetensors")
    assert not read_header(alone).has_backbone


@pytest.mark.parametrize("dtype", [torch.int8, torch.float64, torch.bool])
def test_numbers_of_other_types(tmp_path: Path, dtype: torch.dtype) -> None:
    metadata, tensors = contents(write_toy(tmp_path / "good.safetensors"))
    tensors["style.alpha"] = tensors["style.alpha"].to(dtype)
    save_file(tensors, tmp_path / "a.safetensors", metadata)
    for read in (read_style_file, read_header):
        with pytest.raises(StyleError, match="its numbers have the type"):
            read(tmp_path / "a.safetensors")


def test_vectors_of_other_shapes(tmp_path: Path) -> None:
    metadata, tensors = contents(write_toy(tmp_path / "good.safetensors"))
    tensors["style.alpha"] = tensors["style.alpha"].view(2, -1)
    save_file(tensors, tmp_path / "a.safetensors", metadata)
    for read in (read_style_file, read_header):
        with pytest.raises(StyleError, match=r"a\.safetensors: .*damaged"):
            read(tmp_path / "a.safetensors")


def test_the_hash_tells_backbones_apart() -> None:
    first, again, other = (dict(toy_network(seed).state_dict()) for seed in (0, 0, 1))
    assert backbone_hash(first) == backbone_hash(again) != backbone_hash(other)
    assert backbone_hash(dict(reversed(first.items()))) == backbone_hash(first)


def test_writing_replaces_only_when_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_toy(tmp_path / "a.safetensors")
    before = path.read_bytes()

    def fail(self: Path, data: bytes) -> None:
        self.open("wb").close()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OutputError, match=r"a\.safetensors: .*No space left"):
        write_toy(path, seed=1)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]
    assert path.read_bytes() == before


def test_writing_into_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.safetensors: "):
        write_toy(tmp_path / "nowhere" / "a.safetensors")


# -- damage ---------------------------------------------------------------------------------


def test_missing(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "a.safetensors")


def test_directory(tmp_path: Path) -> None:
    refusal(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 8,
        b"hello, this is no style at all",
        b"\xff" * 64,
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 4) + b"\xff\xfe{}",
        np.random.default_rng(0).bytes(5000),
    ],
    ids=["empty", "zeros", "text", "ones", "no tensors", "not UTF-8", "noise"],
)
def test_rubbish(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 0.999])
def test_truncated(tmp_path: Path, part: float) -> None:
    path = write_toy(tmp_path / "a.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    assert "damaged" in refusal(path)


def test_a_flipped_bit_in_the_header_is_refused_or_harmless(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "a.safetensors")
    content = path.read_bytes()
    header = 8 + struct.unpack("<Q", content[:8])[0]
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.choice(header, 250, replace=False):
        damaged = bytearray(content)
        damaged[position] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            read_style_file(path).network()
        except StyleError as error:
            assert str(error).startswith(f"{path}: ")
            refused += 1
    assert refused > 100


def test_a_flipped_bit_in_the_backbone_is_noticed(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "a.safetensors")
    with safe_open(path, framework="pt") as stored:
        weight = stored.get_tensor("backbone.conv_down.weight").numpy().tobytes()
    content = bytearray(path.read_bytes())
    content[content.index(weight) + 100] ^= 0b100
    path.write_bytes(content)
    with pytest.raises(StyleError, match="damaged, its weights"):
        read_style_file(path)


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "too large" in refusal(path)


# -- well-formed, but no style of ours ------------------------------------------------------


def drop(key: str) -> Callable[[Contents], None]:
    return lambda stored: stored[0].pop(key) and None


def put(key: str, value: object) -> Callable[[Contents], None]:
    text = value if isinstance(value, str) else json.dumps(value)
    return lambda stored: stored[0].update({key: text})


def tensor(name: str, value: Tensor | None) -> Callable[[Contents], None]:
    def change(stored: Contents) -> None:
        stored[1].pop(name, None)
        if value is not None:
            stored[1][name] = value

    return change


def damaged_vector(value: float) -> Tensor:
    vector = torch.zeros(sum(TINY.style_splits()), dtype=torch.float16)
    vector[5] = value
    return vector


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (drop("format"), "not a vidstyle style"),
        (put("format", "pt"), "not a vidstyle style"),
        (put("version", "2"), "later version of vidstyle; update"),
        (put("version", "one"), "damaged"),
        (drop("version"), "damaged"),
        (drop("architecture"), "damaged"),
        (put("architecture", "{"), "damaged"),
        (put("architecture", [8, 8]), "damaged"),
        (put("architecture", {"wings": 2}), "damaged"),
        (put("architecture", {**TINY.as_dict(), "width": "8"}), "damaged"),
        (put("architecture", {**TINY.as_dict(), "width": -8}), "damaged"),
        (put("architecture", {**TINY.as_dict(), "deep": 64}), "damaged"),
        (drop("backbone_id"), "damaged"),
        (put("backbone_id", "0123456789abcdef"), "damaged"),
        (drop("styles"), "damaged"),
        (put("styles", {}), "do not match"),
        (put("styles", {"alpha": {"name": "alpha"}}), "do not match"),
        (put("styles", {"alpha": {"name": "alpha"}, "photo": {"nom": "photo"}}), "damaged"),
        (put("styles", {"alpha": {"name": "alpha"}, "photo": "photo"}), "damaged"),
        (put("styles", {n: {"name": n, "year": 1893} for n in ("alpha", "photo")}), "damaged"),
        (put("styles", {n: {"name": f"../{n}"} for n in ("alpha", "photo")}), "damaged"),
        (put("styles", {n: {"name": "alpha"} for n in ("alpha", "photo")}), "do not match"),
        (tensor("style.alpha", None), "do not match"),
        (tensor("style.gamma", damaged_vector(0)), "do not match"),
        (tensor("style.alpha", damaged_vector(float("nan"))), "'alpha' is damaged"),
        (tensor("style.alpha", damaged_vector(float("inf"))), "'alpha' is damaged"),
        (tensor("style.alpha", torch.zeros(7)), "'alpha' is damaged"),
        (tensor("backbone.conv_down.weight", None), "damaged|does not fit"),
        (tensor("backbone.extra", torch.zeros(3)), "damaged|does not fit"),
    ],
)
def test_foreign(tmp_path: Path, change: Callable[[Contents], None], reason: str) -> None:
    metadata, tensors = stored = contents(write_toy(tmp_path / "good.safetensors"))
    change(stored)
    path = tmp_path / "a.safetensors"
    save_file(tensors, path, metadata)
    with pytest.raises(StyleError, match=reason) as caught:
        read_style_file(path).network()
    assert str(caught.value).startswith(f"{path}: ")


def test_safetensors_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"weight": torch.ones(3)}, path)
    assert "not a vidstyle style" in refusal(path)


def test_a_backbone_that_does_not_fit_its_description(tmp_path: Path) -> None:
    file = toy_file()
    assert file.backbone is not None
    weight = file.backbone["conv_down.weight"][:-1]
    backbone = {**file.backbone, "conv_down.weight": weight}
    wrong = dataclasses.replace(file, backbone=backbone, backbone_id=backbone_hash(backbone))
    path = write_style_file(wrong, tmp_path / "a.safetensors")
    with pytest.raises(StyleError, match="does not match its architecture"):
        read_style_file(path).network()
