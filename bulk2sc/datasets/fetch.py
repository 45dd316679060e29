"""
Bring the files of a source into the cache, verified: from a mirror, the public source or by hand.

Where a source has alternatives, the checksums of its files are not known, but noted when the files come, and
from then on a file has to be the noted one. ``SHA256SUMS`` beside them holds the notes, in the form of
`sha256sum`; it also tells which alternative was taken, so that no network is needed again.
"""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from fnmatch import filter as matching
from functools import partial
from pathlib import Path

from bulk2sc.datasets.cache import cache_dir, checksum, damage, size_of, slot
from bulk2sc.datasets.places import first_of, is_plain, mirror, offers
from bulk2sc.datasets.registry import Alternative, File, Source, megabytes, source
from bulk2sc.datasets.transfer import Offer, Unavailable, bring
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import digest

NOTES = "SHA256SUMS"


def fetch(key: str, *, from_files: Sequence[str | Path] = ()) -> list[Path]:
    """
    Bring the files of a source into the cache and return their paths.

    Each is looked for in the cache, in BULK2SC_MIRROR (a folder or an http address, ``<key>/<file>``) and at
    its public source. A broken http transfer resumes, now or in the next run. A file appears under its name
    only when it is right. Where the registry pins a sha256, that decides. Else size and md5 have to be as the
    place says, an archive readable to its end, and the sha256 is noted in ``<cache>/<key>/SHA256SUMS``: it is
    verified from then on, and a file that was damaged since is brought again and has to be the noted one.

    Parameters
    ----------
    key
        Key of the source in the registry.
    from_files
        Files downloaded by hand: only these are taken, from there. A pinned file may have any name; another
        has to be named like one of the patterns of the source.

    Returns
    -------
    Paths in the order of the registry: of the files, or of the first alternative that could be had; of the
    files taken if `from_files` is given.

    Raises
    ------
    Bulk2scError
        If the key is unknown, no place has a right file, or the disk is full or read-only.
    """
    about = source(key)
    if from_files:
        return [_take(about, Path(path)) for path in from_files]
    return [_pinned(key, file) for file in about.files] or _intact(about) or _first_alternative(about)


def status(key: str) -> str:
    """
    Say what of a source is here: ``embedded`` (comes with the book), ``here``, ``missing``, ``2 of 3 files``.

    Raises
    ------
    Bulk2scError
        If the key is unknown.
    """
    about = source(key)
    if about.embedded:
        return "embedded"
    here = _here(about)
    n = sum(map(bool, here))
    return {0: "missing", len(here): "here"}.get(n, f"{n} of {len(here)} files")


def size(key: str) -> str:
    """
    Return the size of a source, such as ``8.4 MB``: of its files if they are here, else as registered.

    Raises
    ------
    Bulk2scError
        If the key is unknown.
    """
    here = _here(source(key))
    return megabytes(sum(here)) if all(here) else source(key).size


def noted(key: str) -> str:
    """
    Return a hash of the checksums noted for the files that `fetch` would return; no file is read.

    Empty where nothing complete is here, and for a pinned source: the registry says all about that.

    Raises
    ------
    Bulk2scError
        If the key is unknown.
    """
    held = _held(source(key))
    return digest(held) if held else ""


# --- From the places of a source ---------------------------------------------------------------------------


def _pinned(key: str, file: File) -> Path:
    if file.embedded:
        return file.embedded
    addresses = [*(f"{folder}{file.name}" for folder in mirror(key)), file.url]
    found = [(address, Offer(file.name, address, file.size, sha256=file.sha256)) for address in addresses]
    attempts = [(address, partial(_bring, key, offer)) for address, offer in found]
    return first_of(attempts, key, f"{key}/{file.name}")


def _first_alternative(about: Source) -> list[Path]:
    """Bring the files of the first alternative that a place has: the mirror's, then the public ones."""
    notes = _notes(cache_dir() / about.key)
    # What was complete once is gone back to: results must not change because another place is up today.
    choices = [each for each in about.alternatives if all(_named(each, notes))][:1] or about.alternatives
    places = [(folder, each.files) for folder in mirror(about.key) for each in choices]
    places += [(each.place, each.files) for each in choices]
    attempts = [(place, partial(_bring_all, about.key, place, files)) for place, files in places]
    return first_of(attempts, about.key, about.key, f"Wanted: {about.wanted}. ")


def _bring_all(key: str, place: str, patterns: Sequence[str]) -> list[Path]:
    paths = []
    for offer in offers(place, patterns):
        try:
            paths.append(_bring(key, offer))
        except Unavailable as problem:
            raise Unavailable(f"{offer.name}: {problem}") from problem
    print(f"bulk2sc: {key}: taken from {place}", file=sys.stderr)
    return paths


def _bring(key: str, offer: Offer) -> Path:
    target = cache_dir() / key / offer.name
    if not _is_here(target, offer):
        with slot(target, offer.size) as part:
            if not _is_here(target, offer):  # another process may just have brought it
                bring(offer, part)
                _keep(offer, part, target, _notes(target.parent).get(offer.name, ""))
    return target


def _is_here(target: Path, offer: Offer) -> bool:
    known = offer.sha256 or _notes(target.parent).get(offer.name)
    return target.exists() and checksum(target) == known


# --- By hand -----------------------------------------------------------------------------------------------


def _take(about: Source, path: Path) -> Path:
    """Copy a file given by hand; where its checksum is not known, it may replace another of its name."""
    if not path.is_file():
        raise Bulk2scError(f"{path}: there is no such file to take for {about.key}.")
    offer = _known(about, path) if about.files else _named_like(about, path)
    target = cache_dir() / about.key / offer.name
    with slot(target, offer.size) as part:
        shutil.copyfile(path, part)
        try:
            _keep(offer, part, target, noted="")
        except Unavailable as problem:
            raise Bulk2scError(f"{path}: not taken for {about.key}: {problem}.") from problem
    return target


def _known(about: Source, path: Path) -> Offer:
    found = checksum(path)
    wanted = {file.sha256: file.name for file in about.files if not file.embedded}
    if found not in wanted:
        names = ", ".join(f"{name} (sha256 {sha})" for sha, name in wanted.items()) or "no file"
        raise Bulk2scError(
            f"{path}: wrong checksum: found sha256 {found}, expected for {about.key}: {names}."
            " Download it again."
        )
    return Offer(wanted[found], str(path), size_of(path), sha256=found)


def _named_like(about: Source, path: Path) -> Offer:
    patterns = [pattern for alternative in about.alternatives for pattern in alternative.files]
    if not is_plain(path.name) or not any(matching([path.name], pattern) for pattern in patterns):
        raise Bulk2scError(
            f"{path}: its name does not say which file of {about.key} it is: expected {about.wanted}."
            " Give it the name that it has at its source."
        )
    return Offer(path.name, str(path), size_of(path))


# --- Verified, and noted -----------------------------------------------------------------------------------


def _keep(offer: Offer, part: Path, target: Path, noted: str) -> None:
    """Give a part file its name if it is right, and still the noted one where one is noted; note it."""
    found = checksum(part)
    if problem := _problem(offer, part, found, noted):
        part.unlink()
        raise Unavailable(problem)
    if not offer.sha256:
        _note(target, found)
    os.replace(part, target)


def _problem(offer: Offer, part: Path, found: str, noted: str) -> str:
    size = size_of(part)
    if offer.sha256:
        expected = f"expected {offer.sha256} ({offer.size} bytes)"
        said = f"wrong checksum: found sha256 {found} ({size} bytes), {expected}"
        return "" if found == offer.sha256 else said
    if offer.size is not None and size != offer.size:
        return f"it has {size} bytes, expected {offer.size}"
    if offer.md5 and (md5 := checksum(part, "md5")) != offer.md5:
        return f"wrong checksum: found md5 {md5}, expected {offer.md5}"
    if noted not in ("", found):
        remedy = f"to take the new one, delete the folder {part.parent}"
        return f"another file than the first time: found sha256 {found}, noted {noted}; {remedy}"
    return damage(part, offer.name)


def _note(target: Path, sha: str) -> None:
    notes = target.with_name(NOTES)
    with slot(notes, None) as new:
        noted = _notes(target.parent)
        noted.pop(target.name, None)
        noted[target.name] = sha  # the latest last
        new.write_text("".join(f"{sha}  {name}\n" for name, sha in noted.items()), encoding="utf-8")
        os.replace(new, notes)


def _held(about: Source) -> dict[str, str]:
    """Return name and noted sha256 of the files of the first alternative that is complete, if one is."""
    notes = _notes(cache_dir() / about.key)
    complete = (names for each in about.alternatives if all(names := _named(each, notes)))
    return {name: notes[name] for name in next(complete, [])}


def _here(about: Source) -> list[int]:
    """Return the bytes of each file that is here, else 0; of the alternative that has most."""
    folder = cache_dir() / about.key
    if about.files:
        whole = [size_of(file.embedded or folder / file.name) == file.size for file in about.files]
        return [file.size * here for file, here in zip(about.files, whole, strict=True)]
    notes = _notes(folder)
    found = [
        [size_of(folder / name) if name else 0 for name in _named(each, notes)] for each in about.alternatives
    ]
    return max(found, key=lambda sizes: sum(map(bool, sizes)) / len(sizes))


def _intact(about: Source) -> list[Path]:
    """Return the files that `_held` names, or nothing if one is missing or no longer the noted one."""
    paths = {cache_dir() / about.key / name: sha for name, sha in _held(about).items()}
    for path, sha in paths.items():
        if not path.exists() or checksum(path) != sha:
            print(f"bulk2sc: warning: {path} is missing or damaged, it is brought again", file=sys.stderr)
            return []
    return list(paths)


def _notes(folder: Path) -> dict[str, str]:
    """Return the noted sha256 by file name, the latest last."""
    path = folder / NOTES
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return {name: sha for sha, name in re.findall(r"^([0-9a-f]{64})  (.+)$", text, re.MULTILINE)}


def _named(alternative: Alternative, notes: dict[str, str]) -> list[str]:
    """Return the latest noted file for each pattern, an empty name where there is none."""
    return [(matching(notes, pattern) or [""])[-1] for pattern in alternative.files]
