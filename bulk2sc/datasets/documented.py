"""The errors of a file that is not as its source documents it, and what to do about it."""

from collections.abc import Sequence

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
        What is documented, and the names that are there; at most five of them are told.
    """
    names = ", ".join(str(name) for name in found[:5]) + (", ..." if len(found) > 5 else "")
    return Bulk2scError(f"{key}: expected {what}: {expected}; found {names or 'none'}.{remedy(key)}")


def remedy(key: str) -> str:
    """Return the last sentence of an error about a wrong file: how to give the right one."""
    return f" Download the right file by hand and run: bulk2sc fetch {key} --from FILE"
