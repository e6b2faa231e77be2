"""Distilling a network into a pocket of one's own."""

from dreamflow.distill.evaluate import TRANSFER_LAYERS, transfer
from dreamflow.distill.train import Trainer

__all__ = ["TRANSFER_LAYERS", "Trainer", "transfer"]
