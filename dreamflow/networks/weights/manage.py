"""The weights on this machine: fetching, importing, checking and removing them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from dreamflow.core.errors import OutputError, SettingsError, WeightsError
from dreamflow.networks.caffe.pocket import TRUNK_PREFIX
from dreamflow.networks.catalogue import GOOGLENET_BY_CLASS_COUNT, find_network_spec
from dreamflow.networks.loading import find_weights, find_weights_or_none
from dreamflow.networks.traced import torchvision_zoo as zoo
from dreamflow.networks.weights.download import (
    DownloadProgressCallback,
    compute_checksum,
    download_file,
    matches_checksum,
)
from dreamflow.networks.weights.folders import SHIPPED_WEIGHTS_FOLDER, list_user_weights_folders
from dreamflow.networks.weights.formats import hash_tensors, read_weights
from dreamflow.networks.weights.registry import TORCHVISION_PREFIX

OFFLINE_VARIABLE = "DREAMFLOW_OFFLINE"
CONTENT_HASH_KEY = "content_sha256"
"""Key of the metadata under which an imported file keeps the hash of its tensors."""


def is_offline() -> bool:
    """Return whether the environment forbids to fetch anything."""
    return os.environ.get(OFFLINE_VARIABLE, "").strip().casefold() not in ("", "0", "false", "no")


def pull_weights(
    network: str,
    mirror: str | None = None,
    on_progress: DownloadProgressCallback = lambda done, total: None,
    overwrite: bool = False,
) -> Path:
    """Fetch a network's weights from where they are published, and return the file.

    Weights that are there are not fetched again. mirror: an address that has the same file; one
    that ends with a slash is of a folder with it. A Caffe model is imported, too. Raises
    WeightsError where they cannot be fetched, or are not what was published.
    """
    source, there = find_network_spec(network).weights.source, find_weights_or_none(network)
    if there is not None and not overwrite:
        return there
    if source is None:
        raise WeightsError(
            f"{network} comes with DreamFlow"
            if network == "pocket"
            else f"{network} is published in an archive only: get its .caffemodel, "
            f"then `dreamflow models import FILE --network {network}`"
        )
    if is_offline():
        raise WeightsError(f"{network} is to be fetched, but {OFFLINE_VARIABLE} is set")
    url = mirror + source.filename if mirror and mirror.endswith("/") else mirror
    target = list_user_weights_folders()[0] / source.filename
    download_file(source, target, on_progress, url=url)
    try:
        if target.suffix == ".caffemodel":
            return import_weights(target, network, overwrite=True)
        check_weights_fit(target, network, *read_weights(target))
        return target
    finally:
        if target.suffix == ".caffemodel":
            target.unlink(missing_ok=True)


def check_weights_fit(path: Path, network: str, tensors: Mapping[str, Tensor], digest: str) -> None:
    """Raise WeightsError where a file's tensors are none of this network."""
    try:
        find_network_spec(network).build(tensors, digest)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def import_weights(path: Path, network: str | None = None, overwrite: bool = False) -> Path:
    """Write a file's weights as safetensors where they are found by name, and return that file.

    path: a .caffemodel, a PyTorch state dict (.pth, .pt) or a .safetensors. network: whose weights
    they are; None sees it from the layers, or from a file name of torchvision's. Raises
    WeightsError where they cannot be read or do not fit, OutputError where there are some already.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file")
    if network is not None:
        find_network_spec(network)
    tensors, digest = read_weights(path)
    network = network or identify_network(path, tensors)
    check_weights_fit(path, network, tensors, digest)
    target = list_user_weights_folders()[0] / find_network_spec(network).weights.filenames[0]
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists; --overwrite replaces it")
    whole = {key: tensor.detach().clone().contiguous() for key, tensor in tensors.items()}
    note = {
        "network": network,
        "source": path.name,
        "source_sha256": digest,
        CONTENT_HASH_KEY: hash_tensors(whole),
    }
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(whole, part, note)
        os.replace(part, target)
    except (OSError, safetensors.SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{target} cannot be written: {error}") from error
    return target


def identify_network(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Return whose weights these are, or raise SettingsError where it cannot be told."""
    if any(key.startswith(TRUNK_PREFIX) for key in tensors):
        return "pocket"
    if "inception_3a/1x1.weight" in tensors:
        classifier = tensors.get("loss3/classifier.weight")
        found = GOOGLENET_BY_CLASS_COUNT.get(
            classifier.shape[0] if classifier is not None else 1000
        )
        if found is not None:
            return found
    for name in zoo.list_classifier_names():
        if path.name in find_network_spec(TORCHVISION_PREFIX + name).weights.filenames:
            return TORCHVISION_PREFIX + name
    raise SettingsError(
        f"{path} does not tell whose weights it holds; say it with --network "
        "(`dreamflow models list --all` shows the names)"
    )


def verify_weights(network: str, weights: Path | None = None) -> str:
    """Return what was found right about a network's weights, or raise WeightsError."""
    path = find_weights(network, weights)
    source, shipped = (
        find_network_spec(network).weights.source,
        find_network_spec(network).shipped_sha256,
    )
    tensors, digest = read_weights(path)
    check_weights_fit(path, network, tensors, digest)
    if source is not None and source.digest and path.name == source.filename:
        if matches_checksum(path, source):
            return f"its {source.algorithm.upper()} is the published one"
        found = compute_checksum(path, source.algorithm)[: len(source.digest)]
        raise WeightsError(
            f"{path} is damaged: its {source.algorithm.upper()} is {found}, not {source.digest}; "
            f"`dreamflow models pull {network} --overwrite` gets it anew"
        )
    if path.parent == SHIPPED_WEIGHTS_FOLDER and shipped:
        if digest == shipped:
            return "its SHA256 is that of the file that comes with DreamFlow"
        raise WeightsError(
            f"{path} is damaged: its SHA256 is {digest}, not {shipped}; install DreamFlow anew"
        )
    if path.suffix == ".safetensors":
        with safetensors.safe_open(path, "pt") as file:  # type: ignore[no-untyped-call]
            expected = (file.metadata() or {}).get(CONTENT_HASH_KEY)
        if expected is not None:
            if hash_tensors(tensors) == expected:
                return "its values are those that were imported"
            raise WeightsError(f"{path} is damaged: its values are not those that were imported")
    return "it reads and fits; there is no checksum to compare with"


def remove_weights(network: str) -> list[Path]:
    """Remove a network's weights, and what was fetched of them, from DreamFlow's folders.

    Raises WeightsError where there are none: those of the package, of PyTorch's hub and of
    `--weights` are not touched.
    """
    made = find_network_spec(network)
    names = [*made.weights.filenames, *(f"{name}.part" for name in made.weights.filenames)]
    gone: list[Path] = []
    for path in (folder / name for folder in list_user_weights_folders() for name in names):
        if path.is_file():
            path.unlink()
            gone.append(path)
    if not gone:
        where = " or ".join(map(str, list_user_weights_folders()))
        elsewhere = find_weights_or_none(network)
        hint = f"; {elsewhere} is not DreamFlow's to remove" if elsewhere else ""
        raise WeightsError(f"there are no weights of {network} in {where}{hint}")
    return gone
