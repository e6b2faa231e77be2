"""Distillation: training a small network to dream like a large one."""
