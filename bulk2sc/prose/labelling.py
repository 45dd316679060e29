"""What Table 1 counts."""

import pandas as pd


def cells_of_table1(table: pd.DataFrame) -> str:
    """
    Say how the cells delivered compare with those that the paper's Table 1 labels.

    Parameters
    ----------
    table
        By data set: ``delivered``, ``pass QC`` and ``labelled in the paper``; missing where not known.
    """
    both = table.dropna()
    if both.empty:
        return "None of the data sets of Table 1 is used in this edition."
    lines = []
    for name, row in both.iterrows():
        delivered, passing, printed = row.astype(int)
        if passing >= printed:
            says = f"enough pass; the paper labels {passing - printed} fewer, by steps that come later"
        elif delivered >= printed:
            says = f"{printed - passing} cells that the paper labels cannot have passed these rules"
        else:
            says = f"the source delivers {printed - delivered} cells fewer than the paper labels"
        lines.append(f"- **{name}**: {says}.")
    return "\n".join(lines)
