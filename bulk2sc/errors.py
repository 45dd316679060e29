"""Errors that a user can act on: one line, naming what was found and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_LISTED = 30  # names in one line


class Bulk2scError(Exception):
    """A mistake in input, settings or surroundings; the command line prints it as one line, exits with 2."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'a' or 'b'?`` for the known names nearest to `name`, or an empty string."""
    by_lower = {str(k).lower(): str(k) for k in known}
    near = get_close_matches(str(name).lower(), by_lower, n=3, cutoff=0.6)
    if not near:
        return ""
    return " Did you mean " + " or ".join(f"'{by_lower[n]}'" for n in near) + "?"


def refuse_unknown(names: str | Iterable[str], known: Iterable[str], what: str, also: str = "") -> None:
    """Raise `Bulk2scError` if a name is not among those known; `what` it names, and what it may be `also`."""
    known = list(map(str, known))
    listed = f"; it is one of {', '.join(known)}{also}" if len(known) <= MOST_LISTED else ""
    for name in [names] if isinstance(names, str) else names:
        if name not in known:
            raise Bulk2scError(f"{what} '{name}' is unknown{listed}.{did_you_mean(name, known)}")
