"""The errors of a file that is not as its source documents it, and what to do about it."""

from collections.abc import Iterable, Sequence

from bulk2sc.errors import Bulk2scError


def unlike(key: str, what: str, expected: str, found: Sequence[str]) -> Bulk2scError:
    """
    Return the error of a source that differs from its documentation.

    Parameters
    ----------
    key
        Key of the source.
    what
        What differs: ``files``, or ``columns in`` a file.
    expected, found
        What is documented, and the names that are there.
    """
    return Bulk2scError(f"{key}: expected {what}: {expected}; found {listed(found)}.{remedy(key)}")


def listed(names: Iterable[str]) -> str:
    """Return the first eight of some names, with commas between; ``nothing`` where there are none."""
    names = [f"'{name}'" for name in names]
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") or "nothing"


class Unlike(Bulk2scError):
    """A file is not as its source was documented to be: what was expected, and what or which names found."""

    def __init__(self, name: str, expected: str, found: str | Iterable[str]):
        found = found if isinstance(found, str) else listed(found)
        super().__init__(" ".join(f"{name}: expected {expected}, found {found}".split()))


def remedy(key: str) -> str:
    """Return the last sentence of an error about a wrong file: how to give the right one."""
    return f" Download the right file by hand and run: bulk2sc fetch {key} --from FILE"
