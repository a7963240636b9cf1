"""The network as an ONNX graph draws as torch does, whatever the size and the company."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator
from toys import TINY, toy_network, toy_photo, toy_vector

from vidstyle.models.graph import transfer_model
from vidstyle.models.transformer import Architecture, TransformerNet
from vidstyle.styles import load_style
from vidstyle.stylizers import FastOptions, FastStylizer

Session = onnxruntime.InferenceSession


def session(model: onnx.ModelProto) -> Session:
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return Session(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def photos(height: int, width: int, count: int = 2) -> np.ndarray:
    """Different ones: N×3×H×W in [0, 1]."""
    stacked = np.stack([toy_photo(width, height, seed) for seed in range(count)])
    return np.ascontiguousarray(stacked.transpose(0, 3, 1, 2) / np.float32(255))


@torch.inference_mode()
def drawn(network: TransformerNet, vector: torch.Tensor, images: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(images), vector[None]).clamp(0, 1).numpy()


def psnr(a: np.ndarray, b: np.ndarray, peak: float = 1.0) -> float:
    error = np.square(a.astype(float) - b).mean()
    return float(10 * np.log10(peak**2 / (error + 1e-15)))


@pytest.fixture(scope="module")
def toy() -> tuple[TransformerNet, torch.Tensor, Session]:
    network = toy_network()
    vector = toy_vector(network)
    return network, vector, session(transfer_model(network, vector))


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 17), (5, 3), (15, 100), (16, 16), (17, 15), (48, 64), (61, 97), (160, 83)],
)
def test_any_size_is_drawn_as_by_torch(
    toy: tuple[TransformerNet, torch.Tensor, Session], height: int, width: int
) -> None:
    network, vector, model = toy
    images = photos(height, width)
    (painting,) = model.run(["painting"], {"image": images})
    assert painting.dtype == np.float32
    assert painting.shape == images.shape
    np.testing.assert_allclose(painting, drawn(network, vector, images), rtol=0, atol=1e-4)


def test_company_does_not_matter(toy: tuple[TransformerNet, torch.Tensor, Session]) -> None:
    *_, model = toy
    images = photos(72, 64, 4)
    images[1] *= 0.05
    images[2] = 0.5  # flat: nothing to draw
    (together,) = model.run(None, {"image": images})
    for number in range(4):
        (alone,) = model.run(None, {"image": images[number : number + 1]})
        np.testing.assert_allclose(together[number], alone[0], rtol=0, atol=1e-6)
    assert np.ptp(together[2], axis=(1, 2)).max() < 1e-4
    assert np.ptp(together[0], axis=(1, 2)).min() > 0.1


def test_colours_are_clamped(toy: tuple[TransformerNet, torch.Tensor, Session]) -> None:
    *_, model = toy
    (painting,) = model.run(None, {"image": 4 * photos(64, 64) - 1.5})
    assert (painting.min(), painting.max()) == (0, 1)


@pytest.mark.parametrize(
    "architecture",
    [
        replace(TINY, deep_blocks=2, fine_blocks=0),
        replace(TINY, deep_blocks=0, fine_blocks=2, half=12),
        replace(TINY, margin=0),
    ],
)
def test_other_architectures(architecture: Architecture) -> None:
    network = toy_network(1, architecture)
    vector, images = toy_vector(network), photos(45, 70)
    (painting,) = session(transfer_model(network, vector)).run(None, {"image": images})
    np.testing.assert_allclose(painting, drawn(network, vector, images), rtol=0, atol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", ["scream", "wave"])
def test_bundled_styles(name: str, precision: str) -> None:
    style, images = load_style(name), photos(93, 140)
    model = session(transfer_model(style.network, style.vector, precision))
    (painting,) = model.run(None, {"image": images})
    expected = drawn(style.network, style.vector, images)
    assert psnr(painting, expected) > {"fp32": 100, "fp16": 50}[precision]
    assert np.abs(expected - images).mean() > 0.05


def test_half_precision_halves_the_file_and_keeps_input_and_output() -> None:
    network = toy_network()
    vector = toy_vector(network)
    full, half = (transfer_model(network, vector, p) for p in ("fp32", "fp16"))
    kinds = {c.name: c.data_type for c in half.graph.initializer}
    weights = {n: k for n, k in kinds.items() if n.endswith("weight")}
    assert set(weights.values()) == {TensorProto.FLOAT16}
    assert len(weights) == 11
    assert half.ByteSize() < 0.65 * full.ByteSize()
    assert full.graph.input == half.graph.input
    assert full.graph.output == half.graph.output


def test_half_precision_lets_the_photo_pass_in_full() -> None:
    network, images = toy_network(), photos(50, 40) + np.float32(1e-4)
    model = session(transfer_model(network, network.identity_style(), "fp16"))
    (painting,) = model.run(None, {"image": images})
    np.testing.assert_allclose(painting, images.clip(0, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_whole_numbers_are_those_of_the_product(precision: str) -> None:
    style = load_style("wave")
    images = np.stack([toy_photo(97, 61, seed) for seed in range(2)])
    model = session(transfer_model(style.network, style.vector, precision, "uint8"))
    (painting,) = model.run(None, {"image": images})
    assert painting.dtype == np.uint8
    assert painting.shape == images.shape
    expected = FastStylizer(style, FastOptions(device="cpu", precision="fp32"))(images)
    assert psnr(painting, expected, 255) > {"fp32": 80, "fp16": 50}[precision]
    if precision == "fp32":
        assert np.abs(painting.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("pixels", ["float", "uint8"])
def test_the_style_as_an_input(precision: str, pixels: str) -> None:
    network = toy_network()
    model = session(transfer_model(network, None, precision, pixels))
    images = photos(40, 56)
    if pixels == "uint8":
        images = np.ascontiguousarray((255 * images).round().astype(np.uint8).transpose(0, 2, 3, 1))
    for seed in range(2):
        vector = toy_vector(network, seed)
        own = session(transfer_model(network, vector, precision, pixels))
        (expected,) = own.run(None, {"image": images})
        (painting,) = model.run(None, {"image": images, "style": vector[None].numpy()})
        gap = np.abs(painting.astype(float) - expected).max()
        assert gap <= (1 if pixels == "uint8" else 1e-3)


def test_what_the_file_declares() -> None:
    network = toy_network()
    float_, uint8 = (transfer_model(network, None, pixels=p) for p in ("float", "uint8"))
    for model, sizes in (
        (float_, ["batch", 3, "height", "width"]),
        (uint8, ["batch", "height", "width", 3]),
    ):
        image, style = session(model).get_inputs()
        (painting,) = session(model).get_outputs()
        assert (image.name, image.shape) == ("image", sizes)
        assert (style.name, style.shape) == ("style", [1, network.style_size])
        assert (painting.name, painting.shape) == ("painting", sizes)
        assert image.type == painting.type
        assert (model.opset_import[0].version, model.ir_version) == (13, 7)


@pytest.mark.slow
def test_a_runtime_that_really_computes_in_half_precision() -> None:
    """ONNX's reference sums in the type that it is given; ONNX Runtime's CPU kernels widen it."""
    style, images = load_style("scream"), photos(40, 56, 1)
    model = ReferenceEvaluator(transfer_model(style.network, style.vector, "fp16"))
    (painting,) = model.run(None, {"image": images})
    assert psnr(painting, drawn(style.network, style.vector, images)) > 60


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_openvino_draws_the_same(precision: str) -> None:
    openvino = pytest.importorskip("openvino")
    style = load_style("scream")
    core = openvino.Core()
    data = transfer_model(style.network, style.vector, precision).SerializeToString()
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    model = core.compile_model(core.read_model(data), "CPU", hints)
    for height, width in ((7, 30), (61, 97)):
        images = photos(height, width)
        painting = model({"image": images})["painting"]
        assert psnr(painting, drawn(style.network, style.vector, images)) > 50
