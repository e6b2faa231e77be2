"""What must hold for every network that can be dreamed on, with weights of noise."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import SAMPLE_STILL, CommandResult, make_texture, random_weights
from noise_weights import noise_state
from torch import Tensor, nn

import dreamflow
from dreamflow.core.errors import SettingsError, WeightsError
from dreamflow.dream.ascent import ascend
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.objective.objective_term import vjp
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.caffe import googlenet
from dreamflow.networks.caffe.graph import GraphNetwork
from dreamflow.networks.catalogue import GOOGLENET_BY_CLASS_COUNT, find_network_spec
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network, find_layer
from dreamflow.networks.traced import torchvision_zoo as zoo
from dreamflow.networks.traced.network import TracedNetwork, network_of
from dreamflow.networks.weights.registry import FEATURED_TORCHVISION_FILES, TORCHVISION_PREFIX
from dreamflow.pipelines.image import dream_image
from dreamflow.reports.bench.passes import bench_passes

SIDE_PX = 80


class Own(nn.Module):
    """A module as a user may write it: in place, with a skip, a function, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.first(x)))
        y = self.second(x)
        y += x
        y = torch.nn.functional.max_pool2d(torch.relu_(y), 3, 2)
        return self.head(y.mean((2, 3)))


class Same(nn.Conv2d):
    """A convolution that pads by the image's size, as TensorFlow does."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for side, stride, kernel in zip(x.shape[:1:-1], self.stride, self.kernel_size, strict=True):
            pad = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            pads += [pad // 2, pad - pad // 2]
        x = nn.functional.pad(x, pads)
        return nn.functional.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


class Padded(nn.Module):
    """A small mobile network: convolutions of a class of their own, and convolution functions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Same(3, 8, 3, stride=2, bias=False)
        self.depthwise = Same(8, 8, 5, stride=2, groups=8, bias=False)
        self.norm_1, self.norm_2 = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.act = nn.ReLU6()
        self.first = nn.Parameter(torch.randn(12, 8, 3, 3) / 6)
        self.second = nn.Parameter(torch.randn(5, 12, 1, 3) / 6)
        self.mirror = nn.ReflectionPad2d((2, 1, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm_1(self.stem(x)))
        x = self.act(self.norm_2(self.depthwise(x)))
        x = nn.functional.conv2d(self.mirror(x), self.first, stride=2, dilation=2)
        return nn.functional.conv2d(x, self.second, padding=(0, 1))


def padded() -> Network:
    torch.manual_seed(0)
    return network_of(trained(Padded()), name="padded")


def trained(module: nn.Module) -> nn.Module:
    """Give a module's normalisations statistics, scales and shifts, as training does."""
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        norm.weight.data.uniform_(0.5, 2)
        norm.bias.data.normal_(0, 0.3)
    with torch.no_grad():
        module.train()((picture() - 0.45) / 0.225)
    return module.eval()


def own() -> Network:
    torch.manual_seed(0)
    return network_of(trained(Own()), name="own")


BUILDERS: dict[str, Callable[[], Network]] = {
    "pocket": lambda: load_network("pocket", device="cpu", precision="float32"),
    "googlenet": lambda: googlenet.build_googlenet(random_weights()),
    "places205": lambda: find_network_spec("places205").build(random_weights(), ""),
    "places365": lambda: find_network_spec("places365").build(random_weights(), ""),
    "own": own,
    "padded": padded,
    **{
        name: (lambda name=name: zoo.build_classifier(name, noise_state(name)))
        for name in (TORCHVISION_PREFIX + known for known in FEATURED_TORCHVISION_FILES)
    },
}


@pytest.fixture(scope="module", params=BUILDERS)
def network(request: pytest.FixtureRequest) -> Network:
    return BUILDERS[request.param]()


def picture(side: int = SIDE_PX) -> Tensor:
    rough = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    return nn.functional.interpolate(rough, (side, side), mode="bicubic").clamp(0, 1)


def pick_layers(network: Network) -> list[str]:
    """Return a shallow, a middle and a deep layer that a small image reaches."""
    names = [name for name, layer in network.layers.items() if layer.smallest <= SIDE_PX]
    return [names[0], names[len(names) // 2], names[-1]]


def test_layers_facts_hold_for_their_activations(network: Network) -> None:
    assert len(network.layers) >= 5
    image = picture(96)
    names = pick_layers(network)
    with torch.no_grad():
        activations = network.activations(image, names)
    for name in names:
        layer = network.layer(name)
        assert layer.name == name
        assert layer.depth >= 1
        assert layer.smallest >= 1
        count, channels, height, width = activations[name].shape
        assert (count, channels) == (1, layer.channels)
        assert height == width
        assert abs(height - 96 / layer.stride) <= 2 + 64 / layer.stride


def test_a_few_steps_raise_the_objective(network: Network) -> None:
    for name in pick_layers(network):
        objective = Objective.parse(network, [name])
        image = picture()
        dreamed = ascend(image, objective, 3, 1.5, 4, (0,))
        assert objective.value(dreamed) > objective.value(image), name


def test_a_layer_alone_equals_itself_in_the_whole_network(network: Network) -> None:
    """The whole network runs its own operations, none of them fused."""
    image = picture()
    names = pick_layers(network)
    with torch.no_grad():
        alone = {name: network.activations(image, [name])[name] for name in names}
        if isinstance(network, TracedNetwork):
            reached = [n for n, layer in network.layers.items() if layer.smallest <= SIDE_PX]
            whole = network.compute_unfolded(image, tuple(reached))
        else:
            whole = network.activations(image, network.layers)
    for name in names:
        scale = float(whole[name].abs().max())
        assert scale > 0
        torch.testing.assert_close(alone[name], whole[name], atol=2e-5 * scale, rtol=1e-4)


def test_nothing_deeper_than_a_layer_is_computed(network: Network) -> None:
    first = pick_layers(network)[0]
    if isinstance(network, GraphNetwork):
        # Of a pocket, the trunk's layer as well, which may be two convolutions.
        assert len(network.find_required_layers((first,))) <= 3
    else:
        assert isinstance(network, TracedNetwork)
        assert len(list(network.extract_subgraph((first,)).graph.nodes)) < 25


def test_an_image_below_the_smallest_side_is_refused(network: Network) -> None:
    deepest = max(network.layers.values(), key=lambda layer: layer.smallest)
    needed = deepest.smallest
    with torch.no_grad():
        activation = network.activations(picture(needed), [deepest.name])[deepest.name]
    assert min(activation.shape) >= 1
    if needed == 1:
        return
    with pytest.raises(SettingsError) as raised:
        network.activations(picture(needed - 1), [deepest.name])
    assert raised.value.allowed == f"at least {needed} pixels a side"
    assert "\n" not in str(raised.value)
    if isinstance(network, TracedNetwork):  # PyTorch itself cannot run it
        with pytest.raises(SettingsError, match="does not take a picture"):
            network.compute(picture(needed - 1), (deepest.name,))


def test_an_unknown_layer_gets_the_nearest_names(network: Network) -> None:
    name = pick_layers(network)[1]
    with pytest.raises(SettingsError, match="did you mean") as raised:
        network.activations(picture(), [name + "x"])
    assert name in str(raised.value)
    assert network.name in str(raised.value)
    with pytest.raises(SettingsError, match=f"dreamflow layers --network {network.name}"):
        network.layer("§§§")


def test_the_image_gets_a_gradient(network: Network) -> None:
    image = picture().requires_grad_(True)
    (activation,) = network.activations(image, [pick_layers(network)[1]]).values()
    (gradient,) = torch.autograd.grad(activation.square().sum(), image)
    assert bool(torch.isfinite(gradient).all())
    assert float(gradient.abs().max()) > 0


@pytest.mark.parametrize(
    "name",
    [
        *("pocket", "own", "padded"),
        *(TORCHVISION_PREFIX + known for known in ("resnet50", "convnext_tiny", "squeezenet1_1")),
    ],
)
def test_networks_run_on_meta_device_forward_and_backward(name: str) -> None:
    network = BUILDERS[name]().to("meta")
    image = picture().to("meta").requires_grad_(True)
    for layer in pick_layers(network):
        activation = network.activations(image, [layer])[layer]
        (gradient,) = torch.autograd.grad(activation.square().sum(), image)
        assert activation.shape[1] == network.layer(layer).channels
        assert gradient.is_meta
        assert gradient.shape == image.shape


def test_in_bfloat16_it_dreams_the_same_way(
    network: Network, request: pytest.FixtureRequest
) -> None:
    check_half_precision(network, request.node.callspec.params["network"], torch.bfloat16)


@pytest.mark.parametrize("name", ["own", "pocket"])
def test_in_float16_it_dreams_the_same_way(name: str) -> None:
    check_half_precision(BUILDERS[name](), name, torch.float16)


def check_half_precision(exact: Network, name: str, dtype: torch.dtype) -> None:
    half = BUILDERS[name]().to("cpu", dtype)
    assert half.precision == str(dtype).removeprefix("torch.")
    image = picture()
    for layer in pick_layers(exact)[:2]:
        with torch.no_grad():
            one, other = (n.activations(image, [layer])[layer] for n in (exact, half))
        assert other.dtype == torch.float32
        assert not torch.equal(one, other)
        assert float((one - other).norm() / one.norm()) < 0.05, layer
        one, other = (Objective.parse(n, [layer]).gradient(image) for n in (exact, half))
        assert other.dtype == torch.float32
        assert float(nn.functional.cosine_similarity(one.ravel(), other.ravel(), 0)) > 0.9, layer


@pytest.mark.parametrize("pull", [1e-9, 1e9])
def test_in_float16_a_cotangent_of_any_size_is_propagated(pull: float) -> None:
    image = picture().requires_grad_(True)
    gradients: list[Tensor] = []
    for network, scaled in ((own(), False), (own().to("cpu", torch.float16), True)):
        activation = network.activations(image, ["second"])["second"]
        gradients.append(vjp(activation, activation.detach() * pull, image, False, scaled))
    assert float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) < 0.05


def test_in_float16_a_cotangent_of_zero_gives_no_gradient() -> None:
    image = picture().requires_grad_(True)
    activation = own().to("cpu", torch.float16).activations(image, ["second"])["second"]
    assert not vjp(activation, torch.zeros_like(activation), image, False, True).any()


def test_activations_too_large_for_float16_are_reported() -> None:
    module = Own().eval()
    module.second.weight.data *= 1e6
    network = network_of(module).to("cpu", torch.float16)
    options = DreamOptions(layer=("second",), octaves=1, iterations=1)
    with pytest.raises(SettingsError) as error:
        dream_image(make_texture(48, 48), network, None, options)
    assert error.value.setting == "precision"


@pytest.mark.parametrize(
    "name", ["resnet18", "densenet121", "shufflenet_v2_x0_5", "efficientnet_b0", "regnet_y_400mf"]
)
def test_other_classifiers_of_torchvision_work_by_name(name: str) -> None:
    network = zoo.build_classifier(f"torchvision:{name}", noise_state(name))
    names = pick_layers(network)
    with torch.no_grad():
        folded = network.activations(picture(), names)
        plain = network.compute_unfolded(picture(), tuple(names))
    for layer in names:
        scale = float(plain[layer].abs().max())
        torch.testing.assert_close(folded[layer], plain[layer], atol=2e-5 * scale, rtol=1e-4)


def test_a_transformers_activations_are_channels_first() -> None:
    network = zoo.build_classifier("torchvision:swin_t", noise_state("swin_t"))
    layer = network.layer("features.3.1.add_1")
    assert (layer.channels, layer.stride, layer.receptive_field) == (192, 8, None)
    activation = network.activations(picture(64), [layer.name])[layer.name]
    assert activation.shape == (1, 192, 8, 8)


def test_layers_have_torchvisions_names() -> None:
    script = (
        "from dreamflow.networks.traced.torchvision_import import import_torchvision\n"
        "import_torchvision()\n"
        "from torchvision import models\n"
        "from torchvision.models.feature_extraction import get_graph_node_names\n"
        "print(*get_graph_node_names(models.mobilenet_v3_large())[1])\n"
    )
    line = [sys.executable, "-W", "ignore", "-c", script]
    theirs = subprocess.run(line, check=True, capture_output=True, text=True).stdout.split()
    ours = zoo.describe_classifier_layers("torchvision:mobilenet_v3_large")
    features = [name for name in theirs if name.startswith("features")]
    assert len(features) > 60
    assert set(features) <= set(ours)


def test_layers_have_the_names_of_their_modules() -> None:
    """VGG's own names end like those that torchvision gives to second calls."""
    parts = {"conv1_1": nn.Conv2d(3, 4, 3), "relu1_1": nn.ReLU(), "conv1_2": nn.Conv2d(4, 4, 3)}
    network = network_of(nn.Sequential(OrderedDict(parts | {"relu1_2": nn.ReLU()})))
    assert list(network.layers) == ["conv1_1", "relu1_1", "conv1_2", "relu1_2"]
    assert [layer.depth for layer in network.layers.values()] == [1, 1, 2, 2]
    names = "stem norm_1 act depthwise norm_2 act_1 mirror conv2d conv2d_1"
    assert list(padded().layers) == names.split()


def test_convolutions_of_any_kind_have_facts() -> None:
    network = padded()
    facts = {name: (x.stride, x.receptive_field, x.depth) for name, x in network.layers.items()}
    assert facts["stem"] == facts["act"] == (2, 3, 1)
    assert facts["act_1"] == (4, 3 + 4 * 2, 2)
    assert facts["conv2d"] == (8, 11 + 4 * 4, 3)
    assert facts["conv2d_1"] == (8, 27 + 2 * 8, 4)


def test_a_convolution_subclass_is_folded_only_where_that_is_the_same() -> None:
    class Standardised(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            weight = (self.weight - self.weight.mean((1, 2, 3), True)) / self.weight.std()
            return nn.functional.conv2d(x, weight, self.bias, padding=1)

    torch.manual_seed(0)
    for kind, folds in ((Same, True), (Standardised, False)):
        module = trained(nn.Sequential(kind(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()))
        network = network_of(module, (0.45,) * 3, (0.225,) * 3)
        assert isinstance(network, TracedNetwork)
        parts = [type(part) for part in network.extract_subgraph(("2",)).modules()]
        assert (nn.BatchNorm2d in parts) != folds
        assert kind in parts
        activation = network.activations(picture(), ["2"])["2"]
        torch.testing.assert_close(
            activation, module((picture() - 0.45) / 0.225), atol=1e-5, rtol=1e-4
        )


def test_a_blocks_name_suggests_its_last_step() -> None:
    layers = zoo.describe_classifier_layers("torchvision:mobilenet_v2")
    assert "features.4" not in layers
    with pytest.raises(SettingsError, match=r"its last step is features\.4\.conv\.3$"):
        find_layer("torchvision:mobilenet_v2", layers, "features.4")


def test_receptive_fields_are_the_published_ones() -> None:
    """Araujo et al. 2019, "Computing Receptive Fields of Convolutional Neural Networks"."""
    for network, layer, field in (("alexnet", "features.12", 195), ("vgg16", "features.30", 212)):
        facts = zoo.describe_classifier_layers(f"torchvision:{network}")[layer]
        assert (facts.receptive_field, facts.stride) == (field, 32)


def test_googlenets_stem_is_the_same_as_a_module() -> None:
    """A graph network and a traced one, which share no code, agree on facts and activations."""
    weights = random_weights()
    stem = nn.Sequential(
        *(nn.Conv2d(3, 64, 7, 2, 3), nn.ReLU(True), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(nn.LocalResponseNorm(5), nn.Conv2d(64, 64, 1), nn.ReLU(True)),
        *(nn.Conv2d(64, 192, 3, padding=1), nn.ReLU(True), nn.LocalResponseNorm(5)),
        nn.MaxPool2d(3, 2, ceil_mode=True),
    )
    pairs = {0: "conv1/7x7_s2", 4: "conv2/3x3_reduce", 6: "conv2/3x3"}
    for number, name in pairs.items():
        weight = weights[f"{name}.weight"]
        bgr = weight.flip(1) if number == 0 else weight
        stem[number].load_state_dict({"weight": bgr, "bias": weights[f"{name}.bias"]})
    mean = [level / 255 for level in reversed(googlenet.MEAN_BGR)]
    ours = network_of(stem, mean, [1 / 255] * 3, "stem")
    theirs = googlenet.build_googlenet(weights)
    names = {"1": pairs[0], "2": "pool1/3x3_s2", "3": "pool1/norm1", "7": pairs[6]}
    names |= {"8": "conv2/norm2", "9": "pool2/3x3_s2"}
    with torch.no_grad():
        our_maps = ours.activations(picture(), names)
        their_maps = theirs.activations(picture(), names.values())
    for number, name in names.items():
        a, b = ours.layer(number), theirs.layer(name)
        for fact in ("channels", "stride", "receptive_field", "depth", "smallest"):
            assert getattr(a, fact) == getattr(b, fact), (name, fact)
        expected = their_maps[name]
        tolerance = 1e-4 * float(expected.abs().max())
        torch.testing.assert_close(our_maps[number], expected, atol=tolerance, rtol=1e-4)


def test_a_users_module_stays_as_it_is() -> None:
    module = Own().train()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    network = network_of(module, name="own")
    network.activations(picture(), ["second"])["second"].sum()
    network_of(module).to("cpu", torch.bfloat16).activations(picture(), ["second"])
    assert module.training
    assert module.act.inplace
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert network.weights_hash != network_of(Own()).weights_hash, "records tell them apart"
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    frames = dreamflow.dream_image(
        (picture(48)[0].permute(1, 2, 0) * 255).byte().numpy(), network, layer="second"
    )
    assert frames.shape == (48, 48, 3)


def test_a_module_without_layers_is_refused_in_one_line() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if float(x.sum()) > 0 else -x

    for module, reason in (
        (Branching(), "cannot be traced"),
        (nn.Flatten(), "nothing to dream on"),
    ):
        with pytest.raises(SettingsError, match=reason) as raised:
            network_of(module, name="mine")
        assert "\n" not in str(raised.value)
    with pytest.raises(SettingsError, match="mean and std"):
        network_of(Own(), mean=(0.5,))


def test_weights_are_found_under_torchvisions_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    name = "torchvision:squeezenet1_1"
    with pytest.raises(WeightsError, match=f"dreamflow models pull {name}"):
        load_network(name)
    (tmp_path / "weights").mkdir()
    state = noise_state(name)
    torch.save(state, tmp_path / "weights" / "squeezenet1_1-b8a52dc0.pth")
    network = load_network(name, device="cpu")
    assert network.name == name
    assert len(network.weights_hash) == 64
    del state["features.3.squeeze.weight"]
    with pytest.raises(WeightsError, match=r"squeeze\.weight is missing"):
        zoo.build_classifier(name, state)
    state["features.3.squeeze.weight"] = torch.zeros(1, 2)
    with pytest.raises(WeightsError, match=r"squeeze\.weight is \(1, 2\), not \(16, 64, 1, 1\)"):
        zoo.build_classifier(name, state)
    with pytest.raises(WeightsError, match="NaN"):
        zoo.build_classifier(
            name, noise_state(name) | {"features.0.bias": torch.full((64,), torch.nan)}
        )


def test_weights_of_last_layers_may_have_another_shape() -> None:
    state = noise_state("alexnet")
    prefixed = {f"module.{key}": value for key, value in state.items()}
    prefixed["module.classifier.6.weight"] = torch.zeros(7, 4096)
    assert zoo.build_classifier("torchvision:alexnet", prefixed).layers


def test_an_unknown_classifier_gets_the_nearest_names(cli: Callable[..., CommandResult]) -> None:
    run = cli("layers", "--network", "vgg16")
    assert run.code == 1
    assert "did you mean torchvision:vgg16" in run.err
    run = cli("layers", "--network", "torchvision:vgg17")
    assert run.code == 1
    assert "did you mean vgg1" in run.err
    assert run.err.count("\n") == 1
    run = cli("layers", "--network", "torchvision:resnet50")
    assert run.code == 0
    assert "layer4.2.relu_2" in run.out
    assert "category" not in run.out


def test_a_traced_networks_passes_are_counted_and_timed() -> None:
    network = zoo.build_classifier("torchvision:alexnet", noise_state("alexnet"))
    _, (figure,) = bench_passes(network, 64, 64, ["features.0"], rounds=1)
    assert figure.gflop == pytest.approx(2 * 2 * 15 * 15 * 64 * 3 * 11 * 11 / 1e9)
    assert len(bench_passes(network, 64, 64, rounds=1)[1]) >= 8


def test_places_networks_have_googlenets_layers() -> None:
    assert set(GOOGLENET_BY_CLASS_COUNT.values()) == {"googlenet", "places205", "places365"}
    for name in ("places205", "places365"):
        network = find_network_spec(name).build(random_weights(), "")
        assert network.name == name
        assert list(network.layers) == list(googlenet.describe_googlenet_layers())


def test_a_guide_to_a_torchvision_network_is_grouped_by_depth(
    cli: Callable[..., CommandResult], tmp_path: Path
) -> None:
    torch.save(noise_state("squeezenet1_1"), tmp_path / "w.pth")
    run = cli(
        *("guide", SAMPLE_STILL, tmp_path / "guide", "--network", "torchvision:squeezenet1_1"),
        *("--weights", tmp_path / "w.pth", "--layers", "features.0,features.12.cat"),
        *("--size", "48", "--octaves", "1", "--iterations", "1"),
    )
    assert run.code == 0, run
    page = (tmp_path / "guide" / "index.html").read_text(encoding="utf-8")
    assert "deep layers" in page
    assert "207 &times; 207 px" in page
    assert "None" not in page


CLASSIFIERS_WITH_HEADS = (
    *("googlenet", "inception_v3", "resnet50", "squeezenet1_1", "mobilenet_v3_large"),
    *("convnext_tiny", "alexnet"),
)


@pytest.mark.parametrize("name", CLASSIFIERS_WITH_HEADS)
def test_class_activations_are_the_modules_own_output(name: str) -> None:
    """The classifiers end in a mean, in a ReLU, or in layers that need 6x6 positions."""
    network = zoo.build_classifier(
        TORCHVISION_PREFIX + name, state := noise_state(TORCHVISION_PREFIX + name, head=True)
    )
    assert network.class_layer is not None
    assert network.class_layer.channels == 1000
    assert "class" not in network.layers
    image = picture(network.class_layer.smallest + 17)
    with torch.no_grad():
        scores = network.activations(image, ["class"])["class"]
    module = zoo.make_meta_classifier(TORCHVISION_PREFIX + name)
    assert not zoo.assign_matching_tensors(module, state)
    known = zoo.find_classifier_info(TORCHVISION_PREFIX + name)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (known.mean, known.std))
    with torch.no_grad():
        torch.testing.assert_close(
            scores[:, :, 0, 0], module((image - mean) / std), rtol=1e-3, atol=1e-3
        )
    best = int(scores.argmax())
    objective = Objective.parse(network, [f"class:{best}"])
    dreamed = ascend(image, objective, 2, 1.5, 0, (0,))
    assert objective.value(dreamed) > objective.value(image)


def test_weights_without_a_classifier_have_no_classes(network: Network) -> None:
    if network.name in ("own", f"{TORCHVISION_PREFIX}squeezenet1_1"):
        assert network.class_layer, "noise includes their classifier"
        return
    with pytest.raises(SettingsError, match="has no classifier"):
        Objective.parse(network, ["class:3"])
