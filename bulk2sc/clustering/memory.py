"""Whether the memory of this machine, or of its container, is enough for a network to read so many cells."""

import os
import re
from pathlib import Path

from bulk2sc.errors import Bulk2scError

CGROUPS, OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")  # version 2; Linux only
STANDARDISING = (
    6  # floats of four bytes for each cell and gene while genes are z-scored: the peak of most methods
)


def refuse_too_many(name: str, n_cells: int, n_genes: int, floats: float) -> None:
    """
    Refuse cells that training could not hold, before it begins.

    Parameters
    ----------
    name
        Of the method, for the error.
    n_cells, n_genes
        What it reads.
    floats
        About how many numbers of four bytes it holds at its peak.

    Raises
    ------
    Bulk2scError
        If there is less memory than that.
    """
    need, have = 4 * floats / 1e9, available() / 1e9
    if need > have:
        raise Bulk2scError(
            f"{name}: {n_cells} cells x {n_genes} genes need about {need:.1f} GB of memory, there are "
            f"{have:.1f} GB here; give fewer cells or a lower n_hvg"
        )


def available() -> int:
    """Return the bytes of memory of this machine, or those of its container or job where these are fewer."""
    return min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *_limits()])


def _limits() -> list[int]:
    """Return the limits of the control group of this process and of those around it; ``max`` is none."""
    own = re.search(r"^0::/(.*)$", OWN_CGROUP.read_text(), re.MULTILINE) if OWN_CGROUP.is_file() else None
    folder = CGROUPS / own[1] if own else CGROUPS
    files = [each / "memory.max" for each in (folder, *folder.parents) if each.is_relative_to(CGROUPS)]
    texts = [file.read_text().strip() for file in files if file.is_file()]
    return [int(text) for text in texts if text.isdigit()]
