"""VGG19's features, and what is said when its weights cannot be had."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from toys import VGG_LAYOUT, exact_features, toy_photo, toy_vgg

from vidstyle.errors import OptionError, WeightsError
from vidstyle.models.layers import (
    check_layers,
    convolution_names,
    deepest,
    layer_name,
    layer_names,
    parse_layers,
    smallest_side,
)
from vidstyle.models.vgg import VGG19, load_vgg19


def photo() -> Tensor:
    return torch.from_numpy(toy_photo(37, 34)).permute(2, 0, 1)[None].float() / 255


def test_names_are_at_the_indices_of_torchvision() -> None:
    names = convolution_names()
    assert list(names) == [f"conv{name}" for name in VGG_LAYOUT if name != "P"]
    assert list(names.values()) == [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]


def test_features_are_those_of_the_reference() -> None:
    state = toy_vgg()
    layers = [f"relu{name}" for name in VGG_LAYOUT if name != "P"]
    found, expected = VGG19(state)(photo(), layers), exact_features(state, photo())
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


def test_average_pooling() -> None:
    state = toy_vgg()
    found = VGG19(state, "relu4_1", "average")(photo(), ["relu2_1", "relu4_1"])
    expected = exact_features(state, photo(), "average")
    for name, features in found.items():
        torch.testing.assert_close(features.double(), expected[name], rtol=1e-4, atol=1e-4)


def test_what_lies_deeper_than_asked_for_is_not_run() -> None:
    vgg, ran = VGG19(toy_vgg()), []
    for name, conv in zip(vgg.names, vgg.convolutions, strict=True):
        conv.register_forward_hook(lambda *_, name=name: ran.append(name))
    vgg(photo(), ["relu2_1", "relu1_1"])
    assert ran == ["conv1_1", "conv1_2", "conv2_1"]


def test_layers_that_were_not_built_are_named() -> None:
    with pytest.raises(OptionError, match=r"ends with conv2_1, before relu2_2"):
        VGG19(toy_vgg(), "relu2_1")(photo(), ["relu1_1", "relu2_2"])


def test_a_fitted_copy_leaves_the_original_as_it_was() -> None:
    vgg = VGG19(toy_vgg(), "relu3_1")
    before = vgg(photo(), ["relu3_1"])["relu3_1"]
    copy = vgg.fitted(torch.device("cpu"), torch.bfloat16, "average")
    rough = copy(photo(), ["relu1_1"])["relu1_1"]
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(
        rough.float(), vgg(photo(), ["relu1_1"])["relu1_1"], rtol=0.02, atol=0.02
    )
    assert vgg.pooling == "max"
    assert torch.equal(vgg(photo(), ["relu3_1"])["relu3_1"], before)


# -- names of layers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["relu4_2", "conv4_2", "block4_conv2", "4_2", " ReLU4_2 ", "Block4_Conv2"]
)
def test_a_layer_of_any_spelling(text: str) -> None:
    assert layer_name(text) == "relu4_2"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("relu4_5", r"'relu4_5'; did you mean .*relu4_"),
        ("conv1_3", r"'conv1_3'; did you mean .*relu1_"),
        ("block6_conv1", r"did you mean relu5_1 or relu5_2\?"),
        ("pool4", "pool4"),
        ("fc7", "there are relu1_1, .*relu5_4"),
        ("", "there are"),
    ],
)
def test_an_unknown_layer_names_the_nearest(text: str, hint: str) -> None:
    with pytest.raises(OptionError, match=hint):
        layer_name(text)


def test_layers_with_weights() -> None:
    assert parse_layers("relu1_1:1, block2_conv1:0.8,3_1") == (
        ("relu1_1", 1.0),
        ("relu2_1", 0.8),
        ("relu3_1", 1.0),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no layers"),
        (" , ", "no layers"),
        ("relu1_1:-1", "0 or more, not -1"),
        ("relu1_1:nan", "not nan"),
        ("relu1_1:inf", "not inf"),
        ("relu1_1:", "layer relu1_1: weight must be a number, not ''"),
        ("relu1_1:heavy", "weight must be a number, not 'heavy'"),
        ("relu1_1:0,relu2_1:0", "relu1_1, relu2_1 are all zero"),
        ("relu1_1,conv1_1:2", "relu1_1 is given twice"),
        ("relu1_9", "no layer 'relu1_9'"),
    ],
)
def test_senseless_layers(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_layers(text)


def test_checked_layers_go_by_their_usual_names() -> None:
    check_layers((("relu1_1", 1.0), ("relu2_1", 0.0)))
    with pytest.raises(OptionError, match=r"'conv1_1' must be spelled relu1_1"):
        check_layers((("conv1_1", 1.0),))


def test_the_deepest_layer() -> None:
    assert deepest(["relu3_4", "relu4_1", "relu1_2"]) == "relu4_1"


@pytest.mark.parametrize("name", layer_names())
def test_the_smallest_side_has_two_by_two_values(name: str) -> None:
    vgg, side = VGG19(toy_vgg(), name), smallest_side(name)
    assert vgg(torch.zeros(1, 3, side, side), [name])[name].shape[-2:] == (2, 2)
    if side > 2:
        assert min(vgg(torch.zeros(1, 3, side - 1, side), [name])[name].shape[-2:]) < 2


# -- files ----------------------------------------------------------------------------------


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
    expected = exact_features({k: v.float() for k, v in half.items()}, photo())["relu4_2"]
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


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_the_first_blocks_will_do(tmp_path: Path, suffix: str) -> None:
    path, state = tmp_path / f"first{suffix}", toy_vgg()
    first = {name: state[name] for name in state if int(name.split(".")[1]) <= 19}  # conv4_1
    (save_file if suffix == ".safetensors" else torch.save)(first, path)
    found = load_vgg19(path, last="relu4_1")(photo(), ["relu4_1"])["relu4_1"]
    expected = exact_features(state, photo())["relu4_1"]
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(WeightsError, match=r"first\..*: layer conv4_2 is missing.* relu4_3"):
        load_vgg19(path, last="relu4_3")


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
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "/caches/hub")
    with pytest.raises(WeightsError) as caught:
        load_vgg19()
    message = str(caught.value)
    assert "no route to host" in message
    assert "download scheme://place/weights.pth elsewhere" in message
    assert str(Path("/caches/hub/checkpoints")) in message
    assert "--vgg or VIDSTYLE_VGG19" in message
    assert "\n" not in message


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
