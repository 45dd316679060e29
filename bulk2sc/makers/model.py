"""The model: what it is trained on, its mask, itself, and what it attributes to pathways."""

from bulk2sc import steps
from bulk2sc.artefacts import artefact

pair = artefact("training.pair", upto="labels")(steps.pair)
mask = artefact("mask.csv.gz", upto="pathways")(steps.mask)
artefact("autoencoder.model", upto="models")(steps.autoencoder)
artefact("fitted.model", upto="models")(steps.model)
artefact("attributions.csv.gz", upto="explain")(steps.attributions)
