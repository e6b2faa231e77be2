"""Benchmarks: single passes of a network, and whole renders with the time of each stage."""
