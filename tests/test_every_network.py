"""What must hold for everything that can be dreamed on, whoever made it; on weights of noise."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import SAMPLE_STILL, CommandResult, random_weights
from torch import Tensor, nn

import dreamflow
from dreamflow.core.errors import SettingsError, WeightsError
from dreamflow.dream.ascent import ascend
from dreamflow.dream.objective import Objective
from dreamflow.dream.objective_term import vjp
from dreamflow.networks.caffe import googlenet
from dreamflow.networks.caffe.graph import GraphNetwork
from dreamflow.networks.catalogue import GOOGLENET_BY_CLASS_COUNT, find_network_spec
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network, find_layer
from dreamflow.networks.traced import torchvision_zoo as zoo
from dreamflow.networks.traced.network import TracedNetwork, network_of
from dreamflow.networks.weights.registry import FEATURED_TORCHVISION_FILES, TORCHVISION_PREFIX

HEADS = ("fc.", "AuxLogits.", "aux1.", "aux2.", "classifier.0.", "classifier.3.", "classifier.6.")
SIDE = 80


def noise_state(network: str, seed: int = 0, head: bool = False) -> dict[str, Tensor]:
    """Return a state dict of noise that keeps the activations' size; of the head, where wanted."""
    made = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for key, shape in zoo.make_meta_classifier(network).state_dict().items():
        if (key.startswith(HEADS) and not head) or not shape.is_floating_point():
            continue
        if shape.dim() > 1:
            fan_in = shape[0].numel()
            state[key] = torch.randn(shape.shape, generator=made) * (2 / fan_in) ** 0.5
        elif key.endswith(("weight", "running_var")):
            state[key] = 0.8 + 0.4 * torch.rand(shape.shape, generator=made)
        else:
            state[key] = 0.1 * torch.randn(shape.shape, generator=made)
    return state


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
    """A convolution that pads by the picture's size, as TensorFlow does."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for side, stride, kernel in zip(x.shape[:1:-1], self.stride, self.kernel_size, strict=True):
            pad = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            pads += [pad // 2, pad - pad // 2]
        x = nn.functional.pad(x, pads)
        return nn.functional.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


class Padded(nn.Module):
    """A mobile network in small, its convolutions of its own class; and one that is a function."""

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
    """Give a module's normalisations what training leaves in them: statistics, a scale, a shift."""
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


MADE: dict[str, Callable[[], Network]] = {
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


@pytest.fixture(scope="module", params=MADE)
def network(request: pytest.FixtureRequest) -> Network:
    return MADE[request.param]()


def picture(side: int = SIDE) -> Tensor:
    rough = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    return nn.functional.interpolate(rough, (side, side), mode="bicubic").clamp(0, 1)


def some(network: Network) -> list[str]:
    """Return a shallow, a middle and a deep layer that a small picture reaches."""
    names = [name for name, layer in network.layers.items() if layer.smallest <= SIDE]
    return [names[0], names[len(names) // 2], names[-1]]


def test_its_layers_are_listed_with_true_facts(network: Network) -> None:
    assert len(network.layers) >= 5
    image = picture(96)
    names = some(network)
    with torch.no_grad():
        found = network.activations(image, names)
    for name in names:
        layer = network.layer(name)
        assert layer.name == name and layer.depth >= 1 and layer.smallest >= 1
        channels, height, width = found[name].shape[1:]
        assert found[name].shape[0] == 1 and channels == layer.channels
        assert height == width and abs(height - 96 / layer.stride) <= 2 + 64 / layer.stride


def test_a_few_steps_raise_the_objective(network: Network) -> None:
    for name in some(network):
        objective = Objective(network, {name: 1.0})
        image = picture()
        dreamed = ascend(image, objective, 3, 1.5, 4, (0,))
        assert objective.value(dreamed) > objective.value(image), name


def test_what_is_cut_off_changes_nothing(network: Network) -> None:
    """Each layer by itself is what it is beside all others, and in the whole, unfolded network."""
    image = picture()
    names = some(network)
    with torch.no_grad():
        alone = {name: network.activations(image, [name])[name] for name in names}
        if isinstance(network, TracedNetwork):
            reached = [n for n, layer in network.layers.items() if layer.smallest <= SIDE]
            whole = network.compute_unfolded(image, tuple(reached))
        else:
            whole = network.activations(image, network.layers)
    for name in names:
        scale = float(whole[name].abs().max())
        assert scale > 0
        torch.testing.assert_close(alone[name], whole[name], atol=2e-5 * scale, rtol=1e-4)


def test_nothing_deeper_is_computed(network: Network) -> None:
    first = some(network)[0]
    if isinstance(network, GraphNetwork):
        assert len(network.find_required_layers((first,))) <= 2
    else:
        assert isinstance(network, TracedNetwork)
        assert len(list(network._extract_subgraph((first,)).graph.nodes)) < 25


def test_the_smallest_picture_is_the_smallest(network: Network) -> None:
    deepest = max(network.layers.values(), key=lambda layer: layer.smallest)
    needed = deepest.smallest
    with torch.no_grad():
        found = network.activations(picture(needed), [deepest.name])[deepest.name]
    assert min(found.shape) >= 1
    if needed == 1:
        return
    with pytest.raises(SettingsError, match=f"too small for .*needs {needed} pixels") as raised:
        network.activations(picture(needed - 1), [deepest.name])
    assert "\n" not in str(raised.value)
    if isinstance(network, TracedNetwork):  # and it is not refused in vain
        with pytest.raises(SettingsError, match="does not take a picture"):
            network.compute(picture(needed - 1), (deepest.name,))


def test_an_unknown_layer_names_the_nearest(network: Network) -> None:
    name = some(network)[1]
    with pytest.raises(SettingsError, match="did you mean") as raised:
        network.activations(picture(), [name + "x"])
    assert name in str(raised.value) and network.name in str(raised.value)
    with pytest.raises(SettingsError, match=f"dreamflow layers --network {network.name}"):
        network.layer("§§§")


def test_its_weights_get_no_gradient_and_the_picture_does(network: Network) -> None:
    image = picture().requires_grad_(True)
    found = network.activations(image, [some(network)[1]])
    (gradient,) = torch.autograd.grad(next(iter(found.values())).square().sum(), image)
    assert bool(torch.isfinite(gradient).all()) and float(gradient.abs().max()) > 0


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, torch.bfloat16) for name in MADE), ("own", torch.float16), ("pocket", torch.float16)],
)
def test_in_a_lesser_precision_it_dreams_the_same_way(name: str, dtype: torch.dtype) -> None:
    exact, lesser = MADE[name](), MADE[name]().to("cpu", dtype)
    assert lesser.precision == str(dtype).removeprefix("torch.")
    image = picture()
    for layer in some(exact)[:2]:
        with torch.no_grad():
            one, other = (n.activations(image, [layer])[layer] for n in (exact, lesser))
        assert other.dtype == torch.float32 and not torch.equal(one, other)
        assert float((one - other).norm() / one.norm()) < 0.05, layer
        one, other = (Objective.parse(n, [layer]).gradient(image) for n in (exact, lesser))
        assert other.dtype == torch.float32
        assert float(nn.functional.cosine_similarity(one.ravel(), other.ravel(), 0)) > 0.9, layer


@pytest.mark.parametrize("pull", [1e-9, 1e9])
def test_in_float16_a_pull_of_any_size_arrives(pull: float) -> None:
    image = picture().requires_grad_(True)
    found: list[Tensor] = []
    for network, scaled in ((own(), False), (own().to("cpu", torch.float16), True)):
        activation = network.activations(image, ["second"])["second"]
        found.append(vjp(activation, activation.detach() * pull, image, False, scaled))
    assert float((found[0] - found[1]).norm() / found[0].norm()) < 0.05


def test_in_float16_nothing_is_pulled_at_where_nothing_responds() -> None:
    image = picture().requires_grad_(True)
    activation = own().to("cpu", torch.float16).activations(image, ["second"])["second"]
    assert not vjp(activation, torch.zeros_like(activation), image, False, True).any()


def test_what_float16_does_not_hold_is_said() -> None:
    module = Own().eval()
    module.second.weight.data *= 1e6
    network = network_of(module).to("cpu", torch.float16)
    objective = Objective.parse(network, ["second"])
    dreamed = ascend(picture(), objective, 1, 1.5, 0, (0,))
    with pytest.raises(SettingsError, match="too large for float16: give precision bfloat16"):
        objective.warn_if_unchanged(picture(), dreamed)


@pytest.mark.parametrize(
    "name", ["resnet18", "densenet121", "shufflenet_v2_x0_5", "efficientnet_b0", "regnet_y_400mf"]
)
def test_the_rest_of_the_zoo_works_by_name(name: str) -> None:
    network = zoo.build_classifier(f"torchvision:{name}", noise_state(name))
    names = some(network)
    with torch.no_grad():
        folded = network.activations(picture(), names)
        plain = network.compute_unfolded(picture(), tuple(names))
    for layer in names:
        scale = float(plain[layer].abs().max())
        torch.testing.assert_close(folded[layer], plain[layer], atol=2e-5 * scale, rtol=1e-4)


def test_layers_of_a_transformer_are_turned_to_channels_first() -> None:
    network = zoo.build_classifier("torchvision:swin_t", noise_state("swin_t"))
    layer = network.layer("features.3.1.add_1")
    assert (layer.channels, layer.stride, layer.receptive_field) == (192, 8, None)
    found = network.activations(picture(64), [layer.name])[layer.name]
    assert found.shape == (1, 192, 8, 8)


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
    shown = [name for name in theirs if name.startswith("features")]
    assert len(shown) > 60 and set(shown) <= set(ours)


def test_layers_have_the_names_of_their_modules() -> None:
    """VGG's own names end as those that torchvision gives to second calls."""
    parts = {"conv1_1": nn.Conv2d(3, 4, 3), "relu1_1": nn.ReLU(), "conv1_2": nn.Conv2d(4, 4, 3)}
    network = network_of(nn.Sequential(OrderedDict(parts | {"relu1_2": nn.ReLU()})))
    assert list(network.layers) == ["conv1_1", "relu1_1", "conv1_2", "relu1_2"]
    assert [layer.depth for layer in network.layers.values()] == [1, 1, 2, 2]
    again = [
        "stem",
        "norm_1",
        "act",
        "depthwise",
        "norm_2",
        "act_1",
        "mirror",
        "conv2d",
        "conv2d_1",
    ]
    assert list(padded().layers) == again


def test_convolutions_of_any_kind_are_known() -> None:
    network = padded()
    facts = {name: (x.stride, x.receptive_field, x.depth) for name, x in network.layers.items()}
    assert facts["stem"] == facts["act"] == (2, 3, 1)
    assert facts["act_1"] == (4, 3 + 4 * 2, 2)
    assert facts["conv2d"] == (8, 11 + 4 * 4, 3)
    assert facts["conv2d_1"] == (8, 27 + 2 * 8, 4)


def test_a_convolution_of_its_own_class_is_folded_only_where_that_is_the_same() -> None:
    class Standardised(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            weight = (self.weight - self.weight.mean((1, 2, 3), True)) / self.weight.std()
            return nn.functional.conv2d(x, weight, self.bias, padding=1)

    torch.manual_seed(0)
    for kind, folded in ((Same, True), (Standardised, False)):
        module = trained(nn.Sequential(kind(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()))
        network = network_of(module, (0.45,) * 3, (0.225,) * 3)
        assert isinstance(network, TracedNetwork)
        parts = [type(part) for part in network._extract_subgraph(("2",)).modules()]
        assert (nn.BatchNorm2d in parts) != folded and kind in parts
        seen = network.activations(picture(), ["2"])["2"]
        torch.testing.assert_close(seen, module((picture() - 0.45) / 0.225), atol=1e-5, rtol=1e-4)


def test_a_block_names_its_last_step() -> None:
    layers = zoo.describe_classifier_layers("torchvision:mobilenet_v2")
    assert "features.4" not in layers
    with pytest.raises(
        SettingsError, match=r"'features\.4'; its last step is features\.4\.conv\.3$"
    ):
        find_layer("torchvision:mobilenet_v2", layers, "features.4")


def test_receptive_fields_are_the_published_ones() -> None:
    """Araujo et al. 2019, "Computing Receptive Fields of Convolutional Neural Networks"."""
    for network, layer, field in (("alexnet", "features.12", 195), ("vgg16", "features.30", 212)):
        found = zoo.describe_classifier_layers(f"torchvision:{network}")[layer]
        assert (found.receptive_field, found.stride) == (field, 32)


def test_googlenets_stem_is_the_same_as_a_module() -> None:
    """Two ways to the same network, which share nothing: its facts, and what it sees."""
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
        seen = ours.activations(picture(), names)
        known = theirs.activations(picture(), names.values())
    for number, name in names.items():
        a, b = ours.layer(number), theirs.layer(name)
        for fact in ("channels", "stride", "receptive_field", "depth", "smallest"):
            assert getattr(a, fact) == getattr(b, fact), (name, fact)
        scale = float(known[name].abs().max())
        torch.testing.assert_close(seen[number], known[name], atol=1e-4 * scale, rtol=1e-4)


def test_the_module_given_is_left_as_it_was() -> None:
    module = Own().train()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    network = network_of(module, name="own")
    network.activations(picture(), ["second"])["second"].sum()
    network_of(module).to("cpu", torch.bfloat16).activations(picture(), ["second"])
    assert module.training and module.act.inplace
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert network.weights_hash != network_of(Own()).weights_hash, "renders tell them apart"
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    frames = dreamflow.dream_image(
        (picture(48)[0].permute(1, 2, 0) * 255).byte().numpy(), network, layer="second"
    )
    assert frames.shape == (48, 48, 3)


def test_a_module_that_cannot_be_dreamed_on_is_refused_in_one_line() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if float(x.sum()) > 0 else -x

    for module, said in ((Branching(), "cannot be traced"), (nn.Flatten(), "nothing to dream on")):
        with pytest.raises(SettingsError, match=said) as raised:
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
    assert network.name == name and len(network.weights_hash) == 64
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


def test_what_dreams_do_not_need_may_be_of_another_shape() -> None:
    state = noise_state("alexnet")
    prefixed = {f"module.{key}": value for key, value in state.items()}
    prefixed["module.classifier.6.weight"] = torch.zeros(7, 4096)
    assert zoo.build_classifier("torchvision:alexnet", prefixed).layers


def test_unknown_classifiers_name_the_nearest(cli: Callable[..., CommandResult]) -> None:
    run = cli("layers", "--network", "vgg16")
    assert run.code == 1 and "did you mean torchvision:vgg16" in run.err
    run = cli("layers", "--network", "torchvision:vgg17")
    assert run.code == 1 and "did you mean vgg1" in run.err and run.err.count("\n") == 1
    run = cli("layers", "--network", "torchvision:resnet50")
    assert run.code == 0 and "layer4.2.relu_2" in run.out and "category" not in run.out


def test_a_pass_of_it_is_counted_and_timed() -> None:
    from dreamflow.reports.bench.passes import bench_passes

    network = zoo.build_classifier("torchvision:alexnet", noise_state("alexnet"))
    _, (figure,) = bench_passes(network, 64, 64, ["features.0"], rounds=1)
    assert figure.gflop == pytest.approx(2 * 2 * 15 * 15 * 64 * 3 * 11 * 11 / 1e9)
    assert len(bench_passes(network, 64, 64, rounds=1)[1]) >= 8


def test_places_networks_are_told_by_their_classes() -> None:
    assert set(GOOGLENET_BY_CLASS_COUNT.values()) == {"googlenet", "places205", "places365"}
    for name in ("places205", "places365"):
        network = find_network_spec(name).build(random_weights(), "")
        assert network.name == name and list(network.layers) == list(
            googlenet.describe_googlenet_layers()
        )


def test_a_guide_to_any_network_goes_by_depth(
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
    assert "deep layers" in page and "207 &times; 207 px" in page and "None" not in page


HEADED = (
    *("googlenet", "inception_v3", "resnet50", "squeezenet1_1", "mobilenet_v3_large"),
    *("convnext_tiny", "alexnet"),
)


@pytest.mark.parametrize("name", HEADED)
def test_the_classes_are_those_of_its_own_classifier(name: str) -> None:
    """Of a classifier that ends in a mean, in a ReLU, or in layers that want 6x6 places."""
    network = zoo.build_classifier(
        TORCHVISION_PREFIX + name, state := noise_state(TORCHVISION_PREFIX + name, head=True)
    )
    assert network.class_layer is not None and network.class_layer.channels == 1000
    assert "class" not in network.layers
    image = picture(network.class_layer.smallest + 17)
    with torch.no_grad():
        found = network.activations(image, ["class"])["class"]
    module = zoo.make_meta_classifier(TORCHVISION_PREFIX + name)
    assert not zoo.assign_matching_tensors(module, state)
    known = zoo.find_classifier_info(TORCHVISION_PREFIX + name)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (known.mean, known.std))
    with torch.no_grad():
        torch.testing.assert_close(
            found[:, :, 0, 0], module((image - mean) / std), rtol=1e-3, atol=1e-3
        )
    best = int(found.argmax())
    objective = Objective.parse(network, [f"class:{best}"])
    climbed = ascend(image, objective, 2, 1.5, 0, (0,))
    assert objective.value(climbed) > objective.value(image)


def test_weights_without_a_classifier_have_no_classes(network: Network) -> None:
    if network.name in ("own", f"{TORCHVISION_PREFIX}squeezenet1_1"):
        assert network.class_layer, "noise has made them a head as well"
        return
    with pytest.raises(SettingsError, match="has no classifier"):
        Objective.parse(network, ["class:3"])
