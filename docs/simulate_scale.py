"""Simulates a long film on many workers, for the table in docs/scale.md.

Run: python docs/simulate_scale.py

The costs of a frame are processor times measured at 1920x1080 on one machine; how long a frame
takes to dream is a parameter, since it depends on the device and the settings.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import cast

import numpy as np


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


def simulate(shots: list[int], workers: int, costs: Costs, made: np.random.Generator) -> Outcome:
    """Return how long a film takes when each free worker takes the first shard that is left."""
    speeds = np.exp(made.normal(0, 0.1, workers)) * np.where(made.random(workers) < 0.02, 0.5, 1)
    free = [(costs.start, worker) for worker in range(workers)]
    read = [0] * workers
    first = 0
    finished = dreamed = 0.0
    for frames in shots:
        now, worker = heapq.heappop(free)
        dream = frames * max(costs.dream / speeds[worker], costs.keep / costs.cores)
        skipped = (first - read[worker]) * costs.decode
        failures = int(cast(int, made.poisson(costs.failures * dream / 3600)))
        now += skipped + dream + costs.shard + failures * (costs.start + costs.saved / 2)
        first += frames
        read[worker] = first
        dreamed += dream
        finished = max(finished, now)
        heapq.heappush(free, (now, worker))
    find = first * (costs.decode + costs.find)
    join = first * costs.join / costs.cores
    return Outcome(find / 3600, finished / 3600, join / 3600, dreamed / (workers * finished))


def main() -> None:
    """Print the table."""
    shots = draw_shots(2, 24, np.random.default_rng(1))
    print("| a frame | workers | find | render | join | in all | workers dream | worker hours |")
    print("|---|---|---|---|---|---|---|---|")
    for dream in (0.2, 2.0, 20.0):
        for workers in (1, 8, 64):
            costs = Costs(dream)
            done = simulate(shots, workers, costs, np.random.default_rng(2))
            times = " | ".join(f"{h:.1f} h" for h in (done.find, done.render, done.join))
            print(
                f"| {dream:g} s | {workers} | {times} | {done.hours:.1f} h | {done.busy:.0%} "
                f"| {workers * done.render:.0f} |"
            )


if __name__ == "__main__":
    main()
