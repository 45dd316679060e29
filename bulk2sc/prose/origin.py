"""Where lines and cells come from, and what they can tell."""

from collections.abc import Mapping

import pandas as pd

from bulk2sc.prose.words import percent

NOT_JUDGED = (
    "**No cell has an answer**, neither by the measured response of its line nor by a label: the cells are "
    "scored, and there are no metrics, since these hold scores against answers."
)


def classes(sensitive: int, resistant: int) -> str:
    """Warn, given the numbers of lines, where truth has one class only; empty where it has both."""
    if sensitive and resistant:
        return ""
    found = "resistant" if resistant else "sensitive" if sensitive else "judged"
    missing = "sensitive" if resistant else "resistant" if sensitive else "judged"
    return (
        f"**No line is {missing}**"
        + (f", all that are judged are {found}" if found != missing else "")
        + ": with this drug nothing on these cells can be called right or wrong, only ranked."
    )


def judged_cells(judged: pd.DataFrame) -> str:
    """Say how many cells and lines scores are held against, given the `obs` of cells with an answer."""
    if judged.empty:
        return "No cell is judged."
    lines = judged.groupby("truth", observed=True)["cell_line"].nunique()
    sensitive, resistant = lines.get(1.0, 0), lines.get(0.0, 0)
    return (
        f"{classes(sensitive, resistant)} {len(judged)} cells are judged; they come from {sensitive} "
        f"sensitive and {resistant} resistant lines. {percent(judged['truth'].mean())} of them are sensitive."
    ).strip()


def origin_of_lines(uns: Mapping) -> str:
    """Say whether bulk lines are measured or made up, from their `uns`."""
    if uns.get("made_up", False):
        return (
            "**The lines on this page are made up.** Names of genes and drugs are real, no value is: "
            "nothing here says anything about biology."
        )
    return f"The lines on this page are real: expression and responses of {uns.get('release', 'GDSC')}."


def kind_of_expression(uns: Mapping) -> str:
    """Say what the expression of bulk lines was measured with, from their `uns`."""
    if uns.get("made_up", False):
        return "The lines of this page are made up; their values were drawn and not measured."
    source = str(uns.get("source", ""))
    if "passports" in source:
        return "This page uses RNA-seq instead, log2(TPM + 1) of the Cell Model Passports."
    return f"This page uses that microarray (source: {source or 'not named'})."


def origin_of_cells(cells: Mapping, lines: Mapping, source: str) -> str:
    """Say whether cells are measured or simulated, and from what, given the `uns` of cells and lines."""
    if not cells.get("simulated", False):
        real = f"The cells on this page are real, from the source `{source}`."
        if cells.get("answer") == "none":
            real += f" {NOT_JUDGED}"
        if cells.get("answer") == "labels":
            real += (
                " No response of their own lines sets them apart, so **the answer of a cell is its label in "
                "the experiment**, and where this page speaks of a cell's line it means its sample."
            )
        return real
    lines_are = "made-up" if lines.get("made_up", False) else "real"
    return (
        f"**The cells on this page are simulated**, from the profiles of {len(cells['held_out'])} "
        f"{lines_are} lines that leave the training data. What is found in them holds for the simulation."
    )
