"""Operators that take most of a pass: convolutions, max pools, local response normalisation.

`selection` holds all use of PyTorch's private operators, and their public fallbacks.
"""
