"""Cells of 31 breast cancer lines, from a file of R that is read without R."""

import bz2
import lzma
import zlib
from pathlib import Path

import anndata as ad
import numpy as np
from scipy import sparse

from bulk2sc.datasets.cells import by_symbol
from bulk2sc.datasets.documented import unlike
from bulk2sc.datasets.fetch import fetch
from bulk2sc.datasets.matrices import as_cells

KEY, OBJECT = "GSE173634", "test_BC_atlas"
NOT_IN_GDSC = ("KPL1", "MCF12A", "MX1", "ZR751")
MAX_BYTES, MAX_OBJECTS = 100_000_000, 200_000  # the file unpacks to 37 MB and holds 31,070 objects
PLAIN = "NILVALUE SYM LIST REF CHAR STR VEC LGL INT REAL S4".split()  # nothing that could be run


class _Refused(Exception):
    """What was found instead of a matrix."""


def breast_atlas() -> ad.AnnData:
    """
    Return single cells of 31 untreated breast cancer lines (GSE173634; Drop-seq; UMI counts), 30 of each.

    Ensembl ids become symbols and those of one symbol are added up (an id without a symbol keeps its name).

    Returns
    -------
    930 cells. ``layers["counts"]`` and ``X``: counts (CSR, float32). ``obs``: sample (one for all) and
    cell_line (key of GDSC for the 27 lines that it has). ``uns["held_out"]``: these 27 lines, which must not
    be trained on.

    Raises
    ------
    Bulk2scError
        If the file cannot be fetched or is not as documented.
    """
    (path,) = fetch(KEY)
    counts, genes, names = read_dgcmatrix(path)
    # Each line was sequenced on its own. Were that its sample, what works within samples would know the line.
    cells = by_symbol(as_cells(counts.astype(np.float32), genes, names, "atlas"))
    cells.obs["cell_line"] = [name.split("_")[0] for name in names]
    cells.uns["held_out"] = [line for line in cells.obs["cell_line"].unique() if line not in NOT_IN_GDSC]
    return cells


def read_dgcmatrix(path: Path) -> tuple[sparse.csc_matrix, list[str], list[str]]:
    """
    Read a sparse matrix of counts that R's `save` wrote; nothing in the file is executed.

    Returns
    -------
    Counts, genes x cells, and the names of genes and cells.

    Raises
    ------
    Bulk2scError
        If the file is damaged, too large, or holds anything but one dgCMatrix of the documented name.
    """
    try:
        objects = _pairs(_parse(_unpack(path)))
        if list(objects) != [OBJECT]:
            raise _Refused(f"objects named {', '.join(objects) or 'nothing'}")
        slots = _pairs(objects[OBJECT].attributes)
        kind = _texts(slots["class"])[0] if "class" in slots else objects[OBJECT].info.type.name
        if kind != "dgCMatrix":
            raise _Refused(f"one of class {kind}")
        genes, names = map(_texts, slots["Dimnames"].value)
        parts = [slots[name].value for name in "xip"]
        counts = sparse.csc_matrix(tuple(parts), shape=(len(genes), len(names)))
        counts.check_format(full_check=True)
        if not all(value >= 0 and value % 1 == 0 for value in np.unique(counts.data)):
            raise _Refused("values that are no counts")
    except Exception as error:  # a damaged file can raise nearly anything
        found = str(error) if isinstance(error, _Refused) else "a file that is cut off or damaged"
        what = f"one dgCMatrix of counts with names of genes and cells, {OBJECT}"
        raise unlike(KEY, f"in {path.name}", what, [found]) from error
    return counts, genes, names


def _unpack(path: Path) -> bytes:
    too_large = _Refused(f"more than {MAX_BYTES // 10**6} MB")
    if path.stat().st_size > MAX_BYTES:
        raise too_large
    content = path.read_bytes()
    if content.startswith(b"BZh"):
        content = bz2.BZ2Decompressor().decompress(content, MAX_BYTES + 1)
    elif content.startswith(b"\x1f\x8b"):
        content = zlib.decompressobj(wbits=31).decompress(content, MAX_BYTES + 1)
    elif content.startswith(b"\xfd7zXZ"):
        content = lzma.LZMADecompressor(memlimit=200_000_000).decompress(content, MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise too_large
    if content[:7] not in (b"RDX2\nX\n", b"RDX3\nX\n"):
        raise _Refused("no file that R's save() wrote")
    return content[7:]


def _parse(content: bytes):
    from rdata.parser import RObjectType  # a second to import, and only here
    from rdata.parser._xdr import ParserXDR

    class Reader(ParserXDR):
        """The parser of rdata, which refuses an object of another kind before it reads it."""

        left = MAX_OBJECTS

        def parse_R_object(self, *args, **kwargs):
            start = self.file.tell()
            kind = RObjectType(self.file.read(4)[3]).name
            self.file.seek(start)
            self.left -= 1
            if kind not in PLAIN:
                raise _Refused(f"an object of type {kind}, which is refused")
            if not self.left:
                raise _Refused(f"more than {MAX_OBJECTS:,} objects")
            return super().parse_R_object(*args, **kwargs)

    reader = Reader(memoryview(content), expand_altrep=False, altrep_constructor_dict={})
    parsed = reader.parse_all().object
    reader.check_complete()
    return parsed


def _pairs(node) -> dict:
    """Return the values of a pairlist by their tags."""
    found = {}
    while node is not None and node.info.type.name == "LIST":
        tag = node.tag.referenced_object or node.tag
        found[tag.value.value.decode()] = node.value[0]
        node = node.value[1]
    return found


def _texts(vector) -> list[str]:
    return [text.value.decode() for text in vector.value]
