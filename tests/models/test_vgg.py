"""VGG19's features, and what is said when its weights cannot be had."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor
from toys import toy_photo, toy_vgg

from vidstyle.errors import WeightsError
from vidstyle.models.vgg import VGG19, convolution_names, load_vgg19

# torchvision's "E" configuration: P pools, and each number is a convolution and its ReLU.
LAYOUT = (
    *("1_1", "1_2", "P"),
    *("2_1", "2_2", "P"),
    *("3_1", "3_2", "3_3", "3_4", "P"),
    *("4_1", "4_2", "4_3", "4_4", "P"),
    *("5_1", "5_2", "5_3", "5_4", "P"),
)


def photo() -> Tensor:
    return torch.from_numpy(toy_photo(37, 34)).permute(2, 0, 1)[None].float() / 255


def reference(state: dict[str, Tensor], image: Tensor) -> dict[str, Tensor]:
    """All features in double precision, walking through torchvision's list of modules."""
    mean = torch.tensor([0.485, 0.456, 0.406]).double().view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).double().view(3, 1, 1)
    x, index, features = (image.double() - mean) / std, 0, {}
    for name in LAYOUT:
        if name == "P":
            x = F.max_pool2d(x, kernel_size=2, stride=2)
            index += 1
            continue
        weight, bias = (state[f"features.{index}.{kind}"].double() for kind in ("weight", "bias"))
        x = F.conv2d(x, weight, bias, padding=1).clamp(min=0)
        features[f"relu{name}"] = x
        index += 2
    return features


def test_names_are_at_the_indices_of_torchvision() -> None:
    names = convolution_names()
    assert list(names) == [f"conv{name}" for name in LAYOUT if name != "P"]
    assert list(names.values()) == [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]


def test_features_are_those_of_the_reference() -> None:
    state = toy_vgg()
    layers = [f"relu{name}" for name in LAYOUT if name != "P"]
    found, expected = VGG19(state)(photo(), layers), reference(state, photo())
    assert found.keys() == expected.keys()
    for name in layers:
        torch.testing.assert_close(found[name].double(), expected[name], rtol=1e-4, atol=1e-4)


def test_a_part_gives_the_same_features_as_the_whole() -> None:
    state, layers = toy_vgg(), ("relu1_1", "relu3_3")
    whole, part = VGG19(state)(photo(), layers), VGG19(state, last="relu3_3")(photo(), layers)
    assert part.keys() == set(layers)
    for name in layers:
        torch.testing.assert_close(part[name], whole[name])
    assert len(list(VGG19(state, last="relu3_3").parameters())) == 2 * 7


def test_it_does_not_learn_but_lets_gradients_through() -> None:
    image = photo().requires_grad_()
    vgg = VGG19(toy_vgg(), last="relu2_1")
    vgg(image, ["relu2_1"])["relu2_1"].sum().backward()
    assert image.grad is not None
    assert image.grad.abs().max() > 0
    assert not any(parameter.requires_grad for parameter in vgg.parameters())


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("by", ["argument", "environment"])
def test_weights_come_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, by: str
) -> None:
    path, state = tmp_path / f"vgg{suffix}", toy_vgg()
    half = {name: tensor.half() for name, tensor in state.items()}
    if suffix == ".pth":
        torch.save(half, path)
    else:
        save_file(half, path)
    if by == "environment":
        monkeypatch.setenv("VIDSTYLE_VGG19", str(path))
    vgg = load_vgg19(path if by == "argument" else None, last="relu4_2")
    expected = reference({k: v.float() for k, v in half.items()}, photo())["relu4_2"]
    found = vgg(photo(), ["relu4_2"])["relu4_2"]
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.path),)


def test_pickles_are_not_run(tmp_path: Path) -> None:
    torch.save({"features.0.weight": Trap(tmp_path / "sprung")}, tmp_path / "vgg.pth")
    with pytest.raises(WeightsError, match=r"vgg\.pth: cannot be read"):
        load_vgg19(tmp_path / "vgg.pth")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kind", ["missing", "directory", "empty", "text", "other", "incomplete"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_what_is_no_vgg19_is_named(tmp_path: Path, kind: str, suffix: str) -> None:
    path, state = tmp_path / f"bad{suffix}", toy_vgg()
    tensors = {"other": {"weight": torch.ones(3)}, "incomplete": dict(list(state.items())[:6])}
    if kind == "directory":
        path.mkdir()
    elif kind in ("empty", "text"):
        path.write_text("" if kind == "empty" else "not weights at all")
    elif kind in tensors:
        (save_file if suffix == ".safetensors" else torch.save)(tensors[kind], path)
    with pytest.raises(WeightsError) as caught:
        load_vgg19(path)
    assert str(caught.value).startswith(f"{path}: ")


def pretend_torchvision(monkeypatch: pytest.MonkeyPatch, download: object) -> None:
    monkeypatch.delenv("VIDSTYLE_VGG19", raising=False)
    models = ModuleType("torchvision.models")
    weights = SimpleNamespace(get_state_dict=download, url="scheme://place/weights.pth")
    models.VGG19_Weights = SimpleNamespace(IMAGENET1K_V1=weights)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)


def test_weights_are_downloaded_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_torchvision(monkeypatch, lambda progress, check_hash: toy_vgg())
    assert load_vgg19(last="relu1_2")(photo(), ["relu1_2"])["relu1_2"].shape == (1, 8, 34, 37)


def test_a_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(progress: bool, check_hash: bool) -> None:
        raise OSError("no route to host")

    pretend_torchvision(monkeypatch, fail)
    with pytest.raises(WeightsError, match=r"no route to host.*--vgg or VIDSTYLE_VGG19"):
        load_vgg19()


def test_a_missing_torchvision_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDSTYLE_VGG19", raising=False)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(WeightsError, match=r"vidstyle\[train\].*--vgg or VIDSTYLE_VGG19"):
        load_vgg19()


@pytest.mark.data
def test_the_real_weights_give_what_torchvision_gives(data: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    path = next(p for p in (data / "vgg19").iterdir() if p.suffix in (".safetensors", ".pth"))
    ours = load_vgg19(path, last="relu4_2")
    theirs = torchvision.models.vgg19(weights=None).features[:23]
    indices = convolution_names()
    for name, conv in zip(ours.names, ours.convolutions, strict=True):
        theirs[indices[name]].load_state_dict(conv.state_dict())
    normalize = torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    expected = theirs(normalize(photo()))
    found = ours(photo(), ["relu4_2"])["relu4_2"]
    assert torch.linalg.norm(found - expected) < 1e-5 * torch.linalg.norm(expected)
