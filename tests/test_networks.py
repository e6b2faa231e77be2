"""The network is Caffe's, its layers are what they claim to be, and wrong weights are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from conftest import SAMPLE_STILL, SHARED_DIR, WEIGHTS_FILE, random_weights
from PIL import Image

from dreamflow.core.errors import SettingsError, WeightsError
from dreamflow.dream.options import DreamOptions
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills import read_picture
from dreamflow.networks.caffe import googlenet
from dreamflow.networks.caffe.graph import INPUT_NODE
from dreamflow.networks.kernels import convolution
from dreamflow.networks.kernels.convolution import FrozenConvolution
from dreamflow.networks.kernels.response_norm import (
    local_response_norm,
    twice_differentiable_response_norm,
)
from dreamflow.networks.loading import find_weights, load_network
from dreamflow.networks.network import Network
from dreamflow.reports.transfer import measure_transfer

SOME_LAYERS = ["conv1/7x7_s2", "conv2/norm2", "inception_3a/5x5", "inception_4c/pool_proj"]


def test_every_caffe_blob_below_the_head_is_a_layer() -> None:
    layers = googlenet.describe_googlenet_layers()
    assert len(layers) == 81
    assert next(iter(layers)) == "conv1/7x7_s2"
    assert layers["inception_4c/output"].channels == 512
    assert layers["inception_5b/output"].channels == 1024
    assert layers["inception_4c/output"].stride == 16
    # By hand: 7, pool 3x3 at stride 2 adds 4, conv 3x3 at stride 4 adds 8.
    assert layers["conv2/3x3"].receptive_field == 19
    assert layers["inception_5b/output"].depth == 21


@pytest.mark.parametrize("channels", [3, 64])
def test_response_norm_is_torchs_in_value_and_gradient(channels: int) -> None:
    x = (torch.randn(2, channels, 7, 5) * 60).requires_grad_()
    upstream = torch.randn(2, channels, 7, 5)
    ours, theirs = local_response_norm(x), F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    (ours_back,) = torch.autograd.grad(ours, x, upstream)
    (theirs_back,) = torch.autograd.grad(theirs, x, upstream)
    torch.testing.assert_close(ours_back, theirs_back, rtol=1e-4, atol=1e-4)


def test_a_truncated_graph_gives_the_same_activations(noise_network: Network) -> None:
    image = torch.rand(1, 3, 70, 90)
    whole = noise_network.activations(image, list(noise_network.layers))
    for name in SOME_LAYERS:
        alone = noise_network.activations(image, [name])[name]
        assert torch.equal(alone, whole[name]), name


def test_only_what_a_layer_needs_is_computed(noise_network: Network) -> None:
    needed = noise_network.find_required_layers(("inception_3a/5x5",))
    assert needed[-1] == "inception_3a/5x5"
    assert "inception_3a/3x3" not in needed
    assert not any(name.startswith("inception_3b") for name in needed)


@pytest.mark.parametrize("name", SOME_LAYERS)
def test_facts_of_a_layer_hold_on_its_activations(noise_network: Network, name: str) -> None:
    facts = noise_network.layers[name]
    side = max(facts.receptive_field + 4 * facts.stride, 64)
    image = torch.rand(1, 3, side, side, requires_grad=True)
    found = noise_network.activations(image, [name])[name]
    assert found.shape[1] == facts.channels
    assert abs(found.shape[2] - side / facts.stride) <= 1
    middle = found.shape[2] // 2
    (reach,) = torch.autograd.grad(found[0, :, middle, middle].sum(), image)
    rows = torch.nonzero(reach.abs().sum((0, 1, 3))).flatten()
    # The response norm reaches over channels only, so the field is that of the convolutions.
    assert int(rows.max() - rows.min()) + 1 <= facts.receptive_field


@pytest.mark.parametrize("name", ["conv1/7x7_s2", "inception_3a/1x1", "inception_5b/output"])
def test_the_smallest_picture_is_the_smallest(noise_network: Network, name: str) -> None:
    side = noise_network.layers[name].smallest
    assert noise_network.activations(torch.rand(1, 3, side, side), [name])[name].numel() > 0
    if side > 1:
        with pytest.raises(SettingsError, match=f"too small for {name}.*--size"):
            noise_network.activations(torch.rand(1, 3, side - 1, side), [name])


def test_a_mistyped_layer_names_the_nearest(noise_network: Network) -> None:
    with pytest.raises(SettingsError, match="did you mean inception_4c/output"):
        noise_network.layer("Inception_4c/outputt")


def change_missing(weights: dict[str, torch.Tensor]) -> None:
    del weights["inception_4c/3x3.bias"]


def change_shape(weights: dict[str, torch.Tensor]) -> None:
    weights["conv2/3x3.weight"] = torch.zeros(192, 64, 5, 5)


def change_nan(weights: dict[str, torch.Tensor]) -> None:
    weights["conv2/3x3.weight"][0, 0, 0, 0] = float("nan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_missing, r"inception_4c/3x3\.bias is missing"),
        (change_shape, r"conv2/3x3\.weight is \(192, 64, 5, 5\), not \(192, 64, 3, 3\)"),
        (change_nan, "NaN"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], None], message: str
) -> None:
    weights = random_weights()
    change(weights)
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(weights, path)
    with pytest.raises(WeightsError, match=message) as raised:
        load_network("googlenet", path, "cpu")
    assert str(path) in str(raised.value)


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    torch.save(random_weights(), path)
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_network("googlenet", path, "cpu")


def test_half_precision_weights_are_taken(tmp_path: Path) -> None:
    halves = {key: tensor.half() for key, tensor in random_weights().items()}
    safetensors.torch.save_file(halves, tmp_path / "w.safetensors")
    network = load_network("googlenet", tmp_path / "w.safetensors", "cpu")
    found = network.activations(torch.rand(1, 3, 32, 32), ["conv2/3x3"])["conv2/3x3"]
    assert found.dtype == torch.float32 and len(network.weights_hash) == 64


def test_weights_are_searched_at_home_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    cache = tmp_path / "cache" / "dreamflow" / "weights"
    home = tmp_path / "home" / "weights"
    with pytest.raises(WeightsError) as raised:
        find_weights("googlenet")
    assert str(home) in str(raised.value) and str(cache) in str(raised.value)
    for folder in (cache, home):
        folder.mkdir(parents=True)
        (folder / "bvlc_googlenet.safetensors").write_bytes(b"")
        assert find_weights("googlenet").parent == folder
    with pytest.raises(WeightsError, match="no such file"):
        find_weights("googlenet", tmp_path / "other.safetensors")


def test_unknown_network_and_device_are_refused() -> None:
    with pytest.raises(SettingsError, match="did you mean googlenet"):
        load_network("goglenet")
    with pytest.raises(SettingsError, match=r"--device 'gpu'.*cuda:1 or mps"):
        from dreamflow.core.machine.device import choose_device

        choose_device("gpu")


@pytest.mark.weights
@pytest.mark.clips
def test_it_classifies_photographs(real_network: Network) -> None:
    tensors = safetensors.torch.load_file(WEIGHTS_FILE)
    weight, bias = tensors["loss3/classifier.weight"], tensors["loss3/classifier.bias"]
    photos = sorted((SHARED_DIR / "photos" / "classify").glob("*.jpg"))
    right = 0
    for path in photos:
        photo = Image.open(path).convert("RGB")
        scale = 256 / min(photo.size)
        photo = photo.resize((round(photo.width * scale), round(photo.height * scale)))
        left, top = (photo.width - 224) // 2, (photo.height - 224) // 2
        pixels = np.asarray(photo.crop((left, top, left + 224, top + 224)))
        image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            last = real_network.activations(image, ["inception_5b/output"])
        scores = last["inception_5b/output"].mean((2, 3)) @ weight.flatten(1).T + bias
        right += int(scores.argmax()) == int(path.name[:3])
    assert len(photos) == 14
    assert right >= 12


def test_a_pocket_comes_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DREAMFLOW_HOME", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: "/nowhere")
    path = find_weights(DreamOptions.network)
    assert path.stat().st_size < 6_000_000
    assert path.with_suffix(".md").is_file(), "its model card"
    with safetensors.safe_open(path, "pt") as file:  # type: ignore[no-untyped-call]
        note = file.metadata()
    assert note["teacher"] == "googlenet" and "photographs" in note["data"]
    network = load_network(device="cpu")
    full = googlenet.describe_googlenet_layers()
    for name, layer in network.layers.items():
        assert layer.channels == full[name].channels, name
        assert layer.stride == full[name].stride and layer.category == full[name].category
    assert not any(name.startswith("~") for name in network.layers)
    assert "inception_4e/output" in network.layers


@pytest.mark.weights
@pytest.mark.clips
def test_the_pockets_dreams_are_the_teachers(real_network: Network) -> None:
    photos = [
        read_picture(SHARED_DIR / "photos" / "public" / name)
        for name in ("sky1024px.jpg", "cat_chelsea.png")
    ]
    small = [
        resize_picture(photo, 192, round(192 * photo.shape[0] / photo.shape[1])) for photo in photos
    ]
    layers = ("conv2/3x3", "inception_3b/output", "inception_4c/output")
    options = DreamOptions(octaves=3)
    found = dict(measure_transfer(load_network(device="cpu"), real_network, small, layers, options))
    assert min(found.values()) > 0.5 and sum(found.values()) / 3 > 0.65, found


@pytest.mark.parametrize("size", [(64, 64), (65, 98), (7, 9), (2, 3), (1, 1)])
@pytest.mark.parametrize("shape", [(3, 7, 2, 3), (5, 1, 1, 0), (4, 3, 1, 1), (4, 5, 1, 2)])
@pytest.mark.parametrize("masked", [False, True])
def test_a_frozen_convolution_is_a_convolution_and_a_relu(
    size: tuple[int, int], shape: tuple[int, int, int, int], masked: bool
) -> None:
    channels, kernel, stride, pad = shape
    made = torch.Generator().manual_seed(0)
    weight = torch.randn(8, channels, kernel, kernel, generator=made)
    bias = torch.randn(8, generator=made)
    x = torch.randn(2, channels, *size, generator=made, requires_grad=True)
    plain = F.conv2d(x, weight, bias, stride, pad).relu()
    ours = FrozenConvolution(weight, bias, stride, pad)(x, masked)
    grad = torch.randn(plain.shape, generator=made)
    if masked:
        grad = grad * (plain > 0)
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)
    (one,), (other,) = torch.autograd.grad(ours, x, grad), torch.autograd.grad(plain, x, grad)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def plainly(network: Network, image: torch.Tensor, wanted: str) -> torch.Tensor:
    """Return a layer's activations with PyTorch's own operations, one after the other."""
    known = {INPUT_NODE: network.preprocess(image).contiguous()}
    for name in network.find_required_layers((wanted,)):
        node = network.nodes[name]
        first = known[node.inputs[0]]
        if node.kind == "conv":
            weight, bias = network.get_weight_and_bias(node)
            known[name] = F.conv2d(first, weight.contiguous(), bias, node.stride, node.pad).relu()
        elif node.kind == "norm":
            known[name] = F.local_response_norm(first, 5, 1e-4, 0.75, 1.0)
        elif node.kind == "pool":
            known[name] = F.max_pool2d(first, node.kernel, node.stride, node.pad, ceil_mode=True)
        else:
            known[name] = torch.cat([known[source] for source in node.inputs], dim=1)
    return known[wanted]


def check_against_plain(network: Network, image: torch.Tensor, layer: str) -> None:
    image = image.requires_grad_(True)
    ours, plain = network.activations(image, [layer])[layer], plainly(network, image, layer)
    torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-4 * float(plain.detach().max()))
    one, other = (
        torch.autograd.grad(found, image, found.detach())[0].flatten() for found in (ours, plain)
    )
    assert float(one @ other / one.norm() / other.norm()) > 0.99999
    assert float((one - other).norm() / other.norm()) < 1e-3


LAYERS_OF_EACH_KIND = (
    *("conv1/7x7_s2", "pool1/3x3_s2", "pool1/norm1", "conv2/norm2", "pool2/3x3_s2"),
    *("inception_3a/pool", "inception_3b/5x5", "inception_4a/output"),
)


@pytest.mark.parametrize("layer", LAYERS_OF_EACH_KIND)
@pytest.mark.parametrize("onednn", [True, False])
def test_the_fast_way_is_the_plain_way(
    noise_network: Network, layer: str, onednn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not onednn:
        monkeypatch.setattr(convolution, "find_onednn_convolution", lambda: None)
    image = torch.rand(1, 3, 75, 98, generator=torch.Generator().manual_seed(1))
    check_against_plain(noise_network, image, layer)


@pytest.mark.weights
@pytest.mark.parametrize("layer", ["inception_3b/5x5_reduce", "inception_4c/output"])
def test_the_fast_way_is_the_plain_way_on_real_weights(real_network: Network, layer: str) -> None:
    picture = torch.from_numpy(read_picture(SAMPLE_STILL)[:240, :320].copy())
    check_against_plain(real_network, picture.permute(2, 0, 1)[None].float() / 255, layer)


def test_the_plain_normalisation_is_the_same() -> None:
    x = torch.rand(2, 40, 6, 5) * 200
    torch.testing.assert_close(twice_differentiable_response_norm(x), local_response_norm(x))


def test_googlenets_weights_for_a_pocket_are_told_apart(tmp_path: Path) -> None:
    safetensors.torch.save_file(random_weights(), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="add --network googlenet"):
        load_network("pocket", tmp_path / "w.safetensors", "cpu")
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="do not fit pocket"):
        load_network("pocket", tmp_path / "w.safetensors", "cpu")
