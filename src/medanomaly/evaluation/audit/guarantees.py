"""Checks of the alarm: is the threshold free of test, is calibration large enough, does the rate hold, is a model needed?"""

import numpy as np
import pandas as pd

from medanomaly.core.cases import reference_cases
from medanomaly.core.conformal import group_p_values, p_values, patient_threshold, score_threshold
from medanomaly.core.scores import BASELINE
from medanomaly.evaluation.audit.check import Check, not_applicable
from medanomaly.evaluation.comparison import compare_models
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.intervals import false_alarm_interval
from medanomaly.evaluation.resampling.ranking import auroc
from medanomaly.evaluation.score_matrix import ScoreMatrix

TOLERANCE = 1e-6
# with fewer cases per patient a rate of one patient says nothing
MANY_CASES = 5
# share of new patients of whom more may be flagged
EXCEEDED = 0.2


def threshold_from_calibration(cases: pd.DataFrame, scores: pd.DataFrame, params: EvaluationParams) -> Check:
    """Do the calibration normals alone give the p-values and flags of the test cases?

    Both are computed again from the calibration scores. A threshold that was chosen on test, on train, or on a
    wrong alpha disagrees somewhere, and one disagreement fails.
    """
    name, title = "threshold_from_calibration", "Threshold and p-values come from calibration alone"
    parts = cases[["case_id", "split"]].assign(reference=reference_cases(cases, "calibration"))
    if params.group_by is not None:
        parts = parts.assign(group=cases[params.group_by].astype(object))
    joined = scores.merge(parts, on="case_id", how="inner")
    checked, wrong, worst = 0, {}, 0.0
    for model, rows in joined.groupby("model", sort=True):
        calibration, test = rows[rows["reference"]], rows[rows["split"] == "test"]
        test = test[test["p_value"].notna() | test["flagged"].notna()]
        if not len(calibration) or not len(test):
            continue
        again = p_values(test["score"].to_numpy(float), calibration["score"].to_numpy(float))
        if params.group_by is not None:
            again, _ = group_p_values(
                test["score"].to_numpy(float),
                test["group"].to_numpy(object),
                calibration["score"].to_numpy(float),
                calibration["group"].to_numpy(object),
                params.min_group_size,
            )
        given = test["p_value"].to_numpy(dtype=float, na_value=np.nan)
        off = ~(np.abs(given - again) <= TOLERANCE)
        flagged = test["flagged"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        off |= flagged != (again <= params.alpha + 1e-12)
        checked += len(test)
        if off.any():
            wrong[str(model)] = int(off.sum())
            worst = max(worst, float(off.mean()))
    if not checked:
        return not_applicable(name, title, "no test case has a p-value, or there is no calibration normal")
    if wrong:
        first = max(wrong, key=lambda model: wrong[model])
        figure = f"{sum(wrong.values()):,} of {checked:,} p-values or flags disagree, most for {first}"
        remedy = (
            "Take p-values and flags from calibration normals alone (medanomaly.core.scores.score_table)."
        )
        return Check(name, title, "fail", figure, worst, remedy)
    return Check(
        name, title, "pass", f"all {checked:,} p-values and flags of test follow from calibration", 0.0
    )


def _patients(cases: pd.DataFrame, part: str) -> int:
    return int(cases["patient_id"][reference_cases(cases, part)].nunique())


def calibration_size(cases: pd.DataFrame, params: EvaluationParams) -> Check:
    """Can alpha be reached at all, and how much does the realised rate depend on the luck of the calibration set?"""
    name, title = "calibration_size", "Calibration is large enough for alpha"
    m, normals = _patients(cases, "calibration"), int(reference_cases(cases, "calibration").sum())
    if not m:
        return not_applicable(name, title, "no calibration normal")
    floor = 1.0 / (normals + 1)
    *_, sd = false_alarm_interval(m, 1, params.alpha)
    figure = f"{normals:,} normals of {m:,} patients: smallest p-value {floor:.2g}"
    if floor > params.alpha:
        remedy = f"Nothing can be flagged at alpha {params.alpha:g}: it takes {int(np.ceil(1 / params.alpha)) - 1} normals."
        return Check(name, title, "fail", figure, floor, remedy)
    figure += f"; the false-alarm rate varies by {sd:.2g} (1 sd) around {params.alpha:g}"
    # 2 sd as large as alpha itself: the realised rate may be anything from none to double
    if 2 * sd > params.alpha:
        remedy = "Bring more calibration normals, or a larger alpha; 4 / alpha of them bring the sd to half of alpha."
        return Check(name, title, "warn", figure, floor, remedy)
    return Check(name, title, "pass", figure, floor)


def false_alarms(cases: pd.DataFrame, matrix: ScoreMatrix, params: EvaluationParams) -> Check:
    """Does the realised rate among test normals fit alpha, given the luck of both calibration and test?

    Each model's count is held against its beta-binomial distribution; above 97.5 % of it warns, above 99.95 % fails.
    Patients count as the independent units, which is on the safe side where one has many cases.
    """
    name, title = "false_alarms", "False alarms stay at alpha"
    if not matrix.labelled or not (~matrix.positive).any():
        return not_applicable(name, title, "no test case is known to be normal")
    m, normal = _patients(cases, "calibration"), ~matrix.positive
    worst = None
    for column, model in enumerate(matrix.models):
        known = normal & np.isfinite(matrix.flagged[:, column])
        if m and known.any():
            n = np.unique(matrix.patient[known]).size
            rate = float(matrix.flagged[known, column].mean())
            if worst is None or rate > worst[0]:
                worst = rate, model, n
    if worst is None:
        return not_applicable(name, title, "no flags for test normals, or no calibration normal")
    rate, model, n = worst
    low, high, _ = false_alarm_interval(m, n, params.alpha, 0.95)
    limit = false_alarm_interval(m, n, params.alpha, 0.999)[1]
    figure = (
        f"{model} flags {rate:.1%} of normals, asked {params.alpha:.1%}, expected {low:.1%} to {high:.1%}"
    )
    remedy = "Test differs from calibration: find the shift, or calibrate on cases from where it is used."
    # half a case of slack, since a rate over cases is held against a count of patients
    if rate > limit + 0.5 / n:
        return Check(name, title, "fail", figure, rate, remedy)
    if rate > high + 0.5 / n:
        return Check(name, title, "warn", figure, rate, remedy)
    if rate < low - 0.5 / n:
        figure += "; fewer than expected: ties, or anomalies among the calibration normals, cost power"
    return Check(name, title, "pass", figure, rate)


def new_patients(cases: pd.DataFrame, scores: pd.DataFrame, params: EvaluationParams) -> Check:
    """Does the rate hold for single patients where they have many cases, and what would a threshold cost that holds it?

    The usual threshold holds alpha over all cases together; of some patients far more is flagged. Beside it stands the
    threshold above which at most alpha of the normal cases of a new patient lie, but for :data:`EXCEEDED` of the patients
    (:func:`medanomaly.core.conformal.patient_threshold`).
    """
    name, title = "new_patients", "The rate holds for single patients"
    known = cases[["case_id", "patient_id", "split", "label"]].assign(
        reference=reference_cases(cases, "calibration"), normal=reference_cases(cases, "test")
    )
    reference = known[known["reference"]]
    if len(reference) < MANY_CASES * max(reference["patient_id"].nunique(), 1):
        return not_applicable(name, title, f"patients have fewer than {MANY_CASES} cases each")
    joined = scores[scores["role"] != BASELINE].merge(known, on="case_id", how="inner")
    worst = None
    for model, rows in joined.groupby("model", sort=True):
        calibration, test = rows[rows["reference"]], rows[rows["split"] == "test"]
        normal, ill = test[test["normal"]], test.loc[test["label"].eq(1).fillna(False).astype(bool), "score"]
        if normal.empty or calibration.empty:
            continue
        score, patient = calibration["score"].to_numpy(float), calibration["patient_id"].to_numpy(object)
        figures = []
        for threshold in (
            score_threshold(score, params.alpha),
            patient_threshold(score, patient, params.alpha, EXCEEDED),
        ):
            rates = normal["score"].gt(threshold).groupby(normal["patient_id"]).mean()
            found = float((ill > threshold).mean()) if len(ill) else float("nan")
            figures.append(
                (threshold, int((rates > params.alpha).sum()), float(rates.max()), found, len(rates))
            )
        if worst is None or figures[0][1] > worst[1][0][1]:
            worst = model, figures, calibration["patient_id"].nunique()
    if worst is None:
        return not_applicable(name, title, "no normal test case, or no calibration normal")
    model, (usual, patients), m = worst
    share = usual[1] / usual[4]
    figure = (
        f"{model} flags more than {params.alpha:.1%} of the normal cases of {usual[1]} of {usual[4]} test patients, of one "
        f"{usual[2]:.1%}"
    )
    if not np.isfinite(patients[0]):
        figure += f"; {m} calibration patients are too few for a threshold that holds for a new one"
        verdict = "warn" if share > EXCEEDED else "pass"
        remedy = f"Bring at least {int(np.ceil(1 / EXCEEDED)) - 1} calibration patients."
        return Check(name, title, verdict, figure, share, remedy if share > EXCEEDED else "")
    figure += (
        f"; a threshold for a new patient ({patients[0]:.4g} in place of {usual[0]:.4g}) leaves {patients[1]}, of one "
        f"{patients[2]:.1%}"
    )
    if np.isfinite(usual[3]):
        figure += f", and finds {patients[3]:.1%} of the anomalies in place of {usual[3]:.1%}"
    if share > EXCEEDED:
        remedy = "Where single patients count, flag above the threshold for a new patient; more patients make it cheaper."
        return Check(name, title, "warn", figure, share, remedy)
    return Check(name, title, "pass", figure, share)


def beats_baselines(
    cases: pd.DataFrame,
    matrix: ScoreMatrix,
    scores: pd.DataFrame,
    single: pd.DataFrame | None,
    params: EvaluationParams,
) -> Check:
    """Is the best model clearly better than the best trivial baseline, on the same resamples?

    The best single feature is named beside it, but does not decide: it was chosen on the test labels.
    """
    name, title = "beats_baselines", "The models beat the trivial baselines"
    value = {}
    for column, model in enumerate(matrix.models):
        scored = np.isfinite(matrix.score[:, column])
        value[model] = auroc(matrix.score[scored, column], matrix.positive[scored])
    value = {model: v for model, v in value.items() if np.isfinite(v)}
    role = dict(zip(matrix.models, matrix.roles, strict=True))
    models = [model for model in value if role[model] != BASELINE]
    baselines = [model for model in value if role[model] == BASELINE]
    if not models or not baselines:
        return not_applicable(name, title, "no baseline to compare with, or test labels of one class alone")
    best, rival = (max(names, key=lambda model: value[model]) for names in (models, baselines))
    pair = pd.concat([scores[scores["model"] == best], scores[scores["model"] == rival]])
    row = compare_models(cases, pair, "", params).iloc[0]
    behind = [model for model in models if value[model] <= value[rival]]
    figure = (
        f"{best} {value[best]:.3f}, baseline {rival} {value[rival]:.3f}: difference {row['difference']:+.3f} "
        f"[{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]; {len(behind)} of {len(models)} models are not ahead"
    )
    if single is not None and len(single):
        figure += f"; best single feature {single['best'].iloc[0]:.3f} (upper bound)"
    difference = float(row["difference"])
    if not row["ci_low"] > 0:
        remedy = "Prefer the baseline, or show on more cases that the model adds something."
        return Check(name, title, "warn", figure, difference, remedy)
    if behind:
        return Check(
            name, title, "warn", figure, difference, f"Leave out what adds nothing: {', '.join(behind)}."
        )
    return Check(name, title, "pass", figure, difference)
