"""GoogLeNet as Caffe has it, its layers' facts, its kernels, and the pocket network."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from conftest import SAMPLE_STILL, SHARED_DIR, WEIGHTS_FILE, CommandResult, random_weights
from PIL import Image

from dreamflow.core.errors import SettingsError, WeightsError
from dreamflow.core.machine.device import choose_device
from dreamflow.dream.options import DreamOptions
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills.read import read_picture
from dreamflow.networks.caffe import googlenet
from dreamflow.networks.caffe.graph import GraphNetwork
from dreamflow.networks.caffe.node import INPUT_NODE
from dreamflow.networks.caffe.operations import Pool, Siblings
from dreamflow.networks.kernels.convolution import FrozenConvolution
from dreamflow.networks.kernels.max_pool import MaxPool
from dreamflow.networks.kernels.response_norm import (
    local_response_norm,
    response_norm_gradient,
    twice_differentiable_response_norm,
)
from dreamflow.networks.kernels.selection import (
    KernelChoice,
    describe_kernels,
    onednn_convolution_works,
    passes_self_test,
    pool_gradient_without_input_works,
)
from dreamflow.networks.loading import find_weights, load_network
from dreamflow.networks.network import Network
from dreamflow.networks.weights.registry import DEFAULT_NETWORK
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
def test_response_norm_equals_pytorchs_in_value_and_gradient(channels: int) -> None:
    x = (torch.randn(2, channels, 7, 5) * 60).requires_grad_()
    upstream = torch.randn(2, channels, 7, 5)
    theirs = F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)
    ours, roots = local_response_norm(x.detach())
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    ours_back = response_norm_gradient(upstream, x.detach(), roots)
    (theirs_back,) = torch.autograd.grad(theirs, x, upstream)
    torch.testing.assert_close(ours_back, theirs_back, rtol=1e-4, atol=1e-4)


def test_a_truncated_graph_gives_the_same_activations(noise_network: Network) -> None:
    image = torch.rand(1, 3, 70, 90)
    whole = noise_network.activations(image, list(noise_network.layers))
    for name in SOME_LAYERS:
        alone = noise_network.activations(image, [name])[name]
        assert torch.equal(alone, whole[name]), name


def test_only_what_a_layer_needs_is_computed(noise_network: GraphNetwork) -> None:
    needed = noise_network.find_required_layers(("inception_3a/5x5",))
    assert needed[-1] == "inception_3a/5x5"
    assert "inception_3a/3x3" not in needed
    assert not any(name.startswith("inception_3b") for name in needed)


@pytest.mark.parametrize("name", SOME_LAYERS)
def test_a_layers_facts_hold_for_its_activations(noise_network: Network, name: str) -> None:
    facts = noise_network.layers[name]
    assert facts.receptive_field is not None
    side = max(facts.receptive_field + 4 * facts.stride, 64)
    image = torch.rand(1, 3, side, side, requires_grad=True)
    maps = noise_network.activations(image, [name])[name]
    assert maps.shape[1] == facts.channels
    assert abs(maps.shape[2] - side / facts.stride) <= 1
    middle = maps.shape[2] // 2
    (gradient,) = torch.autograd.grad(maps[0, :, middle, middle].sum(), image)
    rows = torch.nonzero(gradient.abs().sum((0, 1, 3))).flatten()
    # The response norm reaches over channels only, so the field is that of the convolutions.
    assert int(rows.max() - rows.min()) + 1 <= facts.receptive_field


@pytest.mark.parametrize("name", ["conv1/7x7_s2", "inception_3a/1x1", "inception_5b/output"])
def test_an_image_below_the_smallest_side_is_refused(noise_network: Network, name: str) -> None:
    side = noise_network.layers[name].smallest
    assert noise_network.activations(torch.rand(1, 3, side, side), [name])[name].numel() > 0
    if side > 1:
        with pytest.raises(SettingsError, match=f"too small for {name}") as raised:
            noise_network.activations(torch.rand(1, 3, side - 1, side), [name])
        assert raised.value.setting == "size"
        assert raised.value.allowed == f"at least {side} pixels a side"


def test_a_mistyped_layer_gets_the_nearest_names(noise_network: Network) -> None:
    with pytest.raises(SettingsError, match="did you mean inception_4c/output") as raised:
        noise_network.layer("Inception_4c/outputt")
    assert (raised.value.setting, raised.value.value) == ("layer", "Inception_4c/outputt")


def remove_bias(weights: dict[str, torch.Tensor]) -> None:
    del weights["inception_4c/3x3.bias"]


def change_shape(weights: dict[str, torch.Tensor]) -> None:
    weights["conv2/3x3.weight"] = torch.zeros(192, 64, 5, 5)


def insert_nan(weights: dict[str, torch.Tensor]) -> None:
    weights["conv2/3x3.weight"][0, 0, 0, 0] = float("nan")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (remove_bias, r"inception_4c/3x3\.bias is missing"),
        (change_shape, r"conv2/3x3\.weight is \(192, 64, 5, 5\), not \(192, 64, 3, 3\)"),
        (insert_nan, "NaN"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], None], reason: str
) -> None:
    weights = random_weights()
    change(weights)
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(weights, path)
    with pytest.raises(WeightsError, match=reason) as raised:
        load_network("googlenet", path, "cpu")
    assert raised.value.where == str(path)


def test_a_pickle_named_safetensors_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    torch.save(random_weights(), path)
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_network("googlenet", path, "cpu")


def test_weights_in_float16_are_loaded(tmp_path: Path) -> None:
    halves = {key: tensor.half() for key, tensor in random_weights().items()}
    safetensors.torch.save_file(halves, tmp_path / "w.safetensors")
    network = load_network("googlenet", tmp_path / "w.safetensors", "cpu")
    maps = network.activations(torch.rand(1, 3, 32, 32), ["conv2/3x3"])["conv2/3x3"]
    assert maps.dtype == torch.float32
    assert len(network.weights_hash) == 64


def test_dreamflow_home_is_searched_before_the_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    cache = tmp_path / "cache" / "dreamflow" / "weights"
    home = tmp_path / "home" / "weights"
    with pytest.raises(WeightsError) as raised:
        find_weights("googlenet")
    assert raised.value.setting == "weights"
    assert raised.value.where == f"{home} and {cache}"
    for folder in (cache, home):
        folder.mkdir(parents=True)
        (folder / "bvlc_googlenet.safetensors").write_bytes(b"")
        assert find_weights("googlenet").parent == folder
    missing = tmp_path / "other.safetensors"
    with pytest.raises(WeightsError, match="no such file") as raised:
        find_weights("googlenet", missing)
    assert raised.value.value == str(missing)


def test_an_unknown_network_and_an_unknown_device_are_refused() -> None:
    with pytest.raises(SettingsError, match="did you mean googlenet") as raised:
        load_network("goglenet")
    assert raised.value.setting == "network"
    with pytest.raises(SettingsError, match="'gpu'"):
        choose_device("gpu")


@pytest.mark.weights
@pytest.mark.clips
def test_googlenet_classifies_photographs(real_network: Network) -> None:
    tensors = safetensors.torch.load_file(WEIGHTS_FILE)
    weight, bias = tensors["loss3/classifier.weight"], tensors["loss3/classifier.bias"]
    photos = sorted((SHARED_DIR / "photos" / "classify").glob("*.jpg"))
    correct = 0
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
        correct += int(scores.argmax()) == int(path.name[:3])
    assert len(photos) == 14
    assert correct >= 12


def test_a_pocket_is_shipped_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DREAMFLOW_HOME", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: "/nowhere")
    assert DreamOptions.network == DEFAULT_NETWORK
    path = find_weights(DEFAULT_NETWORK)
    assert path.stat().st_size < 6_000_000
    assert path.with_suffix(".md").is_file(), "its model card"
    with safetensors.safe_open(path, "pt") as file:  # type: ignore[no-untyped-call]
        metadata = file.metadata()
    assert metadata["teacher"] == "googlenet"
    assert "photographs" in metadata["data"]
    network = load_network(device="cpu")
    full = googlenet.describe_googlenet_layers()
    for name, layer in network.layers.items():
        assert layer.channels == full[name].channels, name
        assert layer.stride == full[name].stride
        assert layer.category == full[name].category
    assert not any(name.startswith("~") for name in network.layers)
    assert "inception_4e/output" in network.layers


@pytest.mark.weights
@pytest.mark.clips
def test_the_pockets_dreams_satisfy_the_teacher(real_network: Network) -> None:
    photos = [
        read_picture(SHARED_DIR / "photos" / "public" / name)
        for name in ("sky1024px.jpg", "cat_chelsea.png")
    ]
    small = [
        resize_picture(photo, 192, round(192 * photo.shape[0] / photo.shape[1])) for photo in photos
    ]
    layers = ("conv2/3x3", "inception_3b/output", "inception_4c/output")
    options = DreamOptions(octaves=3)
    pocket = load_network(device="cpu")
    transfer = dict(measure_transfer(pocket, real_network, small, layers, options))
    assert min(transfer.values()) > 0.5, transfer
    assert sum(transfer.values()) / 3 > 0.65, transfer


@pytest.mark.parametrize("size", [(64, 64), (65, 98), (7, 9), (2, 3), (1, 1)])
@pytest.mark.parametrize("shape", [(3, 7, 2, 3), (5, 1, 1, 0), (4, 3, 1, 1), (4, 5, 1, 2)])
@pytest.mark.parametrize("kernels", ["auto", "plain"])
@pytest.mark.parametrize("has_relu", [True, False])
def test_a_frozen_convolution_is_a_convolution_and_a_relu(
    size: tuple[int, int], shape: tuple[int, int, int, int], kernels: KernelChoice, has_relu: bool
) -> None:
    channels, kernel, stride, pad = shape
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(8, channels, kernel, kernel, generator=generator)
    bias = torch.randn(8, generator=generator)
    x = torch.randn(2, channels, *size, generator=generator, requires_grad=True)
    expected = F.conv2d(x, weight, bias, stride, pad)
    expected = expected.relu() if has_relu else expected
    layer = FrozenConvolution(weight, bias, stride, pad, kernels, has_relu=has_relu)
    actual = layer(x)
    grad = torch.randn(expected.shape, generator=generator)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    (back,) = torch.autograd.grad(actual, x, grad)
    (expected_back,) = torch.autograd.grad(expected, x, grad)
    torch.testing.assert_close(back, expected_back, rtol=1e-4, atol=1e-3)


def test_a_frozen_convolution_returns_to_sizes_that_it_has_seen() -> None:
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(8, 4, 3, 3, generator=generator), torch.zeros(8)
    convolution = FrozenConvolution(weight, bias, 1, 1)
    sizes = [(side, side + 3) for side in range(5, 45, 3)]
    for size in [*sizes, *reversed(sizes), *sizes[:3] * 2]:
        x = torch.randn(1, 4, *size, generator=generator)
        expected = F.conv2d(x, weight, bias, 1, 1).relu()
        torch.testing.assert_close(convolution(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("missing", [None, 0, 2])
def test_sibling_convolutions_are_those_that_they_are_made_of(missing: int | None) -> None:
    generator = torch.Generator().manual_seed(0)
    layers = [
        FrozenConvolution(torch.randn(n, 5, 1, 1, generator=generator), torch.zeros(n), 1, 0)
        for n in (3, 8, 2)
    ]
    x = torch.randn(2, 5, 9, 7, generator=generator, requires_grad=True)
    siblings = Siblings(layers)
    expected, (actual, kept) = [layer(x) for layer in layers], siblings.compute(x.detach())
    torch.testing.assert_close(list(actual), expected)
    grads = [torch.randn(part.shape, generator=generator) for part in expected]
    given = [None if number == missing else grad for number, grad in enumerate(grads)]
    (back,) = siblings.pull_back(given, kept, x.shape)
    used = [number for number in range(len(layers)) if number != missing]
    (expected_back,) = torch.autograd.grad(
        [expected[number] for number in used], x, [grads[number] for number in used]
    )
    torch.testing.assert_close(back, expected_back)


@pytest.mark.skipif(not onednn_convolution_works(torch.float32), reason="needs oneDNN")
def test_a_weight_is_kept_once_for_the_sizes_that_want_it_alike() -> None:
    convolution = FrozenConvolution(torch.randn(8, 4, 3, 3), torch.zeros(8), 1, 1)
    before = count_reordered_weights()
    for side in range(24, 48, 3):
        convolution(torch.randn(1, 4, side, side + 5))
    assert 1 <= count_reordered_weights() - before <= 3


def count_reordered_weights() -> int:
    """Return how many weights in a layout of oneDNN's this process holds."""
    tensors = (thing for thing in gc.get_objects() if type(thing) is torch.Tensor)
    return len({id(tensor) for tensor in tensors if tensor.is_mkldnn})


@pytest.mark.parametrize("kernels", ["auto", "plain"])
@pytest.mark.parametrize("masked", [False, True])
def test_max_pool_equals_pytorchs_in_value_and_gradient(
    masked: bool, kernels: KernelChoice
) -> None:
    before = torch.randn(1, 8, 13, 10, generator=torch.Generator().manual_seed(0))
    before.requires_grad_()
    relu = before.relu().contiguous(memory_format=torch.channels_last)
    expected = F.max_pool2d(relu if masked else before, 3, 2, 0, ceil_mode=True)
    # With the mask, the ReLU's own gradient is part of the pool's.
    pool = Pool(MaxPool(3, 2, 0, kernels), masks_relu=masked)
    (actual,), kept = pool.compute((relu if masked else before).detach())
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)
    (back,) = pool.pull_back([torch.ones_like(actual)], kept, before.shape)
    (expected_back,) = torch.autograd.grad(expected.sum(), before)
    torch.testing.assert_close(back, expected_back, rtol=0, atol=0)


def test_an_operator_that_raises_or_differs_fails_its_self_test() -> None:
    ones = torch.ones(4)

    def missing() -> torch.Tensor:
        raise AttributeError("no such operator")

    assert passes_self_test("same", lambda: ones, lambda: ones, 0.0)
    assert passes_self_test("close", lambda: ones * 1.01, lambda: ones, 0.02)
    assert not passes_self_test("different", lambda: ones * 1.01, lambda: ones, 0.001)
    assert not passes_self_test("nan", lambda: ones * torch.nan, lambda: ones, 0.001)
    assert not passes_self_test("of another shape", lambda: ones[:2], lambda: ones, 0.001)
    assert not passes_self_test("missing", missing, lambda: ones, 0.001)


def test_the_kernels_in_use_are_described(cli: Callable[..., CommandResult]) -> None:
    description = describe_kernels()
    assert ("oneDNN" in description) == onednn_convolution_works(torch.float32)
    assert ("not kept" in description) == pool_gradient_without_input_works()
    assert not onednn_convolution_works(torch.float16)
    assert "kernels" in cli("doctor").out


def compute_with_public_operators(
    network: GraphNetwork, image: torch.Tensor, layer: str
) -> torch.Tensor:
    activations = {INPUT_NODE: network.preprocess(image).contiguous()}
    for name in network.find_required_layers((layer,)):
        node = network.nodes[name]
        x = activations[node.inputs[0]]
        if node.kind == "conv":
            weight, bias = network.get_weight_and_bias(node)
            maps = F.conv2d(x, weight.contiguous(), bias, node.stride, node.pad).relu()
        elif node.kind == "norm":
            maps = F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)
        elif node.kind == "pool":
            maps = F.max_pool2d(x, node.kernel, node.stride, node.pad, ceil_mode=True)
        else:
            maps = torch.cat([activations[source] for source in node.inputs], dim=1)
        activations[name] = maps
    return activations[layer]


def check_against_public_operators(network: GraphNetwork, image: torch.Tensor, layer: str) -> None:
    image = image.requires_grad_(True)
    actual = network.activations(image, [layer])[layer]
    expected = compute_with_public_operators(network, image, layer)
    tolerance = 1e-4 * float(expected.detach().max())
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=tolerance)
    back, expected_back = (
        torch.autograd.grad(maps, image, maps.detach())[0].flatten() for maps in (actual, expected)
    )
    assert float(back @ expected_back / back.norm() / expected_back.norm()) > 0.99999
    assert float((back - expected_back).norm() / expected_back.norm()) < 1e-3


def test_gradients_of_several_layers_are_asked_for_one_by_one(noise_network: GraphNetwork) -> None:
    names = ["inception_3a/5x5_reduce", "inception_3a/output", "inception_3b/output"]
    image = torch.rand(1, 3, 75, 98, generator=torch.Generator().manual_seed(1), requires_grad=True)
    maps = noise_network.activations(image, names)
    for name in [*names, names[1]]:
        (alone,) = noise_network.activations(image, [name]).values()
        (expected,) = torch.autograd.grad(alone.square().sum(), image)
        (actual,) = torch.autograd.grad(maps[name].square().sum(), image, retain_graph=True)
        torch.testing.assert_close(actual, expected)
    total = torch.stack([layer.square().sum() for layer in maps.values()]).sum()
    (together,) = torch.autograd.grad(total, image)
    assert bool(together.any())
    with pytest.raises(RuntimeError):  # what the gradient needed has been freed
        torch.autograd.grad(total, image)


LAYERS_OF_EACH_KIND = (
    *("conv1/7x7_s2", "pool1/3x3_s2", "pool1/norm1", "conv2/norm2", "pool2/3x3_s2"),
    *("inception_3a/pool", "inception_3b/5x5", "inception_4a/output"),
)


@pytest.fixture(scope="module")
def plain_network() -> GraphNetwork:
    return googlenet.build_googlenet(random_weights(), kernels="plain")


@pytest.mark.parametrize("layer", LAYERS_OF_EACH_KIND)
@pytest.mark.parametrize("kernels", ["auto", "plain"])
def test_each_kind_of_layer_equals_public_operators(
    noise_network: GraphNetwork, plain_network: GraphNetwork, layer: str, kernels: KernelChoice
) -> None:
    image = torch.rand(1, 3, 75, 98, generator=torch.Generator().manual_seed(1))
    network = noise_network if kernels == "auto" else plain_network
    check_against_public_operators(network, image, layer)


@pytest.mark.weights
@pytest.mark.parametrize("layer", ["inception_3b/5x5_reduce", "inception_4c/output"])
def test_real_weights_give_the_same_as_public_operators(
    real_network: GraphNetwork, layer: str
) -> None:
    picture = torch.from_numpy(read_picture(SAMPLE_STILL)[:240, :320].copy())
    image = picture.permute(2, 0, 1)[None].float() / 255
    check_against_public_operators(real_network, image, layer)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_kernels_run_on_meta_device_forward_and_backward(dtype: torch.dtype) -> None:
    network = googlenet.build_googlenet(random_weights()).to("meta", dtype)
    image = torch.rand(1, 3, 75, 98, device="meta", requires_grad=True)
    activations = network.activations(image, LAYERS_OF_EACH_KIND)
    total = torch.stack([maps.square().mean() for maps in activations.values()]).sum()
    (gradient,) = torch.autograd.grad(total, image)
    assert gradient.is_meta
    assert gradient.shape == image.shape
    assert all(maps.is_meta and maps.dtype == torch.float32 for maps in activations.values())


def test_the_twice_differentiable_normalisation_is_the_same() -> None:
    x = torch.rand(2, 40, 6, 5) * 200
    torch.testing.assert_close(twice_differentiable_response_norm(x), local_response_norm(x)[0])


def test_googlenets_weights_are_refused_for_a_pocket(tmp_path: Path) -> None:
    safetensors.torch.save_file(random_weights(), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="GoogLeNet's weights") as raised:
        load_network("pocket", tmp_path / "w.safetensors", "cpu")
    assert raised.value.setting == "network"
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="do not fit pocket"):
        load_network("pocket", tmp_path / "w.safetensors", "cpu")
