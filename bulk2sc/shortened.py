"""What an edition does at less than full length: fewer seeds, epochs, values or methods than another."""

from math import inf
from typing import Any

from bulk2sc.artefacts import ARTEFACTS
from bulk2sc.plan import Chapter, Plan, plan


def shortened(short: Plan) -> dict[str, str]:
    """Say for each chapter what it has less of than in the edition that ``full`` names.

    Returns
    -------
    dict
        slug -> a note in Markdown, with numbers, or numbers of values. A chapter with nothing less is left
        out, and so is one that the other edition does not have.

    Raises
    ------
    Bulk2scError
        If there is no such edition, or it is wrong.
    """
    if not short.edition.full:
        return {}
    full = {chapter.slug: chapter for chapter in plan(short.edition.full).chapters}
    less = {c.slug: _less(_sizes(c), _sizes(full[c.slug])) for c in short.chapters if c.slug in full}
    return {slug: _sentence(found, short.edition.full) for slug, found in less.items() if found}


def _sentence(less: dict[str, tuple[float, float]], full: str) -> str:
    listed = ", ".join(
        f"`{name}` {here:g} ({format(there, 'g') if there else 'all'})"
        for name, (here, there) in less.items()
    )
    title = f":::{{admonition}} Shorter here than in edition `{full}`\n:class: note"
    return f"{title}\n\nIts numbers stand in brackets: {listed}.\n:::"


def _sizes(chapter: Chapter) -> dict[str, Any]:
    """Return the settings that say how much a chapter does: of itself, its artefacts, the pair, the model."""
    made = [*chapter.owned, *({"pair", "autoencoder"} & set(chapter.artefacts))]
    names = {p.name for p in chapter.declared} | {s for name in made for s in ARTEFACTS[name].settings}
    known = chapter.state["settings"] | chapter.values
    return {name: known[name] for name in sorted(names - ARTEFACTS["raw_cells"].settings.keys())}


def _less(here: dict[str, Any], there: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return settings that ask for less, or lists of fewer values, with both numbers."""
    found = {}
    for name in sorted(here.keys() & there.keys()):
        values = here[name], there[name]
        pair = tuple(len(v) if isinstance(v, list) else v for v in values)
        if all(type(value) in (int, float) for value in pair):
            asked, full = pair if isinstance(values[0], list) else (_amount(name, v) for v in pair)
            if asked < full:
                found[name] = pair
    return found


def _amount(name: str, value: float) -> float:
    """Return what is larger where more is done: 0 genes are all genes, and a higher bound lets in less."""
    if name.endswith("hvg") and value == 0:
        return inf
    return -value if name.startswith("panel_min_") else value
