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

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bulk2sc.datasets.registry import DATA
from bulk2sc.errors import Bulk2scError, did_you_mean
from bulk2sc.settings import conform, read_yaml

RULES = DATA / "rules"
GENERIC = RULES / "generic.yml"
Levels = Sequence[str] | str
OTHERS = "others"  # in place of a list: every level that no list names
MARKERS = {
    "fibroblast": ("COL1A1", "COL1A2", "COL3A1", "COL6A3", "DCN", "LUM", "PDGFRA", "PDGFRB"),
    "T cell": ("CD2", "CD3D", "CD3E", "CD3G", "CD5", "CD247", "IL7R", "TRAC"),
    "endothelial": ("CDH5", "ENG", "KDR", "PECAM1", "TEK", "VWF"),
}


@dataclass(frozen=True)
class Arms:
    """Control and treated cells, by the levels of a column of obs; cells left out leave the data."""

    column: str
    control: Levels
    treated: Levels
    reference: str
    left_out: Levels = ()

    @property
    def lists(self) -> dict[str, Levels]:
        """Levels by group."""
        return {"control": self.control, "treated": self.treated, "left_out": self.left_out}


@dataclass(frozen=True)
class Literature:
    """Sensitive and resistant cells, by the levels of a column of obs; other cells are not named."""

    column: str
    sensitive: Levels
    resistant: Levels
    reference: str

    @property
    def lists(self) -> dict[str, Levels]:
        """Levels by group."""
        return {"sensitive": self.sensitive, "resistant": self.resistant}


@dataclass(frozen=True)
class Form:
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
    markers: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Columns of obs that this form reads."""
        named = [part.column for part in (self.arms, self.literature) if part]
        return [*named, "truth"] if self.lines else named


@dataclass(frozen=True)
class Rule:
    """The rule of one data set; `name` is that of its file, for messages, and `text` what it says."""

    name: str
    title: str
    forms: Sequence[Form]
    drug: str = ""
    text: str = ""

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
    content = read_yaml(path)
    forms = content.get("forms")
    if not isinstance(forms, list) or not forms:
        raise Bulk2scError(
            f"{path.name}: field 'forms' must be a list of at least one form, found {forms!r}."
        )
    forms = [_form(form, f"{path.name}: form {i + 1}") for i, form in enumerate(forms)]
    return _build(
        Rule, content | {"forms": forms}, path.name, name=path.name, text=path.read_text(encoding="utf-8")
    )


def _form(content: Any, where: str) -> Form:
    form = dict(content) if isinstance(content, dict) else content
    if isinstance(form, dict):
        for name, kind in (("arms", Arms), ("literature", Literature)):
            if name in form:
                form[name] = _part(kind, form[name], f"{where}, {name}")
        if "markers" in form:
            form["markers"] = _markers(form["markers"], where)
    form = _build(Form, form, where)
    if bool(form.columns) == form.unlabelled or (form.arms and form.lines):
        raise Bulk2scError(
            f"{where}: give 'arms', 'literature', 'lines: true' or 'unlabelled: true'; arms and lines "
            "exclude each other, and unlabelled all others."
        )
    if form.dominance and not (form.arms and 0.5 <= form.dominance <= 1):
        raise Bulk2scError(f"{where}: 'dominance' is {form.dominance:g}; it needs 'arms' and is 0.5 to 1.")
    return form


def _part(kind: type, content: Any, where: str) -> Arms | Literature:
    part = _build(kind, content, where)
    if list(part.lists.values()).count(OTHERS) > 1:
        raise Bulk2scError(f"{where}: '{OTHERS}' stands in two lists; name the levels of one of them.")
    return part


def _build(kind: type, content: Any, where: str, **given: str) -> Any:
    """Make a dataclass of what a file says, after checking its fields."""
    if not isinstance(content, dict):
        raise Bulk2scError(f"{where}: must hold 'name: value' lines, found {content!r}.")
    known = {f.name: f for f in fields(kind) if f.name not in given}
    for name in content:
        if name not in known:
            raise Bulk2scError(
                f"{where}: field '{name}' is unknown; use {', '.join(known)}." + did_you_mean(name, known)
            )
    for name, f in known.items():
        if name not in content and f.default is MISSING and f.default_factory is MISSING:
            raise Bulk2scError(f"{where}: field '{name}' is missing; add it.")
    values = {name: _value(known[name].type, value, f"{where}: '{name}'") for name, value in content.items()}
    return kind(**values, **given)


def _value(kind: Any, value: Any, where: str) -> Any:
    if kind in (str, bool, float):
        return conform(value, kind.__name__, where)
    return _levels(value, where) if kind == Levels else value


def _levels(value: Any, where: str) -> Levels:
    if value == OTHERS:
        return value
    if not isinstance(value, list) or not value or any(isinstance(v, list | dict) for v in value):
        raise Bulk2scError(f"{where} must be a list of levels or the word {OTHERS}, found {value!r}.")
    return tuple(level_text(level) for level in value)


def _markers(value: Any, where: str) -> dict[str, Sequence[str]]:
    if value == "default":
        return MARKERS
    where = f"{where}: 'markers' (the word default or genes by cell type)"
    genes = conform(value, "dict[str, list]", where)
    return {kind: conform(names, "list[str]", f"{where}: '{kind}'") for kind, names in genes.items()}


# --- Groups of cells ---------------------------------------------------------------------------------------


def level_text(level: Any) -> str:
    """Write a level as rules do, so that 1, 1.0 and ``"1"`` are one level, and True is ``"True"``."""
    whole = isinstance(level, float | np.floating) and float(level).is_integer()
    return str(int(level)) if whole else str(level)


def groups_of(obs: pd.DataFrame, part: Arms | Literature, name: str) -> pd.Series:
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
