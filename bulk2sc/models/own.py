"""A method of one's own: a class in a Python file, which stands beside the others in every comparison."""

import importlib.util
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from anndata import AnnData

from bulk2sc.errors import Bulk2scError
from bulk2sc.models.base import BuiltModel, built
from bulk2sc.settings import in_project


class Own(BuiltModel):
    """A class with `fit(bulk, cells)` and `score_cells(cells)`, which sees what every method sees."""

    def save(self, folder: str | Path) -> None:
        """Refuse: what the class has learnt is not known."""
        raise Bulk2scError(f"{self.name}: a method of one's own cannot be saved; fit it again")

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        with _its_errors(f"{self.name}: fit"):
            self.model = self._built()
            self.model.fit(bulk.copy(), cells)

    def _score(self, cells: AnnData) -> np.ndarray:
        with _its_errors(f"{self.name}: score_cells"):
            score = np.asarray(self.model.score_cells(cells))
        numbers = score.dtype.kind in "fiub" and score.shape == (cells.n_obs,)
        if not numbers or not (np.isfinite(score) & (score >= 0) & (score <= 1)).all():
            raise Bulk2scError(
                f"{self.name}: score_cells must return {cells.n_obs} numbers from 0 to 1, higher where more "
                f"sensitive; found {score.dtype} of shape {score.shape}"
                + (f" from {np.min(score):.3g} to {np.max(score):.3g}" if numbers and len(score) else "")
            )
        return score


def own_method(name: str) -> type[Own]:
    """Return the method in a Python file, which is run as a cell of a notebook would be.

    Parameters
    ----------
    name
        Path of the file, from the folder of the book where it is relative; the name of the method in tables.

    Raises
    ------
    Bulk2scError
        If it cannot be run, or has not one class with `fit` and `score_cells`.
    """
    path = Path(in_project(name))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    if not path.is_file():
        raise Bulk2scError(f"method '{name}': there is no file {path}; give the path of one")
    with _its_errors(f"method '{name}': {path}"):
        spec.loader.exec_module(module)
    verbs = {"fit", "score_cells"}
    here = [c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__]
    found = [c for c in here if verbs <= set(dir(c))]
    if len(found) != 1:
        raise Bulk2scError(
            f"method '{name}': {path} must have one class with fit(bulk, cells) and score_cells(cells); "
            f"it has {', '.join(c.__name__ for c in found) or 'none'}"
        )
    what = {"__doc__": inspect.getdoc(found[0]) or found[0].__name__}
    what["learns_from_cells"] = getattr(found[0], "learns_from_cells", False)
    return built(Own, name, found[0], **what)


@contextmanager
def _its_errors(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        said = " ".join(str(error).split())
        raise Bulk2scError(f"{what} fails with {type(error).__name__}: {said}") from error
