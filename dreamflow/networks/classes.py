"""The classes that a network tells apart: their names, and which one a name means.

The 1,000 classes of ImageNet's challenge come in the same order from Caffe and from torchvision
(that of their WordNet numbers); torchvision's list of their names stands for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from dreamflow.errors import SettingsError, nearest
from dreamflow.networks import zoo
from dreamflow.networks.network import Layer, find_layer
from dreamflow.target import CLASS, Target, parse_target

COUNTS = {"googlenet": 1000, "places205": 205, "places365": 365}
"""Classes of the networks that are not torchvision's; pocket has none."""


@lru_cache
def class_names(network: str) -> tuple[str, ...]:
    """Return the names of a network's classes, in order; none where they are not known.

    Raises DependencyError where torchvision, which has them, cannot be imported.
    """
    if network == "googlenet":
        network = f"{zoo.PREFIX}alexnet"
    if not network.startswith(zoo.PREFIX):
        return ()
    weights = zoo.torchvision_models().get_model_weights(zoo.bare(network))
    return tuple(weights.DEFAULT.meta["categories"])


def expected_classes(network: str) -> dict[str, Layer]:
    """Return the layer of a network's classes, if it is to have one, before it is loaded."""
    count = len(class_names(network)) if network.startswith(zoo.PREFIX) else COUNTS.get(network, 0)
    return {CLASS: Layer(CLASS, count, 1, None, 0, 1, "")} if count else {}


def find_class(network: str, name: str, count: int) -> int:
    """Return the number of the class of that name, of `count`.

    Case does not matter, nor whether words are parted by spaces, - or _. Raises SettingsError with
    the nearest names.
    """
    names = class_names(network)[:count]
    if not names:
        raise SettingsError(
            f"the classes of {network} have no names here: give a number, class:0 to "
            f"class:{count - 1}"
        )
    for same in (str, plain):
        found = [number for number, known in enumerate(names) if same(known) == same(name)]
        if len(found) == 1:
            return found[0]
        if found:
            either = " or ".join(f"class:{number}" for number in found)
            raise SettingsError(f"{name!r} is the name of several classes: write {either}")
    hint = nearest(name.replace("_", " "), names)
    hint = hint or f"; `dreamflow classes --network {network}` lists them"
    raise SettingsError(f"{network} knows no class {name!r}{hint}")


def plain(name: str) -> str:
    """Return a name as it is compared."""
    return " ".join(name.casefold().replace("-", " ").replace("_", " ").split())


def channels_of(network: str, layers: Mapping[str, Layer], target: Target) -> tuple[int, ...]:
    """Return the channels of a target; of a whole layer, or where they are yet to be picked, none.

    Raises SettingsError for a layer, a channel or a class that the network does not have.
    """
    layer = find_layer(network, layers, target.layer)
    if target.layer == CLASS and target.whole:
        raise SettingsError("class: say which one, as class:tabby or class:281")
    names = [find_class(network, name, layer.channels) for name in target.names]
    channels = tuple(sorted({*target.channels, *names}))
    what = "classes" if target.layer == CLASS else "channels"
    there = f"{network if target.layer == CLASS else layer.name} has {layer.channels} {what}"
    if channels and channels[-1] >= layer.channels:
        raise SettingsError(f"{there}, 0 to {layer.channels - 1}: there is no {channels[-1]}")
    if target.pick and target.pick.count > layer.channels:
        raise SettingsError(f"{there}: there are no {target.pick.count} to choose")
    return channels


def check_target(network: str, layers: Mapping[str, Layer], name: str) -> None:
    """Raise SettingsError for what a network will not have; layers: as known before it is loaded.

    Whether the file of its weights has a classifier is seen when it is read.
    """
    target = parse_target(name)
    more = expected_classes(network) if target.layer == CLASS else {}
    channels_of(network, {**layers, **more}, target)
