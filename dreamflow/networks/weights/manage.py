"""The user's weights: fetching, importing, verifying and removing them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import safetensors.torch
from torch import Tensor

from dreamflow.core.errors import OutputError, SettingsError, WeightsError, named
from dreamflow.networks.caffe.pocket import TRUNK_PREFIX
from dreamflow.networks.catalogue import GOOGLENET_BY_CLASS_COUNT, find_network_spec
from dreamflow.networks.loading import find_weights
from dreamflow.networks.traced import torchvision_zoo as zoo
from dreamflow.networks.weights.cache import (
    SHIPPED_WEIGHTS_FOLDER,
    find_local_weights,
    list_user_weights_folders,
)
from dreamflow.networks.weights.checksums import compute_checksum, matches_checksum
from dreamflow.networks.weights.download import download_file
from dreamflow.networks.weights.file_download import DownloadProgressCallback
from dreamflow.networks.weights.formats import (
    CONTENT_HASH_KEY,
    SOURCE_HASH_KEY,
    check_imported_values,
    hash_tensors,
    read_metadata,
    read_weights,
)
from dreamflow.networks.weights.registry import DEFAULT_NETWORK, TORCHVISION_PREFIX, WeightsSource

OFFLINE_VARIABLE = "DREAMFLOW_OFFLINE"
"""Environment variable that forbids downloads, unless it is empty, 0, false or no."""


def is_offline() -> bool:
    """Return whether the environment forbids downloads."""
    return os.environ.get(OFFLINE_VARIABLE, "").strip().casefold() not in ("", "0", "false", "no")


def find_weights_or_none(network: str) -> Path | None:
    """Return the file of a network's weights that is used, or None where there is none."""
    return find_local_weights(network, find_network_spec(network).weights)


def pull_weights(
    network: str,
    mirror: str | None = None,
    on_progress: DownloadProgressCallback = lambda done, total: None,
    overwrite: bool = False,
) -> Path:
    """Download a network's weights from where they are published; a Caffe model is imported, too.

    Args:
        network: As `load_network` takes it.
        mirror: Address of the same file; one that ends with a slash is of a folder that holds it.
        on_progress: Called as bytes arrive.
        overwrite: Whether to download weights that are there already.

    Returns:
        The file that is used from now on.

    Raises:
        WeightsError: They cannot be downloaded, or are not the published ones.
        OutputError: They cannot be written.
        SettingsError: There is no such network, or the mirror is not an HTTP address.
    """
    source, local = find_network_spec(network).weights.source, find_weights_or_none(network)
    if local is not None and not overwrite:
        return local
    if source is None:
        raise WeightsError(
            f"{network} comes with DreamFlow"
            if network == DEFAULT_NETWORK
            else f"{network} is published in an archive only: get its .caffemodel, "
            f"then `dreamflow models import FILE --network {network}`"
        )
    if is_offline():
        raise WeightsError(f"{network} has to be downloaded, but {OFFLINE_VARIABLE} is set")
    url = mirror + source.filename if mirror and mirror.endswith("/") else mirror
    target = list_user_weights_folders()[0] / source.filename
    if not source.digest and local is not None:
        source = replace(source, digest=read_source_sha256(local))
    download_file(source, target, on_progress, url=url)
    fits = False
    try:
        if target.suffix == ".caffemodel":
            return import_weights(target, network, overwrite=True)
        check_weights_fit(target, network, *read_weights(target))
        fits = True
        return target
    finally:
        if not fits:
            target.unlink(missing_ok=True)


def read_source_sha256(path: Path) -> str:
    """Return the SHA-256 of the file that weights were imported from, as recorded with them.

    Where no checksum is published, the first download is trusted, and later ones are compared with
    it. "" where there is no record.
    """
    return read_metadata(path).get(SOURCE_HASH_KEY, "")


def check_weights_fit(path: Path, network: str, tensors: Mapping[str, Tensor], digest: str) -> None:
    """Raise WeightsError where tensors do not fit a network.

    Args:
        path: Of their file, for the message.
        network: As `load_network` takes it.
        tensors: By name.
        digest: SHA-256 of the file.
    """
    try:
        find_network_spec(network).build(tensors, digest)
    except WeightsError as error:
        raise error.located(str(path)) from error


def import_weights(path: Path, network: str | None = None, overwrite: bool = False) -> Path:
    """Write a file's weights as safetensors into the user's folder, where they are found by name.

    Args:
        path: A .caffemodel, a PyTorch state dict (.pth, .pt) or a .safetensors.
        network: That they belong to; None infers it from the layers, or from torchvision's name of
            the file.
        overwrite: Whether to replace weights that are there already.

    Returns:
        The file that is written.

    Raises:
        WeightsError: The weights cannot be read, or do not fit.
        OutputError: There are weights already, or the file cannot be written.
        SettingsError: The network is unknown, or cannot be inferred.
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
        raise OutputError(f"{target} exists; {named('overwrite')} replaces it", setting="overwrite")
    # Own copies, since safetensors does not write tensors that share memory.
    copies = {key: tensor.detach().clone().contiguous() for key, tensor in tensors.items()}
    metadata = {
        "network": network,
        "source": path.name,
        SOURCE_HASH_KEY: digest,
        CONTENT_HASH_KEY: hash_tensors(copies),
    }
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(copies, part, metadata)
        os.replace(part, target)
    except (OSError, safetensors.SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{target} cannot be written: {error}") from error
    return target


def identify_network(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Return the network that tensors belong to.

    Args:
        path: Of their file, whose name may be torchvision's.
        tensors: By name.

    Raises:
        SettingsError: It cannot be inferred.
    """
    if any(key.startswith(TRUNK_PREFIX) for key in tensors):
        return "pocket"
    if "inception_3a/1x1.weight" in tensors:
        classifier = tensors.get("loss3/classifier.weight")
        count = classifier.shape[0] if classifier is not None else 1000
        if count in GOOGLENET_BY_CLASS_COUNT:
            return GOOGLENET_BY_CLASS_COUNT[count]
    for name in zoo.list_classifier_names():
        if path.name in find_network_spec(TORCHVISION_PREFIX + name).weights.filenames:
            return TORCHVISION_PREFIX + name
    raise SettingsError(
        f"{path} does not tell which network its weights belong to: name it with "
        f"{named('network')} (`dreamflow models list --all` shows the names)",
        setting="network",
        where=str(path),
    )


def verify_weights(
    network: str, weights: Path | None = None, shipped_folder: Path = SHIPPED_WEIGHTS_FOLDER
) -> str:
    """Check that a network's weights are readable, fit, and have the right checksum.

    Args:
        network: As `load_network` takes it.
        weights: The file; None finds it as `load_network` does.
        shipped_folder: Files there must be those that come with DreamFlow.

    Returns:
        What they were checked against, in words.

    Raises:
        WeightsError: They are not found, do not fit, or are damaged.
    """
    path, published = find_weights(network, weights), find_network_spec(network).weights
    tensors, digest = read_weights(path)
    check_weights_fit(path, network, tensors, digest)
    source = published.source
    if source is not None and source.digest and path.name == source.filename:
        return _verify_published(path, network, source)
    if path.parent == shipped_folder and published.shipped_sha256:
        if digest == published.shipped_sha256:
            return "its SHA256 is that of the file that comes with DreamFlow"
        raise WeightsError(
            f"{path} is damaged: its SHA256 is {digest}, not {published.shipped_sha256}; install "
            "DreamFlow again"
        )
    if check_imported_values(path, tensors):
        return "its values are those that were imported"
    return "it is readable and fits; there is no checksum to compare with"


def _verify_published(path: Path, network: str, source: WeightsSource) -> str:
    algorithm = source.algorithm.upper()
    if matches_checksum(path, source):
        return f"its {algorithm} is the published one"
    actual = compute_checksum(path, source.algorithm)[: len(source.digest)]
    raise WeightsError(
        f"{path} is damaged: its {algorithm} is {actual}, not {source.digest}; "
        f"`dreamflow models pull {network} --overwrite` downloads it again"
    )


def remove_weights(network: str) -> list[Path]:
    """Remove a network's weights, and unfinished downloads of them, from the user's folders.

    Those of the package and of PyTorch's hub are not touched.

    Args:
        network: As `load_network` takes it.

    Returns:
        The files that were removed.

    Raises:
        WeightsError: There are none.
        SettingsError: There is no such network.
    """
    filenames = find_network_spec(network).weights.filenames
    names = [*filenames, *(f"{name}.part" for name in filenames)]
    removed: list[Path] = []
    for path in (folder / name for folder in list_user_weights_folders() for name in names):
        if path.is_file():
            path.unlink()
            removed.append(path)
    if not removed:
        where = " or ".join(map(str, list_user_weights_folders()))
        elsewhere = find_weights_or_none(network)
        hint = f"; {elsewhere} is not DreamFlow's to remove" if elsewhere else ""
        raise WeightsError(f"there are no weights of {network} in {where}{hint}", where=where)
    return removed
