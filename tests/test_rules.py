"""Rule files: their form is checked, and each shipped one fits what the loader of its data set gives."""

import numpy as np
import pandas as pd
import pytest
import yaml
from anndata import AnnData

from bulk2sc import labels
from bulk2sc.book import Study
from bulk2sc.book.study import own_file
from bulk2sc.datasets.registry import FIGSHARE, sources
from bulk2sc.errors import Bulk2scError
from bulk2sc.labels import rules

NAN = np.nan
ARMS = {"column": "day", "control": [0], "treated": [14], "reference": "us"}


def write(path, **content):
    path.write_text(yaml.safe_dump({"title": "ours", "forms": [{"about": "cells", "arms": ARMS}]} | content))
    return path


@pytest.fixture
def rule(tmp_path):
    """Return a function that reads a rule of one form, with arms by obs["day"] unless told otherwise."""
    return lambda **form: rules.read_rule(
        write(tmp_path / "ours.yml", forms=[{"about": "cells", "arms": ARMS} | form])
    )


def obs_of(**columns):
    return pd.DataFrame(columns, index=[f"c{i}" for i in range(len(next(iter(columns.values()))))])


# --- reading -----------------------------------------------------------------------------------------------


def test_a_rule_is_read_as_it_is_written(rule):
    read = rule(dominance=0.9, markers={"B cell": ["CD19", "MS4A1"]})
    form = read.forms[0]
    assert (read.name, read.title, read.drug) == ("ours.yml", "ours", "")
    assert form.arms == rules.Arms(column="day", control=["0"], treated=["14"], reference="us")
    assert (form.dominance, form.markers) == (0.9, {"B cell": ["CD19", "MS4A1"]})
    assert form.columns == ["day"] and not form.lines


def of_form(**changes):
    return {"forms": [{"about": "cells", "arms": ARMS} | changes]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (of_form(armz=1), r"'forms.0.armz' is unknown; use about, arms,.* Did you mean 'arms'"),
        (of_form(about=3), r"'forms.0.about': .*string, found 3"),
        (of_form(arms=3), r"'forms.0.arms': .*, found 3"),
        (of_form(arms=ARMS | {"controls": "x"}), r"'forms.0.arms.controls' .*Did you mean 'control'"),
        (of_form(arms={"column": "day", "control": [1]}), r"'forms.0.arms.reference' is missing; add it"),
        (of_form(arms=ARMS | {"control": "0"}), r"control': must be a list of levels or the word others, f"),
        (of_form(arms=ARMS | {"control": []}), r"must be a list of levels or the word others, found \[\]"),
        (of_form(arms=ARMS | {"control": [[0]]}), r"control': must be a list of levels"),
        (of_form(arms=ARMS | {"control": "others", "treated": "others"}), r"'others' stands in two lists"),
        (of_form(lines="yes"), r"'forms.0.lines': .*boolean, found 'yes'"),
        (of_form(lines=True), r"'forms.0': give .*; arms and lines exclude each other"),
        (of_form(unlabelled=True), "and unlabelled all others"),
        (of_form(dominance=0.3), r"'dominance' is 0.3; it needs 'arms' and is 0.5 to 1"),
        (of_form(arms=None, lines=True, dominance=0.8), r"it needs 'arms'"),
        (of_form(markers="all"), r"'forms.0.markers': .*, found 'all'"),
        (of_form(markers={"B cell": "CD19"}), r"markers.B cell': .*list, found 'CD19'"),
        ({"forms": []}, r"ours.yml: field 'forms': .*at least 1 item"),
        ({"forms": ["x"]}, r"'forms.0': .*, found 'x'"),
        ({"forms": [{"about": "x"}]}, r"'forms.0': give 'arms', 'literature', 'lines: true' or"),
        ({"titel": "x"}, r"field 'titel' is unknown; use title, forms, drug. Did you mean 'title'"),
        ({"drug": 3}, r"ours.yml: field 'drug': .*string, found 3"),
    ],
)
def test_a_mistake_in_a_rule_is_named(tmp_path, content, message):
    with pytest.raises(Bulk2scError, match=message) as error:
        rules.read_rule(write(tmp_path / "ours.yml", **content))
    assert "\n" not in str(error.value)


# --- which rule, which form --------------------------------------------------------------------------------


def test_the_rule_of_a_source_is_that_of_its_name(tmp_path):
    assert labels.rule_for("GSE156246-BT474").name == "GSE156246-BT474.yml"
    assert labels.rule_for("mine.h5ad").name == labels.rule_for("../rules/simulated").name == "generic.yml"
    assert labels.rule_for("simulated", str(write(tmp_path / "ours.yml"))).name == "ours.yml"
    with pytest.raises(Bulk2scError, match=r"'GSE140440' is no rule file; give the path of a \.yml file"):
        labels.rule_for("simulated", "GSE140440")


def test_the_first_form_whose_columns_exist_is_used():
    rule = labels.rule_for("GSE117872")
    assert rule.form_of(obs_of(sensitive=["1"], source_cluster=["a"])).literature.column == "sensitive"
    assert rule.form_of(obs_of(sample=["x"], source_cluster=["a"])).literature.column == "source_cluster"
    message = r"GSE117872.yml: the rule reads obs\['sensitive'\] or obs\['source_cluster'\]; obs has "
    with pytest.raises(Bulk2scError, match=message + r"cell_line, sensitiv\. Did you mean 'sensitiv'"):
        rule.form_of(obs_of(cell_line=["x"], sensitiv=["1"]))


def test_a_rule_that_names_a_missing_column_lists_those_there_are(rule):
    cells = AnnData(np.zeros((2, 2), "float32"), obs=obs_of(sample=["a", "b"]))
    with pytest.raises(Bulk2scError, match=r"ours.yml: the rule reads obs\['day'\]; obs has sample\. Write"):
        labels.label_cells(cells, rule())


# --- levels ------------------------------------------------------------------------------------------------


def test_patterns_others_and_left_out(rule):
    arms = {"column": "s", "control": ["Pre"], "treated": ["*Pac*"], "left_out": "others", "reference": "us"}
    group = rules.arms_of(obs_of(s=["Pre", "T1_Pac", "JQ1", NAN, "Pacx"]), rule(arms=arms).forms[0].arms, "r")
    assert group[group.notna()].tolist() == ["control", "treated", "left_out", "treated"]
    assert group.isna().tolist() == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ({"treated": ["d14"]}, r"r: obs\['day'\] has no level 'd14'; it has 0, 14, 6h\. Did you mean '14'"),
        (
            {"treated": ["*4"], "left_out": ["1*"]},
            r"r: obs\['day'\]: level '14' is both treated and left_out; name it",
        ),
        (
            {},
            r"r: obs\['day'\] has levels that no list names: 6h; put them under control, treated or left_out",
        ),
        ({"treated": ["14", "6h"], "control": ["0", "6h"]}, r"level '6h' is both control and treated"),
    ],
)
def test_a_level_that_does_not_fit_is_named(rule, arms, message):
    arms = rule(arms=ARMS | arms).forms[0].arms
    with pytest.raises(Bulk2scError, match=message) as error:
        rules.arms_of(obs_of(day=["0", "14", "6h", NAN]), arms, "r")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("control", "found"), [("others", "14"), ("others", "all missing")])
def test_an_arm_without_a_cell_is_an_error(rule, control, found):
    arms = rule(arms=ARMS | {"control": control, "treated": ["*"]}).forms[0].arms
    if found == "14":
        with pytest.raises(Bulk2scError, match=r"r: no cell is control by obs\['day'\], whose levels are 14"):
            rules.arms_of(obs_of(day=["14", "14"]), arms, "r")
    else:
        with pytest.raises(Bulk2scError, match=r"has no level '\*'; it has none"):
            rules.arms_of(obs_of(day=[NAN, NAN]), arms, "r")


# --- the rules of the book ---------------------------------------------------------------------------------

SHIPPED = sorted(path.stem for path in rules.RULES.glob("*.yml"))
# What the loaders give (bulk2sc.datasets): column, levels, and the response of each that is not left out.
GEO = {
    "simulated": ("treated", {False: 1, True: 0}),
    "generic": ("treated", {False: 1, True: 0}),
    "GSE117872": ("source_cluster", {"Sensitive": 1, "HN120 Resistant": 0, "Holiday": 1}),
    "GSE131984": ("sample", {"Pre": 1, "JQ1": None, "Pac": 0}),
    "GSE108394": ("population", {"parental": 1, "resistant": 0}),
    "GSE156246-BT474": ("time", {"untreated": 1, "6h": None, "14d": 0}),
    "GSE156246-HCC1419": ("time", {"untreated": 1, "6h": None, "14d": 0}),
    "GSE108383": ("population", {"parental": 1, "resistant": 0}),
    "GSE149383": ("truth", {0.0: 0}),
    "GSE149383-days": ("day", {"0": 1, "1": None, "2": None, "4": None, "9": 0, "11": 0}),
    "GSE140440": ("population", {"parental": 1, "resistant": 0}),
    "GSE112274": ("population", {"parental": 1, "G7": 0}),
    "GSE110894": ("population", {"parental": 1, "resistant": 0}),
    "GSE118767": ("truth", {1.0: 1, NAN: NAN, 0.0: 0}),
    "GSE173634": ("truth", {1.0: 1, NAN: NAN, 0.0: 0}),
}


def cells_with(column, levels, repeats=3):
    levels = list(levels) * repeats
    obs = pd.DataFrame({column: levels, "cluster": "0"}, index=[f"c{i}" for i in range(len(levels))])
    return AnnData(np.random.default_rng(0).random((len(levels), 40), "float32"), obs=obs)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_rule_labels_what_the_loader_gives(name):
    column, response = GEO[name]
    labelled = labels.label_cells(cells_with(column, response), labels.rule_for(name))
    expected = [label for label in response.values() if label is not None]
    np.testing.assert_array_equal(labelled.obs["response"], expected * 3)


PUBLISHED = [name for name in SHIPPED if labels.rule_for(name).forms[0].columns == ["sensitive"]]


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("levels", [["1", "0"], [1.0, 0.0], [1, 0], pd.Categorical(["1", "0"])])
def test_a_rule_takes_the_label_of_the_studys_own_file(name, levels):
    labelled = labels.label_cells(cells_with("sensitive", levels), labels.rule_for(name))
    np.testing.assert_array_equal(labelled.obs["response"], [1, 0] * 3)
    assert labelled.obs["label_reason"].str.startswith("literature: He et al. 2025").all()


def test_the_studys_own_label_is_taken_where_the_registry_has_its_file():
    with_file = {
        key
        for key, source in sources().items()
        for each in source.alternatives
        if each.place.startswith(FIGSHARE)
    }
    assert set(PUBLISHED) == with_file and len(with_file) == 5
    for name in SHIPPED:
        forms = [form for form in labels.rule_for(name).forms if "sensitive" in form.columns]
        assert len(forms) == (name in with_file), name


@pytest.mark.parametrize("name", SHIPPED)
def test_every_statement_has_its_reference(name):
    for form in labels.rule_for(name).forms:
        for part in filter(None, (form.arms, form.literature)):
            assert "doi:10." in part.reference or name in ("simulated", "generic", "GSE112274")


def test_the_drugs_of_the_rules_are_drugs_of_gdsc(gdsc):
    drugs = {labels.rule_for(name).drug for name in SHIPPED} - {""}
    assert len(drugs) == 8 and drugs <= set(gdsc.uns["drugs"])


# --- a rule of one's own in a study ------------------------------------------------------------------------


def test_the_content_of_ones_own_rule_is_part_of_the_address(tmp_path):
    path = write(tmp_path / "ours.yml")
    stamps = []
    for drug in ("", "Lapatinib", ""):
        write(path, drug=drug)
        stamps.append(Study("smoke", rule=str(path)).task("labelled", {}).key)
    assert stamps[0] == stamps[2] != stamps[1]
    assert own_file(str(path)) == path and own_file(str(tmp_path / "none.yml")) is None
