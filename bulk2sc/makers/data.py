"""Data: lines, cells, clusters and labels."""

from bulk2sc import steps
from bulk2sc.artefacts import artefact

artefact("bulk.h5ad", upto="labels")(steps.bulk)
artefact("raw_cells.h5ad", upto="labels")(steps.raw_cells)
artefact("cells.h5ad", upto="pp")(steps.cells)
artefact("clustered.h5ad", upto="clustering")(steps.clustered)
artefact("labelled.h5ad", upto="labels")(steps.labelled)
