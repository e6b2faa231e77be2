"""Which layers of a network a guide, a listing or a sweep goes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.targets import parse_blend
from dreamflow.networks.classes import check_network_has_target
from dreamflow.networks.network import Layer, find_layer
from dreamflow.pipelines.settings.options import SweepOptions
from dreamflow.pipelines.settings.presets import note_presets


def select_layers(
    network_name: str,
    layers_by_name: Mapping[str, Layer],
    names: Sequence[str] = (),
    categories: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the layers of the given names and categories, shallow to deep.

    Args:
        network_name: Name of the network, for errors.
        layers_by_name: Its layers, shallow to deep.
        names: Layers to select.
        categories: Words; a layer is selected where its category's name contains one of them.

    Returns:
        Names of layers; all of the network where neither names nor categories are given.

    Raises:
        SettingsError: The network has no such layer or category, or a name has a weight.
    """
    if not names and not categories:
        return tuple(layers_by_name)
    selected: set[str] = set()
    for name in names:
        if "=" in name:
            raise SettingsError(
                f"{named('layer')} {name}: each layer is dreamed by itself here, without a weight",
                setting="layer",
                value=name,
                allowed="the name of a layer",
            )
        selected.add(find_layer(network_name, layers_by_name, name).name)
    for word in categories:
        selected.update(_layers_in_category(network_name, layers_by_name, word))
    return tuple(name for name in layers_by_name if name in selected)


def _layers_in_category(
    network_name: str, layers_by_name: Mapping[str, Layer], word: str
) -> list[str]:
    matching = [
        name
        for name, layer in layers_by_name.items()
        if word.casefold() in layer.category.casefold()
    ]
    if matching and word.strip():
        return matching
    categories = ", ".join(
        dict.fromkeys(layer.category for layer in layers_by_name.values() if layer.category)
    )
    hint = f"; there are {categories}" if categories else ": its layers have none"
    error = SettingsError(
        f"{network_name} has no category with {word!r} in its name{hint}",
        setting="category",
        value=word,
        allowed=categories or None,
    )
    note_presets(error, word)
    raise error


def select_sweep_layers(
    network_name: str, layers_by_name: Mapping[str, Layer], sweep: SweepOptions
) -> list[str]:
    """Return the layers of a sweep: the named ones in their order, then those of the categories.

    Args:
        network_name: Name of the network, for errors.
        layers_by_name: Its layers, shallow to deep.
        sweep: Its `layers` may hold blends, such as `A=1 + B=0.5`; its `category` holds words.

    Returns:
        Targets and blends; all layers, shallow to deep, where the options name none.

    Raises:
        SettingsError: The network has no such layer or category, or a blend cannot be read.
    """
    targets: list[str] = []
    if sweep.layers is not None:
        targets = [name.strip() for name in sweep.layers.split(",") if name.strip()]
        if not targets:
            raise SettingsError(
                f"{named('layers')} names no layer; `dreamflow layers` lists them",
                setting="layers",
                value=sweep.layers,
            )
        for target in (t for blend in targets for t in parse_blend(blend.split("+")).targets):
            check_network_has_target(network_name, layers_by_name, target)
        if not sweep.category:
            return targets
    by_category = select_layers(network_name, layers_by_name, (), sweep.category)
    return targets + [name for name in by_category if name not in targets]
