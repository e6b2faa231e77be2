"""How fast DreamFlow is on this machine, and how near to what the machine can do."""

from dreamflow.bench.engine import EngineFigures, bench_engine

__all__ = ["EngineFigures", "bench_engine"]
