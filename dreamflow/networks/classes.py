"""The classes that a network tells apart: their names, and the class that a name means.

The 1,000 classes of ImageNet's challenge come in the same order from Caffe and from torchvision
(that of their WordNet numbers), so torchvision's list of their names serves for both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from shlex import quote

from dreamflow.core.errors import SettingsError
from dreamflow.core.targets import CLASS_LAYER, Target, parse_target
from dreamflow.core.text.did_you_mean import did_you_mean, suggest_similar
from dreamflow.networks.network import Layer, find_layer
from dreamflow.networks.traced import torchvision_zoo as zoo
from dreamflow.networks.weights.registry import TORCHVISION_PREFIX

CLASS_COUNTS = {"googlenet": 1000, "places205": 205, "places365": 365}
"""Classes of the networks that are not torchvision's; pocket has none."""

IMAGENET_CLASS_COUNT = 1000
"""Classes of ImageNet's challenge."""
IMAGENET_CLASS_GROUPS = {
    "ape": "365-369",
    "bear": "294-297",
    "beetle": "300-307",
    "big cat": "286-293",
    "bird": "7-24:80-100:127-146",
    "butterfly": "321-326",
    "car": "407:436:468:511:609:627:656:661:751:817",
    "cat": "281-285",
    "crab": "118-121",
    "crocodile": "49-50",
    "dog": "151-268",
    "elephant": "385-386",
    "fish": "0-6:389-397",
    "flower": "985-986",
    "fox": "277-280",
    "frog": "30-32",
    "fruit": "948-957",
    "fungus": "947:991-997",
    "horse": "339-340",
    "insect": "300-326",
    "lizard": "38-48",
    "monkey": "370-382",
    "parrot": "87-90",
    "rabbit": "330-332",
    "shark": "2-4",
    "snake": "52-68",
    "spider": "72-77",
    "turtle": "33-37",
    "whale": "147-148",
    "wolf": "269-272",
}
"""ImageNet's classes by common words, since their own names are those of breeds and species. They
are numbers and ranges, joined by colons: related classes have adjacent numbers."""
MAX_SUGGESTED_CLASSES = 6
"""Names of classes that an error suggests, at most."""


@lru_cache
def load_class_names(network: str) -> tuple[str, ...]:
    """Return the names of a network's classes, in order; () where they are unknown.

    Args:
        network: As `load_network` takes it.

    Raises:
        DependencyError: torchvision, which holds the names, cannot be imported.
    """
    if network == "googlenet":
        network = f"{TORCHVISION_PREFIX}alexnet"
    if not network.startswith(TORCHVISION_PREFIX):
        return ()
    weights = zoo.import_torchvision_models().get_model_weights(
        zoo.strip_torchvision_prefix(network)
    )
    return tuple(weights.DEFAULT.meta["categories"])


def expected_class_layer(network: str) -> dict[str, Layer]:
    """Return the layer of classes that a network should have, by name, before it is loaded."""
    count = (
        len(load_class_names(network))
        if network.startswith(TORCHVISION_PREFIX)
        else CLASS_COUNTS.get(network, 0)
    )
    return {CLASS_LAYER: Layer(CLASS_LAYER, count, 1, None, 0, 1, "")} if count else {}


def find_class_index(network: str, name: str, count: int) -> int:
    """Return the number of a class by its name.

    Args:
        network: As `load_network` takes it.
        name: Of the class. Case does not matter, nor whether words are separated by spaces, hyphens
            or underscores.
        count: Classes that the network has.

    Raises:
        SettingsError: No class has that name, or several have; the message suggests what to write.
    """
    names = load_class_names(network)[:count]
    if not names:
        raise SettingsError(
            f"the classes of {network} have no names here: give a number, class:0 to "
            f"class:{count - 1}",
            setting="layer",
            value=name,
        )
    for normalise in (str, normalise_class_name):
        matches = [n for n, known in enumerate(names) if normalise(known) == normalise(name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            either = " or ".join(f"class:{number}" for number in matches)
            raise SettingsError(
                f"{name!r} is the name of several classes: write {either}",
                setting="layer",
                value=name,
            )
    raise SettingsError(
        f"{network} knows no class {name!r}{suggest_classes(network, name, names)}",
        setting="layer",
        value=name,
    )


def suggest_classes(network: str, name: str, names: Sequence[str]) -> str:
    """Return what to write instead of a name that no class has, as the end of an error message."""
    with_word = search_classes(name, names, whole_words=True)
    if not with_word:
        hint = suggest_similar(name.replace("_", " "), names)
        return hint or f"; `dreamflow classes --network {network}` lists them"
    more: list[str] = []
    if group := find_class_group(name, len(names)):
        more.append(f"{Target(CLASS_LAYER, group)} are all of that kind")
    if len(with_word) > MAX_SUGGESTED_CLASSES:
        more.append(f"`dreamflow classes {quote(name)}` lists {len(with_word)}")
    hint = did_you_mean([names[number] for number in with_word[:MAX_SUGGESTED_CLASSES]])
    return f"{hint} {'; '.join(more)}".rstrip()


def search_classes(word: str, names: Sequence[str], whole_words: bool = False) -> list[int]:
    """Return the numbers of the classes that a word means, or whose names hold it.

    Args:
        word: A common word for a group of classes, or a part of names.
        names: Of all classes, in order.
        whole_words: Whether the word must not be a part of a longer word.

    Returns:
        The classes of the group first, then the others.
    """
    normalised, group = normalise_class_name(word), find_class_group(word, len(names))
    pattern = f" {normalised} " if whole_words else normalised
    matches = (n for n, name in enumerate(names) if pattern in f" {normalise_class_name(name)} ")
    return list(dict.fromkeys([*group, *matches]))


def find_class_group(word: str, count: int) -> tuple[int, ...]:
    """Return the numbers of the classes that a common word, such as "dogs", means; or ().

    Args:
        word: In the singular or with a final s.
        count: Classes that the network has; groups are known of ImageNet's 1,000 only.
    """
    if count != IMAGENET_CLASS_COUNT:
        return ()
    normalised = normalise_class_name(word)
    groups = (IMAGENET_CLASS_GROUPS.get(w) for w in (normalised, normalised.removesuffix("s")))
    group = next(filter(None, groups), None)
    return parse_target(f"{CLASS_LAYER}:{group}").channels if group else ()


def normalise_class_name(name: str) -> str:
    """Return a name as it is compared: lower case, its words separated by single spaces."""
    return " ".join(name.casefold().replace("-", " ").replace("_", " ").split())


def resolve_channels(network: str, layers: Mapping[str, Layer], target: Target) -> tuple[int, ...]:
    """Return the channels of a target, in rising order.

    Args:
        network: As `load_network` takes it.
        layers: Facts of its layers, by name.
        target: What is dreamed on.

    Returns:
        The channels; () for a whole layer, and where they are yet to be picked by their response.

    Raises:
        SettingsError: The network has no such layer, channel or class.
    """
    layer = find_layer(network, layers, target.layer)
    if target.layer == CLASS_LAYER and target.is_whole_layer:
        raise SettingsError(
            "class: say which one, as class:tabby or class:281", setting="layer", value=CLASS_LAYER
        )
    names = [find_class_index(network, name, layer.channels) for name in target.names]
    channels = tuple(sorted({*target.channels, *names}))
    noun = "classes" if target.layer == CLASS_LAYER else "channels"
    owner = network if target.layer == CLASS_LAYER else layer.name
    has = f"{owner} has {layer.channels} {noun}"
    if channels and channels[-1] >= layer.channels:
        allowed = f"0 to {layer.channels - 1}"
        raise SettingsError(
            f"{has}, {allowed}: there is no {channels[-1]}",
            setting="layer",
            value=str(target),
            allowed=allowed,
        )
    if target.pick and target.pick.count > layer.channels:
        raise SettingsError(
            f"{has}: there are no {target.pick.count} to choose",
            setting="layer",
            value=str(target),
            allowed=f"at most {layer.channels}",
        )
    return channels


def check_network_has_target(network: str, layers: Mapping[str, Layer], target: Target) -> None:
    """Raise SettingsError for a target that a network will not have once it is loaded.

    Whether its weights file has a classifier is known only when the file is read.

    Args:
        network: As `load_network` takes it.
        layers: Facts of its layers, by name, as known before it is loaded.
        target: The target.
    """
    classes = expected_class_layer(network) if target.layer == CLASS_LAYER else {}
    resolve_channels(network, {**layers, **classes}, target)
