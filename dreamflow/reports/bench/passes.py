"""Benchmark of single passes of a network, beside the rate that a plain convolution reaches."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dreamflow.core.callbacks import DoneCallback
from dreamflow.dream.objective.objective import Objective
from dreamflow.networks.caffe.graph import GraphNetwork
from dreamflow.networks.caffe.node import INPUT_NODE
from dreamflow.networks.network import Network
from dreamflow.networks.traced.network import TracedNetwork

BENCH_LAYERS = (
    *("conv1/7x7_s2", "conv2/3x3", "conv2/norm2", "inception_3a/5x5", "inception_3b/5x5_reduce"),
    *("inception_3b/output", "inception_4a/output", "inception_4b/pool", "inception_4c/output"),
    "inception_4e/output",
)
"""Layers that are timed by default, shallow to deep."""
BASELINE_CONV_CHANNELS, BASELINE_CONV_SIZE_PX = 128, (45, 80)
"""The baseline: a 3x3 convolution of 128 to 128 channels, (height, width) as inception_3a has it at
640x360, forward and backward."""
WARM_UP_ROUNDS = 1
"""Rounds that are not counted."""


@dataclass(frozen=True)
class PassTimings:
    """Timings of a pass, forward and backward, on one layer.

    Attributes:
        layer: Name of the layer.
        gflop: Operations of the convolutions that it needs, in 10^9.
        round_ms: Milliseconds of each round.
    """

    layer: str
    gflop: float
    round_ms: list[float] = field(default_factory=list[float])

    @property
    def median_ms(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.round_ms)

    @property
    def gflop_per_s(self) -> float:
        """Operations per second at the median, in 10^9."""
        return self.gflop / self.median_ms * 1000


def count_pass_gflop(network: Network, layer: str, height: int, width: int) -> float:
    """Return the operations of a pass's convolutions in 10^9: multiplications and additions.

    Forward, and as many again for the gradient of the image, since the weights are frozen.

    Args:
        network: The network.
        layer: Layer that the pass goes to.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
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
        input_side = sides[node.inputs[0]]
        sides[name] = node.output_side(input_side[0]), node.output_side(input_side[1])
        if node.kind in ("conv", "linear"):
            weight, _ = network.get_weight_and_bias(node)
            total += 2 * weight.numel() * sides[name][0] * sides[name][1]
    return 2 * total / 1e9


def measure_duration_ms(device: torch.device, function: Callable[[], object]) -> float:
    """Return the milliseconds that a function takes, with the work that it queues on a device."""
    synchronise = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(device.type)
    if synchronise:
        synchronise()
    started = time.perf_counter()
    function()
    if synchronise:
        synchronise()
    return (time.perf_counter() - started) * 1000


def build_baseline_convolution(device: torch.device) -> tuple[Callable[[], object], float]:
    """Return a plain convolution, forward and backward, and its operations in 10^9."""
    channels, (height, width) = BASELINE_CONV_CHANNELS, BASELINE_CONV_SIZE_PX
    generator = torch.Generator().manual_seed(0)

    def random_tensor(*shape: int) -> Tensor:
        values = torch.randn(shape, generator=generator).to(device)
        return values.contiguous(memory_format=torch.channels_last)

    x = random_tensor(1, channels, height, width).requires_grad_(True)
    weight = random_tensor(channels, channels, 3, 3)
    gradient = random_tensor(1, channels, height, width)

    def run() -> object:
        return torch.autograd.grad(F.conv2d(x, weight, padding=1), x, gradient)

    return run, 2 * 2 * weight.numel() * height * width / 1e9


def bench_passes(
    network: Network,
    height: int,
    width: int,
    layers: Sequence[str] = BENCH_LAYERS,
    rounds: int = 9,
    progress: DoneCallback = lambda done: None,
) -> tuple[PassTimings, list[PassTimings]]:
    """Time passes on some layers of a network, and the baseline convolution.

    After a warm-up all are timed in turn, round after round, so that a machine whose speed drifts
    affects all of them alike.

    Args:
        network: The network.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        layers: Layers to time; those that the network does not have are left out. Where it has
            none of them, some of its own are timed.
        rounds: Number of rounds.
        progress: Called with the number of rounds done.

    Returns:
        The timings of the baseline, and of each layer.
    """
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, height, width, generator=generator).to(network.device)
    names = [name for name in layers if name in network.layers] or pick_spread_layers(network)
    run_baseline, baseline_gflop = build_baseline_convolution(network.device)
    baseline = PassTimings("3x3 convolution", baseline_gflop)
    timings = [PassTimings(name, count_pass_gflop(network, name, height, width)) for name in names]
    runs = [run_baseline, *(make_gradient_pass(network, name, image) for name in names)]
    for number in range(-WARM_UP_ROUNDS, rounds):
        for timing, run in zip([baseline, *timings], runs, strict=True):
            elapsed_ms = measure_duration_ms(network.device, run)
            if number >= 0:
                timing.round_ms.append(elapsed_ms)
        progress(max(0, number + 1))
    return baseline, timings


def pick_spread_layers(network: Network) -> list[str]:
    """Return about ten layers of any network, shallow to deep."""
    names = list(network.layers)
    return names[:: max(1, len(names) // len(BENCH_LAYERS))]


def make_gradient_pass(network: Network, layer: str, image: Tensor) -> Callable[[], object]:
    """Return a function that makes one pass: the gradient of a layer's objective."""
    objective = Objective.parse(network, [layer])
    return lambda: objective.gradient(image)


def compute_efficiency(timings: PassTimings, baseline: PassTimings) -> float:
    """Return the rate of a pass as a share of the baseline's."""
    return timings.gflop_per_s / baseline.gflop_per_s


def timings_to_rows(
    baseline: PassTimings, layer_timings: Sequence[PassTimings]
) -> Iterator[dict[str, object]]:
    """Yield the timings as plain values, ready for JSON."""
    for timing in [baseline, *layer_timings]:
        yield {
            "layer": timing.layer,
            "ms": round(timing.median_ms, 3),
            "gflop": round(timing.gflop, 3),
            "gflop_per_s": round(timing.gflop_per_s, 2),
            "efficiency": round(compute_efficiency(timing, baseline), 3),
        }
