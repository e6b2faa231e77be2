"""Choice of the compute device."""

from __future__ import annotations

import torch

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.machine.options import MachineOptions

DEVICE_NAMES = "auto, cpu, cuda, cuda:1 or mps"


def choose_device(device: str = MachineOptions.device) -> torch.device:
    """Return the device of a name; "auto" is cuda if there is one, else mps, else cpu.

    Raises:
        SettingsError: There is no such device, or it cannot be used on this machine.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        if "Expected one of" in reason:  # PyTorch lists devices that are of no use here
            reason = f"there is none of that name; choose {DEVICE_NAMES}"
        raise SettingsError(
            f"{named('device')} {device!r} cannot be used here: {reason}",
            setting="device",
            value=device,
            allowed=DEVICE_NAMES,
        ) from error
    return chosen
