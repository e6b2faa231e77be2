"""The compute device that the work runs on."""

from __future__ import annotations

import torch

from dreamflow.core.errors import SettingsError
from dreamflow.core.machine.options import MachineOptions


def choose_device(device: str = MachineOptions.device) -> torch.device:
    """Return the device of that name; "auto" is cuda where there is one, else mps, else cpu."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0]
        if "Expected one of" in why:  # torch lists devices that nobody dreams on
            why = "there is none of that name; choose auto, cpu, cuda, cuda:1 or mps"
        raise SettingsError(f"--device {device!r} cannot be used here: {why}") from error
    return chosen
