"""One pass of the engine, forward and backward, beside the rate of a plain convolution."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dreamflow.dream.objective import Objective
from dreamflow.networks.caffe.graph import INPUT_NODE, GraphNetwork
from dreamflow.networks.network import Network
from dreamflow.networks.traced.network import TracedNetwork

BENCH_LAYERS = (
    *("conv1/7x7_s2", "conv2/3x3", "conv2/norm2", "inception_3a/5x5", "inception_3b/5x5_reduce"),
    *("inception_3b/output", "inception_4a/output", "inception_4b/pool", "inception_4c/output"),
    "inception_4e/output",
)
BASELINE_CONV_CHANNELS, BASELINE_CONV_SIZE_PX = 128, (45, 80)
"""The convolution that the engine is compared with: 3x3, 128 to 128 channels, of the size that
inception_3a has at 640x360, forward and backward."""
WARM_UP_ROUNDS = 1


@dataclass(frozen=True)
class PassTimings:
    """A pass on one layer. milliseconds: of each round. gflop: of the convolutions it needs."""

    layer: str
    gflop: float
    round_ms: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """The middle of all rounds."""
        return statistics.median(self.round_ms)

    @property
    def gflop_per_s(self) -> float:
        """Operations per second at the median."""
        return self.gflop / self.median_ms * 1000


def count_pass_gflop(network: Network, layer: str, height: int, width: int) -> float:
    """Return the convolutions' operations of a pass, in 10^9: multiplications and additions.

    Forward, and the gradient of the picture: as many again, since the weights are frozen.
    """
    if isinstance(network, TracedNetwork):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network.compute_unfolded(
                torch.zeros(1, 3, height, width, device=network.device), (layer,)
            )
        return 2 * counter.get_total_flops() / 1e9
    assert isinstance(network, GraphNetwork)
    sides = {INPUT_NODE: (height, width)}
    total = 0
    for name in network.find_required_layers((layer,)):
        node = network.nodes[name]
        before = sides[node.inputs[0]]
        sides[name] = node.output_side(before[0]), node.output_side(before[1])
        if node.kind == "conv":
            weight, _ = network.get_weight_and_bias(node)
            high, wide = sides[name]
            total += 2 * weight.numel() * high * wide
    return 2 * total / 1e9


def measure_duration_ms(device: torch.device, function: Callable[[], object]) -> float:
    """Return the milliseconds that work takes, what it started on a device included."""
    wait = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(device.type)
    if wait:
        wait()
    started = time.perf_counter()
    function()
    if wait:
        wait()
    return (time.perf_counter() - started) * 1000


def build_baseline_convolution(device: torch.device) -> tuple[Callable[[], object], float]:
    """Return a plain convolution, forward and backward, and its operations in 10^9."""
    channels, (height, width) = BASELINE_CONV_CHANNELS, BASELINE_CONV_SIZE_PX
    made = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        values = torch.randn(shape, generator=made).to(device)
        return values.contiguous(memory_format=torch.channels_last)

    x = noise(1, channels, height, width).requires_grad_(True)
    weight, grad = noise(channels, channels, 3, 3), noise(1, channels, height, width)

    def work() -> object:
        return torch.autograd.grad(F.conv2d(x, weight, padding=1), x, grad)

    return work, 2 * 2 * weight.numel() * height * width / 1e9


def bench_passes(
    network: Network,
    height: int,
    width: int,
    layers: Sequence[str] = BENCH_LAYERS,
    rounds: int = 9,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[PassTimings, list[PassTimings]]:
    """Return the figures of a plain convolution, and of a pass on each layer that there is.

    After a warm-up all are timed in turn, round after round, so that a machine whose speed drifts
    is as unfair to one as to the other. progress: called with the number of rounds done.
    """
    made = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, height, width, generator=made).to(network.device)
    names = [name for name in layers if name in network.layers] or pick_spread_layers(network)
    plain, plain_gflop = build_baseline_convolution(network.device)
    peak = PassTimings("3x3 convolution", plain_gflop)
    figures = [PassTimings(name, count_pass_gflop(network, name, height, width)) for name in names]
    works = [plain, *(make_gradient_pass(network, name, image) for name in names)]
    for done in range(-WARM_UP_ROUNDS, rounds):
        for figure, work in zip([peak, *figures], works, strict=True):
            spent = measure_duration_ms(network.device, work)
            if done >= 0:
                figure.round_ms.append(spent)
        progress(max(0, done + 1))
    return peak, figures


def pick_spread_layers(network: Network) -> list[str]:
    """Return a few layers of any network, shallow to deep."""
    names = list(network.layers)
    return names[:: max(1, len(names) // len(BENCH_LAYERS))]


def make_gradient_pass(network: Network, layer: str, image: Tensor) -> Callable[[], object]:
    """Return the work of one pass: the gradient of a layer's objective."""
    objective = Objective.parse(network, [layer])
    return lambda: objective.gradient(image)


def compute_efficiency(timings: PassTimings, baseline: PassTimings) -> float:
    """Return the share of the plain convolution's rate that a pass reaches."""
    return timings.gflop_per_s / baseline.gflop_per_s


def timings_to_rows(
    baseline: PassTimings, layer_timings: Sequence[PassTimings]
) -> Iterator[dict[str, object]]:
    """Yield the figures as plain values, ready for JSON."""
    for figure in [baseline, *layer_timings]:
        yield {
            "layer": figure.layer,
            "ms": round(figure.median_ms, 3),
            "gflop": round(figure.gflop, 3),
            "gflop_per_s": round(figure.gflop_per_s, 2),
            "efficiency": round(compute_efficiency(figure, baseline), 3),
        }
