"""Weights files of three formats, read without ever running what is in them."""

from __future__ import annotations

import hashlib
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from dreamflow.core.errors import WeightsError
from dreamflow.networks.weights.caffemodel import read_caffemodel

PICKLE_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin")
MAX_PICKLE_SCAN_BYTES = 1 << 20
"""How far a refused pickle is looked at for what it asked for."""
STATE_DICT_KEYS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the state dict."""


def read_weights(path: Path) -> tuple[dict[str, Tensor], str]:
    """Return a file's tensors by name, and the file's SHA-256 in hexadecimal.

    By its suffix it is a Caffe model, a PyTorch state dict, or of safetensors' format. Raises
    WeightsError where it is not, is damaged, or holds more than tensors.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if path.suffix == ".caffemodel":
            return read_caffemodel(path), digest
        if path.suffix in PICKLE_SUFFIXES:
            return read_state_dict(path), digest
        return safetensors.torch.load_file(path), digest
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a safetensors file, or is damaged: {error}") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a PyTorch state dict, alone or in a checkpoint around it.

    Nothing but tensors is unpickled: a file that asks for more is refused by the name of what it
    asks for. Raises WeightsError.
    """
    _check_unpacked_size(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles that are then refused
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(_explain_refusal(path, str(error))) from error
    except Exception as error:  # a damaged pickle can end in any of them
        first = (str(error).splitlines() or [""])[0]
        raise WeightsError(f"{path} is no PyTorch file, or is damaged: {first}") from error
    for key in STATE_DICT_KEYS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping):
        raise WeightsError(f"{path} holds no state dict, but a {type(found).__name__}")
    tensors = {str(key): value for key, value in found.items() if isinstance(value, Tensor)}
    if not tensors:
        raise WeightsError(f"{path} holds no tensors")
    for key, tensor in tensors.items():
        # A view can claim more values than there are: it would grow when it is copied.
        if tensor.is_sparse or tensor.numel() * tensor.element_size() > path.stat().st_size:
            raise WeightsError(f"{path} is damaged: {key} claims more values than the file holds")
    return tensors


def _check_unpacked_size(path: Path) -> None:
    """Raise WeightsError for an archive that would unpack to more than it is."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise WeightsError(f"{path} is damaged: {error}") from error
    if unpacked > path.stat().st_size:
        raise WeightsError(
            f"{path} is an archive that would grow to {unpacked:,} bytes; PyTorch writes none such"
        )


def _explain_refusal(path: Path, message: str) -> str:
    asked = re.search(r"GLOBAL (\S+)", message)
    name = asked.group(1).strip("`',.") if asked else _find_first_global(path)
    if not name:
        return f"{path} is no PyTorch file of tensors, or is damaged; it was not unpickled"
    return (
        f"{path} holds code ({name}), not only tensors, and was not run; "
        "save the state_dict() of the model alone"
    )


def _find_first_global(path: Path) -> str:
    """Return what a bare pickle asks for first, such as posix.system; nothing of it is run."""
    texts: list[str] = []
    try:
        with path.open("rb") as file:
            for step, value, _ in pickletools.genops(file.read(MAX_PICKLE_SCAN_BYTES)):
                if step.name == "GLOBAL":
                    return str(value).replace(" ", ".")
                if step.name == "STACK_GLOBAL":
                    return ".".join(texts[-2:])
                if isinstance(value, str):
                    texts.append(value)
    except Exception:  # the bytes are no pickle, or a damaged one
        return ""
    return ""


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of tensors: their names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
