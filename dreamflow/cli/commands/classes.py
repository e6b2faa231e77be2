"""`dreamflow classes`: list the classes of a network."""

from __future__ import annotations

from typing import Annotated

import typer

from dreamflow.cli.output.terminal import print_note
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.shared_options import HiddenDebugOption
from dreamflow.core.errors import SettingsError
from dreamflow.networks.weights.registry import DEFAULT_NETWORK


def classes_command(
    word: Annotated[
        str | None,
        typer.Argument(
            help="Only classes with this word in their name, or of this kind: dog, bird, fish.",
            metavar="WORD",
            show_default=False,
        ),
    ] = None,
    network: Annotated[
        str, typer.Option(help="Network whose classes are listed: `dreamflow models list`.")
    ] = "googlenet",
    debug: HiddenDebugOption = False,
) -> None:
    """List the classes that a network tells apart.

    Dream on one with --network googlenet --layer class:tabby; pocket has none.

    One class a line, its number first. The names come with torchvision.
    """
    from dreamflow.networks.classes import expected_class_layer, load_class_names, search_classes

    names = load_class_names(network)
    if not names:
        reason = (
            "no names are known here, only numbers; dream on one with --layer class:NUMBER"
            if expected_class_layer(network)
            else "it has none, so it cannot dream them; googlenet and torchvision's networks can"
        )
        raise SettingsError(f"classes of {network}: {reason}", setting="network", value=network)
    numbers = range(len(names)) if word is None else search_classes(word, names)
    lines = [f"{number:4d}  {names[number]}" for number in numbers]
    if not lines:
        raise SettingsError(f"{network} knows no class with {word!r} in its name", value=word)
    typer.echo("\n".join(lines))
    example = word if word and len(lines) == 1 else "tabby"
    print_note(
        f"{DEFAULT_NETWORK}, the default network, has no classes; to dream on one: --network "
        f'{network} --layer "class:{example}"'
    )


CLASSES = Command("classes", classes_command, Section.SET_UP, 2, "dreamflow classes terrier")
