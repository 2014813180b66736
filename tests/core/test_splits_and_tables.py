import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medanomaly.core.cases import age_band, check_cases, reference_cases
from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.core.folds import stratified_folds
from medanomaly.core.scores import check_scores, score_table
from medanomaly.core.splits import SplitParams, patient_position, split_by_patient

patients = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=60)
params = st.builds(
    SplitParams,
    seed=st.integers(0, 5),
    anomalous_patients=st.sampled_from(["split", "test"]),
    train=st.just(0.5),
    calibration=st.just(0.2),
    test=st.just(0.3),
)


def labels(n, seed=0):
    return pd.Series(np.random.default_rng(seed).choice([0, 1], n), dtype="Int8")


@given(patients, params)
def test_no_patient_is_ever_in_two_parts(ids, split):
    ids = pd.Series(ids * 2, dtype="string")
    parts = split_by_patient(ids, labels(len(ids)), split)
    assert parts.groupby(ids).nunique().max() == 1
    assert set(parts) <= {"train", "calibration", "test"}


@given(patients, patients, st.integers(0, 5))
def test_adding_patients_moves_nobody(before, added, seed):
    split = SplitParams(seed=seed)
    old, new = pd.Series(before, dtype="string"), pd.Series(added + before, dtype="string")
    first = split_by_patient(old, labels(len(old)), split)
    second = split_by_patient(new, labels(len(new)), split).iloc[len(added) :]
    assert first.tolist() == second.tolist()


def test_parts_have_the_sizes_asked_for_and_another_seed_is_another_split():
    ids = pd.Series([f"p{i}" for i in range(20_000)], dtype="string")
    split = split_by_patient(ids, labels(len(ids)), SplitParams())
    shares = split.value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.5, abs=0.02)
    assert shares["calibration"] == pytest.approx(0.2, abs=0.02)
    other = split_by_patient(ids, labels(len(ids)), SplitParams(seed=1))
    # two independent splits agree on .5^2 + .2^2 + .3^2 of the patients
    assert (split == other).mean() == pytest.approx(0.38, abs=0.02)
    position = patient_position(ids, 0)
    assert position.min() >= 0
    assert position.max() < 1


def test_all_anomalous_patients_can_be_kept_for_the_test():
    ids = pd.Series(["a", "a", "b", "c"] * 50, dtype="string") + pd.Series(np.repeat(range(50), 4)).astype(
        "string"
    )
    label = pd.Series([0, 1, 0, 0] * 50, dtype="Int8")
    parts = split_by_patient(ids, label, SplitParams(anomalous_patients="test"))
    assert (parts[ids.str.startswith("a")] == "test").all()
    assert (parts[~ids.str.startswith("a")] == "train").any()


def test_shares_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="must be 1"):
        SplitParams(train=0.5, calibration=0.2, test=0.2)


def case_table(n=200, labelled=True, seed=0):
    rng = np.random.default_rng(seed)
    ids = pd.Series([f"p{i}" for i in range(n)], dtype="string")
    label = pd.Series(rng.choice([0, 1], n, p=[0.9, 0.1]) if labelled else [pd.NA] * n, dtype="Int8")
    return pd.DataFrame(
        {
            "case_id": ids,
            "patient_id": ids,
            "label": label,
            "kind": pd.Series([pd.NA] * n, dtype="string"),
            "split": split_by_patient(ids, label, SplitParams()),
            "sex": pd.Series(rng.choice(["F", "M"], n), dtype="string"),
        }
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.assign(case_id="same"), "occurs 200 times"),
        (lambda c: c.drop(columns="split"), "missing"),
        (lambda c: c.assign(label=2), "neither 0, 1 nor unknown"),
        (lambda c: c.assign(split="validation"), "unknown splits"),
        (lambda c: c.assign(patient_id="one"), "more than one part"),
    ],
)
def test_a_broken_case_table_is_refused_with_the_reason(change, message):
    with pytest.raises(InputError, match=message):
        check_cases(change(case_table()))


def test_age_bands_have_closed_lower_edges():
    bands = age_band(pd.Series([0, 17.9, 18, 64, 65, 80, 120, None, -1]))
    assert bands.fillna("?").tolist() == ["0-17", "0-17", "18-39", "40-64", "65-79", "80+", "80+", "?", "?"]


def test_unlabelled_cases_all_stand_for_normal_and_labelled_anomalies_never_do():
    labelled, unlabelled = case_table(), case_table(labelled=False)
    assert (labelled.loc[reference_cases(labelled, "train"), "label"] == 0).all()
    assert reference_cases(unlabelled, "train").sum() == (unlabelled["split"] == "train").sum()


@settings(max_examples=30)
@given(st.integers(0, 1000), st.sampled_from([None, "sex"]))
def test_train_cases_get_no_p_value_and_the_others_get_a_valid_one(seed, group_by):
    cases = case_table(seed=seed)
    score = np.random.default_rng(seed).normal(size=len(cases))
    table = check_scores(score_table(cases, score, "m", 0.05, group_by=group_by, min_group_size=5))
    train = (cases["split"] == "train").to_numpy()
    assert table["p_value"][train].isna().all()
    assert table["flagged"][train].isna().all()
    assert table["p_value"][~train].between(0, 1, inclusive="right").all()
    assert (table["flagged"][~train] == (table["p_value"][~train] <= 0.05 + 1e-12)).all()


def test_test_labels_cannot_reach_p_values():
    cases = case_table()
    score = np.random.default_rng(3).normal(size=len(cases))
    in_test = cases["split"] == "test"
    flipped = cases.assign(label=cases["label"].mask(in_test, 1 - cases["label"]))
    first, second = (score_table(c, score, "m", 0.05) for c in (cases, flipped))
    pd.testing.assert_frame_equal(first, second)


def test_no_calibration_normal_is_a_clear_error():
    cases = case_table().assign(split="train")
    with pytest.raises(ConfigurationError, match="calibration"):
        score_table(cases, np.zeros(len(cases)), "m", 0.05)


@pytest.mark.parametrize("absent", [pd.NA, None, np.nan])
def test_a_case_without_a_group_is_compared_with_everybody(absent):
    cases = case_table()
    cases["sex"] = cases["sex"].astype(object).where(cases.index % 5 > 0, absent)
    score = np.random.default_rng(0).normal(size=len(cases))
    table = score_table(cases, score, "m", 0.05, group_by="sex", min_group_size=5)
    pooled = score_table(cases, score, "m", 0.05)
    alone = (cases.index % 5 == 0) & (cases["split"] == "test") & (cases["label"] == 0)
    np.testing.assert_array_equal(table["p_value"][alone], pooled["p_value"][alone])


def test_an_unknown_group_names_those_that_are_there():
    cases = case_table()
    with pytest.raises(ConfigurationError, match=r"'ward'.*\['sex'\]"):
        score_table(cases, np.zeros(len(cases)), "m", 0.05, group_by="ward")


def test_a_score_that_is_not_finite_names_its_case():
    score = np.zeros(200)
    score[7] = np.nan
    with pytest.raises(InputError, match="p7"):
        score_table(case_table(), score, "m", 0.05)


def test_another_number_of_scores_than_cases_is_refused():
    cases = case_table()
    with pytest.raises(
        InputError, match=rf"scores of the shape \({len(cases) + 2},\) for {len(cases)} cases"
    ):
        score_table(cases, np.zeros(len(cases) + 2), "m", 0.05)
    with pytest.raises(ConfigurationError, match="alpha is -5"):
        score_table(cases, np.zeros(len(cases)), "m", -5)


def test_a_name_has_one_role():
    cases = case_table()
    tables = [score_table(cases, np.arange(len(cases)), "pca", 0.05, role=r) for r in ("model", "baseline")]
    with pytest.raises(InputError, match="'pca' is the name of a model and of a baseline"):
        check_scores(pd.concat(tables))


def classes_of_patients(sizes, per_patient=1):
    names = np.repeat(list(sizes), list(sizes.values()))
    patients = pd.Series([f"p{i // per_patient}" for i in range(len(names))], dtype="string")
    return patients, pd.Series(names, dtype="string")


@pytest.mark.parametrize("seed", range(5))
def test_a_stratified_split_gives_every_part_its_share_of_every_class(seed):
    sizes = {"often": 500, "seldom": 40, "rare": 10, "once": 1}
    patients, classes = classes_of_patients(sizes)
    parts = split_by_patient(
        patients, pd.Series(0, index=patients.index), SplitParams(stratify=True, seed=seed), classes
    )
    table = pd.crosstab(classes, parts)
    shares = pd.Series({"train": 0.5, "calibration": 0.2, "test": 0.3})
    for name, n in sizes.items():
        assert (np.abs(table.loc[name].reindex(shares.index, fill_value=0) - n * shares) < 1).all()


def test_a_stratified_split_keeps_patients_whole_and_counts_them_for_their_rarest_class():
    patients, classes = classes_of_patients({"often": 300, "rare": 20}, per_patient=2)
    # every rare case belongs to a patient with a frequent one
    patients = pd.concat([patients[:300], patients[:20]], ignore_index=True)
    parts = split_by_patient(
        patients, pd.Series(0, index=patients.index), SplitParams(stratify=True), classes
    )
    assert parts.groupby(patients).nunique().max() == 1
    assert parts[classes == "rare"].value_counts()["test"] == pytest.approx(6, abs=2)


def test_a_stratified_split_does_not_depend_on_the_order_of_rows_and_knows_no_class_at_all():
    patients, classes = classes_of_patients({"often": 60, "rare": 7})
    classes = classes.mask(np.arange(67) % 11 == 0)
    params = SplitParams(stratify=True, seed=3)
    parts = split_by_patient(patients, pd.Series(0, index=patients.index), params, classes)
    order = np.random.default_rng(0).permutation(67)
    again = split_by_patient(patients[order], pd.Series(0, index=order), params, classes[order])
    pd.testing.assert_series_equal(again.sort_index(), parts)
    unknown = pd.Series(pd.NA, index=patients.index, dtype="string")
    whole = split_by_patient(patients, unknown, params, unknown)
    assert (
        whole.value_counts()[["train", "calibration", "test"]] - 67 * np.array([0.5, 0.2, 0.3])
    ).abs().max() < 1


def test_without_classes_a_stratified_split_goes_by_the_label():
    patients, _ = classes_of_patients({"all": 100})
    label = pd.Series([1] * 10 + [0] * 90, dtype="Int8")
    parts = split_by_patient(patients, label, SplitParams(stratify=True))
    assert parts[label == 1].value_counts()[["train", "calibration", "test"]].tolist() == [5, 2, 3]


def test_folds_of_classes_are_even_and_those_of_labels_are_as_they_were():
    patients, classes = classes_of_patients({"often": 100, "seldom": 25, "rare": 3})
    codes = classes.map({"often": 0, "seldom": 1, "rare": 2}).to_numpy(dtype=int)
    fold = stratified_folds(patients.to_numpy(dtype=object), codes, 5, 0, rare_classes=True)
    table = pd.crosstab(codes, fold)
    assert (table.max(axis=1) - table.min(axis=1)).max() <= 1
    with pytest.raises(ConfigurationError, match="3 patients of the rarer class cannot fill 5 folds"):
        stratified_folds(patients.to_numpy(dtype=object), codes, 5, 0)
    with pytest.raises(ConfigurationError, match="3 patients cannot fill 5 folds"):
        stratified_folds(np.array(["a", "b", "c"]), np.array([0, 1, 2]), 5, 0, rare_classes=True)
    # the order in which earlier versions dealt the patients of two labels
    ids = np.array([f"p{i}" for i in range(12)])
    fold = stratified_folds(ids, np.array([1, 0, 0] * 4), 2, seed=1)
    assert fold.tolist() == [1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 1]
