"""Simulates a long film on many workers, for the table in docs/scale.md.

Run: python docs/simulate_scale.py

The costs of a frame are processor times measured at 1920x1080 on one machine; how long a frame
takes to dream is a parameter, since it depends on the device and the settings.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from dreamflow.pipelines.video.shards import Shard, cut_into_spans


@dataclass(frozen=True)
class Costs:
    """What a frame, a shard and a worker cost, in seconds.

    Attributes:
        dream: To dream a frame, on one worker.
        decode: To read a frame of the source; a worker reads past those of other workers' shards.
        find: To look for cuts in a frame, besides reading it.
        keep: Processor time to keep a frame without loss.
        join: Processor time to read a kept frame and to encode it.
        shard: To begin and end a shard.
        start: To start a worker, also after a failure.
        cores: Processors of a worker, and of the machine that joins.
        failures: Failures of a worker in an hour; each loses half of `saved`.
        saved: Seconds between two saved states.
    """

    dream: float
    decode: float = 0.028
    find: float = 0.006
    keep: float = 0.258
    join: float = 0.113 + 0.226
    shard: float = 0.06
    start: float = 10.0
    cores: int = 8
    failures: float = 0.02
    saved: float = 10.0


@dataclass(frozen=True)
class Outcome:
    """Hours that a film takes, and what they go into.

    Attributes:
        find: Until the shots are found.
        render: From then on, until the last shard is done.
        join: From then on, until the film is encoded.
        busy: Share of the workers' time in which they dream.
    """

    find: float
    render: float
    join: float
    busy: float

    @property
    def hours(self) -> float:
        """All of it."""
        return self.find + self.render + self.join


def draw_shots(hours: float, rate: float, made: np.random.Generator) -> list[int]:
    """Return the lengths of a film's shots, in frames: lognormal, 3.2 s in the median, 4.8 mean."""
    shots: list[int] = []
    while sum(shots) < hours * 3600 * rate:
        shots.append(max(1, round(float(made.lognormal(math.log(3.2), 0.9)) * rate)))
    return shots


def run_shards(
    count: int, starts: Sequence[float], seconds_of: Callable[[int, int], float]
) -> list[float]:
    """Return when each shard is done, where each free worker takes the first one that is left.

    Args:
        count: How many shards there are.
        starts: When each worker is ready, in seconds.
        seconds_of: Gives the seconds of a shard on a worker, by their numbers.
    """
    free = [(start, worker) for worker, start in enumerate(starts)]
    heapq.heapify(free)
    finished: list[float] = []
    for number in range(count):
        now, worker = heapq.heappop(free)
        finished.append(now + seconds_of(number, worker))
        heapq.heappush(free, (finished[-1], worker))
    return finished


def simulate(shots: list[int], workers: int, costs: Costs, made: np.random.Generator) -> Outcome:
    """Return how long a film takes, its shots rendered by workers, of which some are slow."""
    speeds = np.exp(made.normal(0, 0.1, workers)) * np.where(made.random(workers) < 0.02, 0.5, 1)
    firsts = np.cumsum([0, *shots])
    read = [0] * workers
    dreamed = 0.0

    def seconds_of(number: int, worker: int) -> float:
        nonlocal dreamed
        dream = shots[number] * max(costs.dream / speeds[worker], costs.keep / costs.cores)
        skipped = (firsts[number] - read[worker]) * costs.decode
        read[worker] = firsts[number + 1]
        dreamed += dream
        failures = int(cast(int, made.poisson(costs.failures * dream / 3600)))
        return skipped + dream + costs.shard + failures * (costs.start + costs.saved / 2)

    finished = max(run_shards(len(shots), [costs.start] * workers, seconds_of))
    find = firsts[-1] * (costs.decode + costs.find)
    join = firsts[-1] * costs.join / costs.cores
    return Outcome(find / 3600, finished / 3600, join / 3600, dreamed / (workers * finished))


def cut_long_shots(shots: list[int], rate: float) -> tuple[list[int], int]:
    """Return the frames that are dreamed of each span of a film's shots, and the number of seams.

    Spans are of 20 s at most, and begin with 1.5 s that are not shown and 10 frames that fade.
    """
    ends = np.cumsum(shots)
    whole = [Shard(int(end) - frames, int(end)) for frames, end in zip(shots, ends, strict=True)]
    spans = cut_into_spans(whole, round(20 * rate), round(1.5 * rate), 10)
    return [span.run_in + span.frames for span in spans], len(spans) - len(shots)


def main() -> None:
    """Print the table, by shots and, for what the longest shot holds up, by spans."""
    shots = draw_shots(2, 24, np.random.default_rng(1))
    spans, seams = cut_long_shots(shots, 24)
    print("| a frame | workers | find | render | join | in all | workers dream | worker hours |")
    print("|---|---|---|---|---|---|---|---|")
    for dream in (0.2, 2.0, 20.0):
        for workers in (1, 8, 64):
            print_row(f"{dream:g} s", workers, simulate(shots, workers, Costs(dream), seeded()))
    print(f"\nlongest shot {max(shots) / 24:.0f} s; {len(shots)} shots, {seams} seams of spans:\n")
    for dream in (2.0, 20.0):
        print_row(f"{dream:g} s", 64, simulate(spans, 64, Costs(dream), seeded()))


def seeded() -> np.random.Generator:
    """Return the chances of one run: the same stragglers and failures for each row."""
    return np.random.default_rng(2)


def print_row(frame: str, workers: int, done: Outcome) -> None:
    """Print a row of the table."""
    times = " | ".join(f"{h:.1f} h" for h in (done.find, done.render, done.join))
    print(
        f"| {frame} | {workers} | {times} | {done.hours:.1f} h | {done.busy:.0%} "
        f"| {workers * done.render:.0f} |"
    )


if __name__ == "__main__":
    main()
