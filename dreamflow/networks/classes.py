"""The classes that a network tells apart: their names, and which one a name means.

The 1,000 classes of ImageNet's challenge come in the same order from Caffe and from torchvision
(that of their WordNet numbers); torchvision's list of their names stands for both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from shlex import quote

from dreamflow.core.errors import SettingsError, did_you_mean, suggest_similar
from dreamflow.core.targets import CLASS_LAYER, Target, parse_target
from dreamflow.networks.network import Layer, find_layer
from dreamflow.networks.traced import torchvision_zoo as zoo
from dreamflow.networks.weights.registry import TORCHVISION_PREFIX

CLASS_COUNTS = {"googlenet": 1000, "places205": 205, "places365": 365}
"""Classes of the networks that are not torchvision's; pocket has none."""

IMAGENET_CLASS_COUNT = 1000
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
"""What ImageNet's classes are called in common words, where their names are those of breeds and
species: by number, for what is alike stands side by side there."""
MAX_SUGGESTED_CLASSES = 6
"""Names of classes that an error suggests."""


@lru_cache
def load_class_names(network: str) -> tuple[str, ...]:
    """Return the names of a network's classes, in order; none where they are not known.

    Raises DependencyError where torchvision, which has them, cannot be imported.
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
    """Return the layer of a network's classes, if it is to have one, before it is loaded."""
    count = (
        len(load_class_names(network))
        if network.startswith(TORCHVISION_PREFIX)
        else CLASS_COUNTS.get(network, 0)
    )
    return {CLASS_LAYER: Layer(CLASS_LAYER, count, 1, None, 0, 1, "")} if count else {}


def find_class_index(network: str, name: str, count: int) -> int:
    """Return the number of the class of that name, of `count`.

    Case does not matter, nor whether words are parted by spaces, - or _. Raises SettingsError with
    the nearest names.
    """
    names = load_class_names(network)[:count]
    if not names:
        raise SettingsError(
            f"the classes of {network} have no names here: give a number, class:0 to "
            f"class:{count - 1}"
        )
    for same in (str, normalise_class_name):
        found = [number for number, known in enumerate(names) if same(known) == same(name)]
        if len(found) == 1:
            return found[0]
        if found:
            either = " or ".join(f"class:{number}" for number in found)
            raise SettingsError(f"{name!r} is the name of several classes: write {either}")
    raise SettingsError(f"{network} knows no class {name!r}{suggest_classes(network, name, names)}")


def suggest_classes(network: str, name: str, names: Sequence[str]) -> str:
    """Return which classes may be meant by a name that none has."""
    of_word = search_classes(name, names, whole_words=True)
    if not of_word:
        hint = suggest_similar(name.replace("_", " "), names)
        return hint or f"; `dreamflow classes --network {network}` lists them"
    more: list[str] = []
    if kind := find_class_group(name, len(names)):
        more.append(f"{Target(CLASS_LAYER, kind)} are all of that kind")
    if len(of_word) > MAX_SUGGESTED_CLASSES:
        more.append(f"`dreamflow classes {quote(name)}` lists {len(of_word)}")
    hint = did_you_mean([names[number] for number in of_word[:MAX_SUGGESTED_CLASSES]])
    return f"{hint} {'; '.join(more)}".rstrip()


def search_classes(word: str, names: Sequence[str], whole_words: bool = False) -> list[int]:
    """Return the numbers of the classes of a kind, then of those with a word in their name.

    whole: not with a part of a word.
    """
    wanted, kind = normalise_class_name(word), find_class_group(word, len(names))
    spaced = f" {wanted} " if whole_words else wanted
    named = (
        number for number, name in enumerate(names) if spaced in f" {normalise_class_name(name)} "
    )
    return list(dict.fromkeys([*kind, *named]))


def find_class_group(word: str, count: int) -> tuple[int, ...]:
    """Return the numbers of the classes, of `count`, that a common word is for, or none."""
    wanted = normalise_class_name(word)
    kind = (
        IMAGENET_CLASS_GROUPS.get(wanted) or IMAGENET_CLASS_GROUPS.get(wanted.removesuffix("s"))
        if count == IMAGENET_CLASS_COUNT
        else None
    )
    return parse_target(f"{CLASS_LAYER}:{kind}").channels if kind else ()


def normalise_class_name(name: str) -> str:
    """Return a name as it is compared."""
    return " ".join(name.casefold().replace("-", " ").replace("_", " ").split())


def resolve_channels(network: str, layers: Mapping[str, Layer], target: Target) -> tuple[int, ...]:
    """Return the channels of a target; of a whole layer, or where they are yet to be picked, none.

    Raises SettingsError for a layer, a channel or a class that the network does not have.
    """
    layer = find_layer(network, layers, target.layer)
    if target.layer == CLASS_LAYER and target.is_whole_layer:
        raise SettingsError("class: say which one, as class:tabby or class:281")
    names = [find_class_index(network, name, layer.channels) for name in target.names]
    channels = tuple(sorted({*target.channels, *names}))
    what = "classes" if target.layer == CLASS_LAYER else "channels"
    there = f"{network if target.layer == CLASS_LAYER else layer.name} has {layer.channels} {what}"
    if channels and channels[-1] >= layer.channels:
        raise SettingsError(f"{there}, 0 to {layer.channels - 1}: there is no {channels[-1]}")
    if target.pick and target.pick.count > layer.channels:
        raise SettingsError(f"{there}: there are no {target.pick.count} to choose")
    return channels


def check_network_has_target(network: str, layers: Mapping[str, Layer], target: Target) -> None:
    """Raise SettingsError for what a network will not have; layers: as known before it is loaded.

    Whether the file of its weights has a classifier is seen when it is read.
    """
    more = expected_class_layer(network) if target.layer == CLASS_LAYER else {}
    resolve_channels(network, {**layers, **more}, target)
