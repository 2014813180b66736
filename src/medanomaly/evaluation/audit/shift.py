"""Does test come from where train came from? P-values and figures hold only there."""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.ensemble import ExtraTreesClassifier

from medanomaly.core.cases import reference_cases
from medanomaly.core.conformal import benjamini_hochberg
from medanomaly.core.splits import patient_position
from medanomaly.evaluation.audit.check import Check, not_applicable
from medanomaly.evaluation.audit.feature_space import numeric
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.delong import delong_interval
from medanomaly.evaluation.resampling.ranking import midranks

# large samples make any difference significant, so it has to be large as well
LARGE_DIFFERENCE = 0.1
TELLING_CLASSIFIER = 0.55
SMALLEST_PART = 20
MAX_ROWS = 4_000
MAX_CATEGORIES = 50


def feature_shift(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Two-sample test of each feature.

    Numbers: Kolmogorov-Smirnov distance, asymptotic p-value. Strings: Cramer's V and chi-squared test of the
    contingency table, missing counted as a category. A number's share of missing values is tested in the same way.

    Args:
        first: features of one part.
        second: the same columns of another part.

    Returns:
        One row a test: feature, what ("value" or "missing"), distance in [0, 1], p.
    """
    rows = []
    a, b = numeric(first), numeric(second)
    for name in first.columns:
        if name in a:
            x, y = a[name].dropna().to_numpy(), b[name].dropna().to_numpy()
            if x.size and y.size:
                test = stats.ks_2samp(x, y, method="asymp")
                rows.append((name, "value", float(test.statistic), float(test.pvalue)))
            counts = np.array([[part[name].isna().sum(), part[name].notna().sum()] for part in (a, b)])
            what = "missing"
        else:
            both = pd.concat([first[name], second[name]]).astype("string").fillna("missing")
            if both.nunique() > MAX_CATEGORIES:
                continue
            part = np.repeat([0, 1], [len(first), len(second)])
            counts = pd.crosstab(part, both.to_numpy(dtype=object)).to_numpy()
            what = "value"
        counts = counts[:, counts.sum(axis=0) > 0]
        if counts.shape[1] > 1:
            chi2, p, *_ = stats.chi2_contingency(counts, correction=False)
            rows.append((name, what, float(np.sqrt(chi2 / counts.sum())), float(p)))
    return pd.DataFrame(rows, columns=["feature", "what", "distance", "p"])


def domain_classifier(
    first: np.ndarray, second: np.ndarray, seed: int, confidence: float = 0.95
) -> tuple[float, float, float]:
    """AUROC of telling two samples apart, cross-fitted in two halves; 0.5 where they are alike.

    Sees changes in how features go together that no test of single features does (Lopez-Paz & Oquab 2017, "Revisiting
    classifier two-sample tests").

    Args:
        first: (n, features) float64, NaN allowed.
        second: (m, features).
        seed: of the halves.
        confidence: level of the interval.

    Returns:
        ``(auroc, low, high)``; each half's ranks are used, so that two differently scaled classifiers do not mix.
    """
    rng = np.random.default_rng(seed)
    x = np.concatenate([first, second])
    y = np.repeat([False, True], [len(first), len(second)])
    half = np.concatenate([rng.permutation(np.arange(len(part)) % 2) for part in (first, second)])
    score = np.zeros(len(y))
    for h in (0, 1):
        # trees take NaN and any scale; these run on one thread, so a busy machine does not stall them
        model = ExtraTreesClassifier(
            n_estimators=60, max_depth=8, min_samples_leaf=5, max_features=0.5, random_state=seed
        ).fit(x[half != h], y[half != h])
        inside = half == h
        score[inside] = midranks(model.predict_proba(x[inside])[:, 1]) / inside.sum()
    return delong_interval(score, y, confidence=confidence)


def drift(cases: pd.DataFrame, table: pd.DataFrame | None, params: EvaluationParams) -> Check:
    """Are test normals distributed as train normals?

    Warns where a feature differs by at least 0.1 (Kolmogorov-Smirnov distance or Cramer's V) with a false discovery rate
    of 5 % over all features (Benjamini-Hochberg), or where a classifier tells the parts apart with an AUROC
    whose interval lies above 0.55. One case a patient, since the tests take cases as independent.
    """
    name, title = "drift", "Test looks like train"
    if table is None:
        return not_applicable(name, title, "no features to compare")
    parts = []
    for part in ("train", "test"):
        inside = cases[reference_cases(cases, part)].sort_values(["patient_id", "case_id"])
        parts.append(table.loc[inside.index[~inside["patient_id"].duplicated().to_numpy(dtype=bool)]])
    first, second = parts
    if min(len(first), len(second)) < SMALLEST_PART or table.shape[1] == 0:
        return not_applicable(name, title, f"fewer than {SMALLEST_PART} normal patients in train or test")
    tests = feature_shift(first, second)
    shifted = tests[benjamini_hochberg(tests["p"].to_numpy(), 0.05) & (tests["distance"] >= LARGE_DIFFERENCE)]
    figure = f"{shifted['feature'].nunique()} of {table.shape[1]} features shifted"
    if len(shifted):
        top = shifted.sort_values("distance", ascending=False).iloc[0]
        figure += f", most '{top['feature']}' ({top['what']}, distance {top['distance']:.2f})"
    told, low = 0.5, 0.5
    if numeric(first).shape[1]:
        told, low, _ = domain_classifier(
            *(numeric(_at_most(cases, part)).to_numpy() for part in parts), params.seed, params.confidence
        )
        figure += f"; a classifier tells train from test with AUROC {told:.3f}"
    clear = low > TELLING_CLASSIFIER or told == 1
    if len(shifted) or clear:
        remedy = "Expect p-values off their level; see false_alarms. Find what changed: source, device, units, time."
        return Check(name, title, "warn", figure, told, remedy)
    return Check(name, title, "pass", figure, told)


def _at_most(cases: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """The rows with the smallest hash of their case_id, if there are too many."""
    if len(part) <= MAX_ROWS:
        return part
    return part.iloc[np.argsort(patient_position(cases.loc[part.index, "case_id"], 0))[:MAX_ROWS]]
