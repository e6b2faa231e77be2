"""Documents of which a few values are others: for the tests of what comes from strangers."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

BIG_NUMBERS = (10**400, -(2**70), 1e308, 2**63, -1, 0, 10**9)
ODD_TEXTS = (
    *("", "1/0", "1e999999999", "9" * 5000, "-1", "nan", "../../x.mp4", "/dev/zero", "a\x00b"),
    *("\x1b[2J", "x" * 9_000, "0", "1/3", "..", "d.mkv", "d.xyz", "\u202e", "24/1"),
)
ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(BIG_NUMBERS),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(ODD_TEXTS),
    st.text(max_size=20),
    st.recursive(
        st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
)


def list_places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the keys that lead to each value within a document."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    below = [inner for key in keys for inner in list_places(value[key], (*place, key))]
    return [*([place] if place else []), *below]


@st.composite
def mutations(draw: st.DrawFn, document: Any) -> Any:
    """Draw a document of which a few values are others, are gone, or are new."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        places = list_places(document)
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        parent = document
        for key in way:
            parent = parent[key]
        what = draw(st.sampled_from(("replace", "replace", "drop", "add")))
        if what == "drop":
            del parent[last]
        elif what == "add" and isinstance(parent, dict):
            parent[draw(st.text(max_size=10))] = draw(ODD_VALUES)
        else:
            parent[last] = draw(ODD_VALUES)
    return document
