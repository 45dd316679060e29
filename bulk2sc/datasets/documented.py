"""The errors of a file that is not as its source documents it, and what to do about it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from bulk2sc.errors import Bulk2scError


class Unlike(Bulk2scError):
    """A file is not as its source was documented to be: what was expected, and what or which names found."""

    def __init__(self, name: str, expected: str, found: object):
        if isinstance(found, Iterable) and not isinstance(found, str):
            names = [f"'{one}'" for one in found]
            found = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") or "nothing"
        super().__init__(" ".join(f"{name}: expected {expected}, found {found}".split()))


@contextmanager
def documented(key: str) -> Iterator[None]:
    """Read files of a source: an `Unlike` file becomes an error that says how to give the right one."""
    try:
        yield
    except Unlike as error:
        raise Bulk2scError(
            f"{key}: {error}. Download the right file by hand and run: bulk2sc fetch {key} --from FILE"
        ) from error
