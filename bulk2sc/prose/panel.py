"""What a panel of drugs says of methods: who is ahead, and what so few lines can tell."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bulk2sc.prose.words import counted, interval, listing


def ahead_on_panel(table: pd.DataFrame, *, what: str) -> str:
    """Say which method ranks the lines best, and how many are beyond permuted lines.

    Parameters
    ----------
    table
        Rows of `panel.judge` for one set of drugs and one input, without constant answers.
    what
        The set of drugs in words, such as ``discriminating drugs``.
    """
    if table.empty:
        return f"Over the {what}, only constant answers were asked, which rank nothing."
    first = table.loc[table["value"].idxmax()]
    over = counted(int(first["n_drugs"]), what.removesuffix("s"))
    beyond = int((table["value"] > table["null_high"]).sum())
    if first["value"] <= 0:
        return f"Over {over} no method ranks the lines better than a constant answer, whose mean rho is 0."
    size = interval(first["value"], first["low"], first["high"])
    return (
        f"Over {over}, **{first['method']}** is ahead with a mean rho of {size} over drugs; "
        f"permuted lines let the best of all methods get as far with p = {first['p_best']:.2g}. "
        f"Beyond the 97.5 % point of its own permuted lines: {beyond} of {len(table)} methods, constant "
        f"answers aside, where chance alone would put {0.025 * len(table):.1f} of them on average."
    )


def place_on_panel(method: str, table: pd.DataFrame, *, role: str) -> str:
    """Say what a method of interest reaches and which place it takes in a table without constant answers."""
    if method not in set(table["method"]):
        return f"{role}, {method}, is not among the methods."
    row = table.set_index("method").loc[method]
    place = int((table["value"] > row["value"]).sum()) + 1
    above, below = row["value"] > row["null_high"], row["value"] < row["null_low"]
    verdict = "beyond" if above else "below" if below else "within"
    return (
        f"{role}, **{method}**, takes place {place} of {len(table)}, constant answers aside: "
        f"{interval(row['value'], row['low'], row['high'])}, {verdict} what permuted lines reach."
    )


def beats_on_panel(row: Mapping[str, float]) -> str:
    """Say whether the first of two methods beats the second, given a row of `panel.against`.

    It does where it is ahead, the interval over drugs is clear of 0, and the permutation test of the lines,
    corrected, is below .05. Where that is open, what `steady` says of the pair is added.
    """
    first, second, clear = f"**{row['first']}**", row["second"], row["p_holm"] < 0.05
    size = interval(row["value"], row["low"], row["high"], digits=3)
    size += f", corrected p {row['p_holm']:.2g} by permuted lines"
    if row["low"] > 0 and clear:
        return f"{first} beats {second}: mean rho differs by {size}."
    if row["high"] < 0 and clear:
        return f"{first} does not beat {second} but is behind it: mean rho differs by {size}."
    text = f"{first} cannot be told apart from {second} by this test: mean rho differs by {size}."
    if side := steady(row):
        where = "ahead of" if side > 0 else "behind"
        text += f" By the interval over drugs, and with any one line left out, it is {where} {second}."
    return text


def steady(row: Mapping[str, float]) -> int:
    """Return 1 or -1, the sign of a difference whose interval and range without a line it shares, else 0."""
    lowest, highest = min(row["low"], row["without_low"]), max(row["high"], row["without_high"])
    return int(lowest > 0) - int(highest < 0)


def reach_of_orders(n_lines: int, n_orders: int, n_comparisons: int) -> str:
    """Say how small a corrected p-value can become with so many orders of the lines."""
    smallest = min(1.0, n_comparisons / n_orders)
    drawn = "have" if n_lines <= 6 else "are dealt out in"
    text = f"The {n_lines} lines {drawn} {n_orders} orders, so the smallest p-value is {1 / n_orders:.4f}"
    text += f", and {smallest:.3f} after Holm's correction for {counted(n_comparisons, 'comparison')}."
    if smallest >= 0.05:
        text += " No difference among so many can become clear, however large it is."
    return text


def one_line_decides(row: Mapping[str, float], *, what: str) -> str:
    """Say whether leaving out a single line changes the sign of a mean or a difference (`panel.summary`)."""
    span = f"between {row['without_low']:.2f} and {row['without_high']:.2f}"
    if row["without_low"] > 0 or row["without_high"] < 0:
        return f"With any one line left out, {what} lies {span}: its sign hangs on no single line."
    return f"With one line left out, {what} lies {span}: its sign hangs on a single line."


def rivals_not_run(rivals: Sequence[str], methods: Sequence[str]) -> str:
    """Say which of the rivals that were named beforehand are not among the methods; nothing if all are."""
    missing = [rival for rival in rivals if rival not in methods]
    return f"Named as rivals and not run in this edition: {listing(missing)}." if missing else ""


def degenerate_on_panel(counts: pd.DataFrame) -> str:
    """Say which runs give all lines one score, given `panel.same_for_all_lines` without constant answers."""
    flagged = counts[counts["same"] > 0]
    if flagged.empty:
        return "No run is degenerate, constant answers aside: none gives the cells of all lines one score."
    names = [f"{row.Index} ({row.same} of {row.runs} runs)" for row in flagged.itertuples()]
    return (
        f"Degenerate, that is, one score for the cells of all lines: {listing(names)}. "
        "A run is a seed on a drug; such a run ranks nothing, and its rho is 0."
    )


def how_trained(cheaper: Mapping[str, Mapping[str, int]], *, n_seeds: int, max_epochs: int) -> str:
    """Say which methods are smaller than elsewhere (settings by method), how many seeds run, how long."""
    words = {"bins": "bins a gene", "n_estimators": "trees"}
    smaller = [f"{m} has {n} {words[name]}" for m, given in cheaper.items() for name, n in given.items()]
    text = f"Networks and what is trained end to end run {counted(n_seeds, 'seed')}, other methods one; "
    if n_seeds == 1:
        text = "Every method runs one seed; "
    text += f"networks train for at most {max_epochs} epochs."
    if smaller:
        text += (
            f" To be affordable on all drugs, some methods are smaller than elsewhere: {listing(smaller)}."
        )
    return text


def penalties_chosen(values: Sequence[float], one: float, reference: float) -> str:
    """Say which penalties bulk lines favour: each drug's, the one for all, and the fixed reference."""
    values = pd.Series(values, dtype=float)
    below, above = (values < reference).sum(), (values > reference).sum()
    return (
        f"Chosen drug by drug, penalties lie between {values.min():,.0f} and {values.max():,.0f}, with a "
        f"median of {values.median():,.0f}; {below} of {len(values)} are below the reference "
        f"{reference:,.0f} and {above} above. "
        f"The one penalty that is best on average is {one:,.0f}."
    )


def ceiling_reached(table: pd.DataFrame, cells: str, ceiling: str, method: str) -> str:
    """Set a method on cells beside its reference, the ceiling; `table`: `panel.judge`, one set of drugs."""
    rows = table[table["method"] == method].set_index("input")["value"]
    top, reached = rows[ceiling], rows[cells]
    if top <= 0:
        return (
            f"On the lines' own bulk profiles **{method}** ranks nothing ({top:.2f}), so there is no ceiling."
        )
    text = f"**{method}** reaches {top:.2f} on the lines' own bulk profiles and {reached:.2f} on cells"
    if round(reached, 2) <= round(top, 2):
        return f"{text}."
    return f"{text}: with few lines that can be chance."


def not_beaten(table: pd.DataFrame, reference: str) -> str:
    """Say which methods are clearly better or worse than the reference, given `panel.against`.

    First by the corrected permutation test, then apart from it by the interval over drugs and the range
    without a line (`steady`).
    """
    clear = (table["p_holm"] < 0.05) & ((table["low"] > 0) | (table["high"] < 0))
    better, worse = (table[clear & sign]["first"] for sign in (table["value"] > 0, table["value"] < 0))
    nominal = table[(table["value"] > 0) & ~clear]["first"]
    side = table.apply(steady, axis=1)
    ahead, behind = (table[side == sign]["first"] for sign in (1, -1))
    return (
        f"Clearly better than {reference} by this test: {listing(better)}. Clearly worse: {listing(worse)}. "
        f"Ahead of it without being clear: {listing(nominal)}. "
        "Apart from that test, by the interval over drugs, and with any one line left out, "
        f"ahead of it: {listing(ahead)}; behind it: {listing(behind)}. "
        "That takes the lines as given and is not corrected for the number of methods."
    )


def panel_table(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Show rows of `panel.judge` for one set of drugs: a row a method, best on the input `kind` on top."""
    mean = rows.pivot(index="method", columns="input", values="value").round(2)
    of_kind = (
        rows[rows["input"] == kind].set_index("method").sort_values("value", ascending=False, kind="stable")
    )
    table = pd.DataFrame({"mean rho": of_kind["value"].round(2)})
    for name, ends in (
        ("95 % over drugs", ("low", "high")),
        ("without a line", ("without_low", "without_high")),
    ):
        table[name] = [f"{low:.2f} to {high:.2f}" for low, high in of_kind[[*ends]].to_numpy()]
    table["p by permuted lines"] = of_kind["p"].round(4)
    return table.join(mean.drop(columns=kind))


def gap_table(gaps: pd.DataFrame) -> pd.DataFrame:
    """Show what `panel.against` returns: difference, interval over drugs, range without a line, p-values."""
    if gaps.empty:
        return gaps
    text = {
        "minus": gaps["second"],
        "difference": [
            f"{v:z.3f} ({a:z.3f} to {b:z.3f})" for v, a, b in gaps[["value", "low", "high"]].to_numpy()
        ],
        "without a line": [
            f"{a:z.3f} to {b:z.3f}" for a, b in gaps[["without_low", "without_high"]].to_numpy()
        ],
    }
    tests = gaps[["p", "p_holm"]].round(4).rename(columns={"p_holm": "p (Holm)"})
    return pd.DataFrame(text).join(tests).set_index(gaps["first"].rename("method"))
