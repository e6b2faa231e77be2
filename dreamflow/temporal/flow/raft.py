"""RAFT (Teed and Deng 2020), the optical flow of a network, as torchvision has it."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.core.errors import DependencyError, WeightsError, named
from dreamflow.networks.traced.torchvision_import import import_torchvision
from dreamflow.networks.weights.cache import find_torch_hub_folder, list_user_weights_folders
from dreamflow.networks.weights.formats import read_weights
from dreamflow.temporal.flow.estimators import reduce_for_flow
from dreamflow.temporal.flow.flow_pair import FlowPair

MODELS = {"raft": "raft_large", "raft-small": "raft_small"}
"""torchvision's name of each value of the setting `flow`."""
MULTIPLE_PX = 8
"""Sides are padded to a multiple of this: RAFT works on an eighth of the size."""
MIN_RAFT_SIDE_PX = 128
"""Smallest side: an eighth of it is split into a pyramid of four sizes, of two pixels at least."""


def find_raft(name: str) -> Path:
    """Return the weights file of `raft` or `raft-small`.

    The first `raft_large*.safetensors` or `.pth`, as torchvision names them, in the folders of the
    networks' weights, then in the folder that torchvision downloads into.

    Raises:
        WeightsError: There is none.
    """
    model = MODELS[name]
    folders = [*list_user_weights_folders(), find_torch_hub_folder()]
    for folder in folders:
        for suffix in (".safetensors", ".pth"):
            if found := sorted(folder.glob(f"{model}*{suffix}")):
                return found[0]
    raise WeightsError(
        f"no weights for {named('flow')} {name}: put torchvision's {model} weights as {model}.pth "
        f"into {' or '.join(map(str, folders))}, or use {named('flow')} dis",
        setting="flow",
        value=name,
    )


class Raft:
    """RAFT as an estimator of flow; both directions of a pair are one batch."""

    def __init__(self, model: torch.nn.Module, device: torch.device) -> None:
        """Take torchvision's model with its weights, and the device to run it on."""
        self.model = model.to(device).eval().requires_grad_(False)
        self.device = device

    @classmethod
    def load(cls, name: str, device: torch.device) -> Raft:
        """Return `raft` or `raft-small` with its weights.

        Raises:
            WeightsError: The weights are not found, or do not fit.
            DependencyError: torchvision cannot be used.
        """
        path = find_raft(name)
        try:
            import_torchvision()
            flow = importlib.import_module("torchvision.models.optical_flow")
        except (ImportError, RuntimeError) as error:
            why = str(error).splitlines()[0]
            raise DependencyError(
                f"{named('flow')} {name} needs torchvision ({why})", setting="flow", value=name
            ) from error
        model = getattr(flow, MODELS[name])(weights=None)
        try:
            model.load_state_dict(read_weights(path)[0])
        except RuntimeError as error:
            raise WeightsError(f"{path} does not hold the weights of {MODELS[name]}") from error
        return cls(model, device)

    @torch.inference_mode()
    def __call__(self, before: np.ndarray, here: np.ndarray) -> FlowPair:
        """Return the flow between two frames, each uint8 (H, W, 3) RGB."""
        frames = [self._to_image(reduce_for_flow(picture)) for picture in (here, before)]
        small_height, small_width = frames[0].shape[2:]
        pair = torch.cat([_pad(frame) for frame in frames])
        flows = self.model(pair, pair.flip(0))[-1][:, :, :small_height, :small_width]
        backward, forward = flows.permute(0, 2, 3, 1).float().contiguous().cpu().numpy()
        return FlowPair(backward, forward)

    def _to_image(self, picture: np.ndarray) -> Tensor:
        """Return float32 (1, 3, H, W) in [-1, 1], as RAFT was trained with."""
        pixels = torch.as_tensor(np.ascontiguousarray(picture)).to(self.device)
        return pixels.permute(2, 0, 1)[None].float().div(127.5).sub(1)


def _pad(image: Tensor) -> Tensor:
    """Return an image with its right and bottom edge repeated up to a size that RAFT takes."""
    height, width = image.shape[2:]
    down, right = (
        max(MIN_RAFT_SIDE_PX, -(-side // MULTIPLE_PX) * MULTIPLE_PX) - side
        for side in (height, width)
    )
    return F.pad(image, (0, right, 0, down), mode="replicate")
