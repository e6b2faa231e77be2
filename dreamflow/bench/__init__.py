"""How fast DreamFlow is on this machine, and how near to what the machine can do."""

from dreamflow.bench.engine import EngineFigures, bench_engine
from dreamflow.bench.render import RenderFigures, bench_render

__all__ = ["EngineFigures", "RenderFigures", "bench_engine", "bench_render"]
