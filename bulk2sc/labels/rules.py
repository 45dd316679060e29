"""The rule of a data set: which of its cells are control, treated, sensitive or resistant, and who says so.

A rule is one YAML file, `data/rules/<data set>.yml`:

    title: what the data set is
    drug: Lapatinib                    # optional: GDSC name of the drug that the cells were given
    forms:                             # the first whose columns are in obs is used
      - about: which file this is for
        arms:                          # the experiment
          column: day                  # of obs
          control: ["0"]               # levels, * and ? stand for any text; or the word others
          treated: ["14"]
          left_out: ["0.25"]           # optional: these cells leave the data, if there are any
          reference: who states this
        dominance: 0.8                 # optional: share of treated cells that makes a cluster theirs (step 1)
        markers: default               # optional: normal cells are looked for (step 2); or genes by cell type
        literature:                    # optional: what is known of some cells (step 3)
          column: clone
          sensitive: [parental]
          resistant: others
          reference: who states this
      - about: cells of known lines
        lines: true                    # the response is the truth of a cell's line
      - about: cells of which nothing is known
        unlabelled: true               # they are scored and not judged; fits any cells, so it comes last
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BeforeValidator, Field, model_validator

from bulk2sc.datasets.registry import DATA
from bulk2sc.errors import Bulk2scError, did_you_mean
from bulk2sc.settings import Strict, checked, read_yaml

RULES = DATA / "rules"
GENERIC = RULES / "generic.yml"
OTHERS = "others"  # in place of a list: every level that no list names
MARKERS = {
    "fibroblast": ["COL1A1", "COL1A2", "COL3A1", "COL6A3", "DCN", "LUM", "PDGFRA", "PDGFRB"],
    "T cell": ["CD2", "CD3D", "CD3E", "CD3G", "CD5", "CD247", "IL7R", "TRAC"],
    "endothelial": ["CDH5", "ENG", "KDR", "PECAM1", "TEK", "VWF"],
}


def level_text(level: Any) -> str:
    """Write a level as rules do, so that 1, 1.0 and ``"1"`` are one level, and True is ``"True"``."""
    whole = isinstance(level, float | np.floating) and float(level).is_integer()
    return str(int(level)) if whole else str(level)


def _levels(value: Any) -> Any:
    if value == OTHERS:
        return value
    if not isinstance(value, list) or not value or any(isinstance(v, list | dict) for v in value):
        raise ValueError(f"must be a list of levels or the word {OTHERS}")
    return [level_text(level) for level in value]


Levels = Annotated[list[str] | Literal["others"], BeforeValidator(_levels)]
Markers = Annotated[
    dict[str, list[str]], BeforeValidator(lambda value: MARKERS if value == "default" else value)
]


class Part(Strict):
    """Groups of cells by the levels of a column of obs, and who says so."""

    column: str
    reference: str

    @property
    def lists(self) -> dict[str, Any]:
        """Levels by group."""
        return {name: levels for name, levels in self if name not in Part.model_fields}

    @model_validator(mode="after")
    def _others_once(self) -> "Part":
        if list(self.lists.values()).count(OTHERS) > 1:
            raise ValueError(f"'{OTHERS}' stands in two lists; name the levels of one of them")
        return self


class Arms(Part):
    """Control and treated cells; cells left out leave the data."""

    control: Levels
    treated: Levels
    left_out: Levels = Field(default=[])


class Literature(Part):
    """Sensitive and resistant cells; other cells are not named."""

    sensitive: Levels
    resistant: Levels


class Form(Strict):
    """
    How the cells of one file of a data set are labelled.

    Attributes
    ----------
    about
        Which file.
    arms, literature
        See these.
    lines
        Whether the response is the truth of a cell's line, obs["truth"].
    unlabelled
        Whether no cell has a response: it can be scored, not judged.
    dominance
        Share of treated cells, 0.5 to 1, from which on a cluster is theirs; 0: clusters decide nothing.
    markers
        Genes by type of normal cell; empty: there are no normal cells to look for.
    """

    about: str
    arms: Arms | None = None
    literature: Literature | None = None
    lines: bool = False
    unlabelled: bool = False
    dominance: float = 0.0
    markers: Markers = Field(default={})

    @model_validator(mode="after")
    def _one_way(self) -> "Form":
        if bool(self.columns) == self.unlabelled or (self.arms and self.lines):
            raise ValueError(
                "give 'arms', 'literature', 'lines: true' or 'unlabelled: true'; arms and lines exclude each "
                "other, and unlabelled all others"
            )
        if self.dominance and not (self.arms and 0.5 <= self.dominance <= 1):
            raise ValueError(f"'dominance' is {self.dominance:g}; it needs 'arms' and is 0.5 to 1")
        return self

    @property
    def columns(self) -> list[str]:
        """Columns of obs that this form reads."""
        named = [part.column for part in (self.arms, self.literature) if part]
        return [*named, "truth"] if self.lines else named


class Rule(Strict):
    """The rule of one data set; `name` is that of its file, for messages, and `text` what it says."""

    name: str = Field(exclude=True)
    text: str = Field(exclude=True)
    title: str
    forms: list[Form] = Field(min_length=1)
    drug: str = ""

    def form_of(self, obs: pd.DataFrame) -> Form:
        """
        Return the first form whose columns are in `obs`.

        Raises
        ------
        Bulk2scError
            If there is none.
        """
        for form in self.forms:
            if set(form.columns) <= set(obs):
                return form
        asked = " or ".join(" and ".join(f"obs['{c}']" for c in form.columns) for form in self.forms)
        missing = next(c for c in self.forms[0].columns if c not in obs)
        raise Bulk2scError(
            f"{self.name}: the rule reads {asked}; obs has {', '.join(obs) or 'no column'}."
            + (did_you_mean(missing, obs) or " Write a rule for these columns.")
        )


def rule_for(source: str, rule: str = "") -> Rule:
    """
    Return the rule of a data set: one's own, else that of its name, else the generic one.

    Parameters
    ----------
    source
        Name of a data set, or any other source of cells.
    rule
        Path of a rule file, or empty.

    Raises
    ------
    Bulk2scError
        If `rule` is no .yml file, and as `read_rule`.
    """
    if rule and not rule.endswith(".yml"):
        raise Bulk2scError(f"rule: '{rule}' is no rule file; give the path of a .yml file, or nothing.")
    named = RULES / f"{source}.yml"
    return read_rule(Path(rule) if rule else named if named in RULES.glob("*.yml") else GENERIC)


def read_rule(path: str | Path) -> Rule:
    """
    Read and check a rule file (its form: see this module).

    Raises
    ------
    Bulk2scError
        If it is no YAML, or a field is missing, unknown or of the wrong kind.
    """
    path = Path(path)
    content = read_yaml(path) | {"name": path.name, "text": path.read_text(encoding="utf-8")}
    return checked(Rule, content, path.name)


# --- Groups of cells ---------------------------------------------------------------------------------------


def groups_of(obs: pd.DataFrame, part: Part, name: str) -> pd.Series:
    """
    Put cells into the groups of `part.lists` by the level of their column.

    Parameters
    ----------
    obs
        With `obs[part.column]`.
    part
        Part of a rule.
    name
        Of the rule, for the errors.

    Returns
    -------
    (n_cells,) text; NaN where the level is missing or in no list.

    Raises
    ------
    Bulk2scError
        If a list names a level that does not exist, or a level is in two lists.
    """
    levels = obs[part.column].astype(object).map(level_text, na_action="ignore")
    found = sorted(levels.dropna().unique())
    where = f"{name}: obs['{part.column}']"
    group: dict[str, str] = {}
    for kind, patterns in part.lists.items():
        optional = kind == "left_out"  # it is enough that no level is in no list
        for level in () if patterns == OTHERS else _matching(patterns, found, where, optional=optional):
            if group.setdefault(level, kind) != kind:
                raise Bulk2scError(
                    f"{where}: level '{level}' is both {group[level]} and {kind}; name it once."
                )
    rest = [kind for kind, patterns in part.lists.items() if patterns == OTHERS]
    return levels.map({level: rest[0] for level in found if rest} | group)


def _matching(patterns: Sequence[str], levels: Sequence[str], where: str, *, optional: bool) -> list[str]:
    matched = []
    for pattern in patterns:
        hits = [level for level in levels if fnmatchcase(level, pattern)]
        if not hits and not optional:
            raise Bulk2scError(
                f"{where} has no level '{pattern}'; it has {', '.join(levels[:12]) or 'none'}"
                + (f" and {len(levels) - 12} more." if len(levels) > 12 else ".")
                + did_you_mean(pattern, levels)
            )
        matched += hits
    return matched


def arms_of(obs: pd.DataFrame, arms: Arms, name: str) -> pd.Series:
    """
    Return ``control``, ``treated`` or ``left_out`` for each cell; NaN where its level is missing.

    Raises
    ------
    Bulk2scError
        As `groups_of`; or if a level is in no list, or no cell is control or treated.
    """
    group = groups_of(obs, arms, name)
    unnamed = sorted(obs[arms.column][group.isna()].dropna().astype(object).map(level_text).unique())
    if unnamed:
        raise Bulk2scError(
            f"{name}: obs['{arms.column}'] has levels that no list names: {', '.join(unnamed[:12])}; "
            "put them under control, treated or left_out."
        )
    for arm in ("control", "treated"):
        if not (group == arm).any():
            raise Bulk2scError(
                f"{name}: no cell is {arm} by obs['{arms.column}'], whose levels are "
                f"{', '.join(sorted(obs[arms.column].dropna().astype(str).unique())) or 'all missing'}."
            )
    return group
