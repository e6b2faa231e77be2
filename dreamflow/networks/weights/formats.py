"""Reading weights files: safetensors, PyTorch state dicts, Caffe models. No code in them runs."""

from __future__ import annotations

import hashlib
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard, cast

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from dreamflow.core.errors import WeightsError
from dreamflow.core.files.regular_file import open_regular_file
from dreamflow.networks.weights.caffemodel import read_caffemodel

PICKLE_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin")
"""Suffixes of the files that PyTorch writes."""
MAX_PICKLE_SCAN_BYTES = 1 << 20
"""Bytes of a refused pickle that are scanned for the name of what it imports."""
SOURCE_HASH_KEY = "source_sha256"
"""Key of an imported file's metadata: the SHA-256 of the file that it was imported from."""
CONTENT_HASH_KEY = "content_sha256"
"""Key of an imported file's metadata: the hash of its tensors (`hash_tensors`)."""
STATE_DICT_KEYS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts store the state dict in a checkpoint."""


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def read_weights(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read a weights file of any format, which its suffix names.

    Args:
        path: `.caffemodel` is a Caffe model, `PICKLE_SUFFIXES` are PyTorch state dicts, anything
            else is safetensors.

    Returns:
        Its tensors by name, and the file's SHA-256 in hexadecimal.

    Raises:
        WeightsError: The file cannot be read, is damaged, or holds more than tensors.
    """
    try:
        with open_regular_file(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if path.suffix == ".caffemodel":
            return read_caffemodel(path), digest
        if path.suffix in PICKLE_SUFFIXES:
            return read_state_dict(path), digest
        return safetensors.torch.load_file(path), digest
    except SafetensorError as error:
        why = _first_line(error)
        raise WeightsError(f"{path} is not a safetensors file, or is damaged: {why}") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a PyTorch state dict, alone or inside a checkpoint.

    Nothing but tensors is unpickled.

    Raises:
        WeightsError: The file is damaged, holds no tensors, or imports code; the message names it.
    """
    _check_unpacked_size(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that are refused below
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(_explain_refusal(path, str(error))) from error
    except Exception as error:  # a damaged pickle can raise anything
        why = _first_line(error)
        raise WeightsError(f"{path} is not a PyTorch file, or is damaged: {why}") from error
    for key in STATE_DICT_KEYS:
        if _is_mapping(loaded) and _is_mapping(loaded.get(key)):
            loaded = loaded[key]
    if not _is_mapping(loaded):
        raise WeightsError(f"{path} holds no state dict, but a {type(loaded).__name__}")
    tensors = {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}
    if not tensors:
        raise WeightsError(f"{path} holds no tensors")
    for key, tensor in tensors.items():
        # A view can claim more values than its storage has: copying it would fill the memory.
        if tensor.is_sparse or tensor.numel() * tensor.element_size() > path.stat().st_size:
            raise WeightsError(f"{path} is damaged: {key} claims more values than the file holds")
    return tensors


def _check_unpacked_size(path: Path) -> None:
    """Raise WeightsError for an archive that is damaged, or whose entries are larger than it."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except Exception as error:  # a damaged directory can raise anything: struct.error, ValueError
        raise WeightsError(f"{path} is damaged: {_first_line(error)}", where=str(path)) from error
    if unpacked > path.stat().st_size:
        raise WeightsError(
            f"{path} is an archive that would grow to {unpacked:,} bytes, unlike those of PyTorch"
        )


def _first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its name where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _explain_refusal(path: Path, message: str) -> str:
    """Return why PyTorch refuses to unpickle a file, from the message of its error."""
    imported = re.search(r"GLOBAL (\S+)", message)
    name = imported.group(1).strip("`',.") if imported else _find_first_global(path)
    if not name:
        return f"{path} is not a PyTorch file of tensors, or is damaged; it was not unpickled"
    return (
        f"{path} holds code ({name}), not only tensors, and was not run; "
        "save the state_dict() of the model alone"
    )


def _find_first_global(path: Path) -> str:
    """Return what a pickle imports first, such as posix.system, without running it, or ""."""
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
    except Exception:  # the bytes are not a pickle, or a damaged one
        return ""
    return ""


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256, in hexadecimal, of tensors' names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_metadata(path: Path) -> dict[str, str]:
    """Return what a .safetensors file records beside its tensors; {} for another format.

    Raises:
        WeightsError: The file is damaged.
    """
    if path.suffix != ".safetensors":
        return {}
    try:
        with safetensors.safe_open(path, "pt") as file:  # type: ignore[no-untyped-call]
            return cast("dict[str, str] | None", file.metadata()) or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is damaged: {error}", where=str(path)) from error


def check_imported_values(path: Path, tensors: Mapping[str, Tensor]) -> bool:
    """Check the values of imported weights against the hash that was recorded with them.

    Returns:
        Whether there is a record.

    Raises:
        WeightsError: The values are not those that were imported.
    """
    expected = read_metadata(path).get(CONTENT_HASH_KEY)
    if expected is None:
        return False
    if hash_tensors(tensors) != expected:
        raise WeightsError(
            f"{path} is damaged: its values are not those that were imported; import them again",
            where=str(path),
        )
    return True
