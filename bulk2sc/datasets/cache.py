"""The folder of downloaded files, and how a file is written there by one process at a time."""

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bulk2sc.errors import Bulk2scError


def cache_dir() -> Path:
    """Return the folder of downloaded files: BULK2SC_CACHE, or `bulk2sc` in the user's cache."""
    if os.environ.get("BULK2SC_CACHE"):
        return Path(os.environ["BULK2SC_CACHE"]).expanduser()
    usual = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or usual) / "bulk2sc"


@contextmanager
def slot(target: Path, size: float | None) -> Iterator[Path]:
    """
    Lend the `.part` file of a target to one process at a time, and say it clearly if the disk is in the way.

    Parameters
    ----------
    target
        Where the finished file will be put by `os.replace`.
    size
        About how many bytes it has; None if that is not known.

    Raises
    ------
    Bulk2scError
        If the disk is full or the folder cannot be written.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target.with_name(f".{target.name}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield part
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            what = f"{error.filename or target}: {error.strerror or error}"
            raise Bulk2scError(f"{what}. Set BULK2SC_CACHE to a folder that can be written.") from error
        part.unlink(missing_ok=True)
        needed = "" if size is None else f", {size / 1e6:.0f} MB are needed"
        raise Bulk2scError(
            f"{target}: the disk is full{needed}. Free some space or set"
            " BULK2SC_CACHE to a folder on another disk, then try again."
        ) from error
