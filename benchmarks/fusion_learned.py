"""Does a small network on embeddings of all modalities order patients better than the Cauchy statistic of their p-values?

Patients of the embedded cohort, each with records, an ECG of 20 s and a film; anomalies are planted in each modality on its
own. Every model learns from train patients. The Cauchy statistic has seen no label; the networks have seen those of the
train patients, so this is no comparison of equals. It is judged on test patients, paired, with patients resampled.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy import ndimage, stats

from benchmarks.record import Result
from medanomaly.core.conformal import leave_one_out_p_values, p_values
from medanomaly.core.models import FitContext, ModelInput, kind
from medanomaly.core.splits import patient_position
from medanomaly.evaluation.comparison import compare_models
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.fusion.patient_fusion import PatientFusion
from medanomaly.fusion.statistics import cauchy_statistic

MODALITIES = ("tabular", "signals", "imaging")
N_PATIENTS, SECONDS, SIDE = 1600, 20.0, 64
# an event of a minute is in the recorded part of it in one of three ECGs
ANOMALOUS = {"tabular": 0.06, "signals": 0.4, "imaging": 0.15}
SEED = 5
CONFIGURATION = Path(__file__).parents[1] / "conf" / "base" / "parameters" / "tabular.yml"


def standardised(values: np.ndarray, learn: np.ndarray) -> np.ndarray:
    """Columns in standard deviations of the rows that are learned from, within 8 of them; 0 where a value is missing."""
    centre, spread = np.nanmean(values[learn], axis=0), np.nanstd(values[learn], axis=0)
    return np.clip(np.nan_to_num((values - centre) / np.where(spread > 0, spread, 1)), -8, 8)


def records(patients: pd.DataFrame, split: pd.Series) -> tuple[pd.Series, np.ndarray, np.ndarray]:
    """Label of each patient; score and features of the strangest record, by the model that leads the tables."""
    from medanomaly.synthetic.clinical_table import clinical_table
    from medanomaly.synthetic.table_anomalies import ANOMALY_KINDS, plant_anomalies
    from medanomaly.tabular.features.record_features import feature_units, fit_features, record_features
    from medanomaly.tabular.table.cleaning import clean_table
    from medanomaly.tabular.table.description import TableSpec

    described = yaml.safe_load(CONFIGURATION.read_text())["data_processing"]["tables"]["synthetic"]
    spec = TableSpec.model_validate(described)
    raw = plant_anomalies(
        clinical_table(patients, SEED), SEED, ANOMALOUS["tabular"], dict.fromkeys(ANOMALY_KINDS, 1.0)
    )
    clean = clean_table(raw, spec)
    cases = clean.cases.assign(split=clean.cases["patient_id"].map(split).astype("string"))
    recipe = fit_features(clean.records, cases, spec, learned=clean.learned)
    features = record_features(clean.records, cases, spec, recipe)
    of = kind("two_view_ensemble")
    data = ModelInput(cases, features, {"units": feature_units(spec, clean.summary["columns"])})
    bundle, _ = of.fit(data, of.params.model_validate({}), FitContext("two_view_ensemble", "tabular"))
    score, _ = of.scores(of.open(bundle), data, {})
    order = np.argsort(-score, kind="stable")
    first = pd.Series(order, index=cases["patient_id"].to_numpy()[order])
    first = first[~first.index.duplicated()].reindex(patients["patient_id"]).to_numpy()
    label = cases.groupby("patient_id")["label"].max().reindex(patients["patient_id"]).astype(int)
    numbers = features.drop(columns="case_id", errors="ignore").select_dtypes("number").to_numpy(dtype=float)
    return label.to_numpy(), score[first], numbers[first]


def recordings(patients: pd.DataFrame, learn: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label, score and embedding of an ECG per patient: a distance of rhythm and shape."""
    from benchmarks.validity import rhythm_and_shape
    from medanomaly.synthetic.ecg import synthetic_ecg
    from medanomaly.synthetic.signal_anomalies import SignalAnomalyParams

    planted = SignalAnomalyParams(share=1.0)
    sick = np.random.default_rng(SEED).random(len(patients)) < ANOMALOUS["signals"]
    label, values = [], []
    for patient, ill in zip(patients.to_dict("records"), sick, strict=True):
        one = synthetic_ecg(patient, SEED, SECONDS, anomalies=planted if ill else None)
        label.append(int(len(one.events) > 0))
        values.append(rhythm_and_shape(one.signal[:, 0], one.fs))
    label, values = np.array(label), np.array(values)
    usual = values[learn & (label == 0)]
    away = values - usual.mean(axis=0)
    score = np.sqrt(np.einsum("ij,jk,ik->i", away, np.linalg.inv(np.cov(usual, rowvar=False)), away))
    return label, score, values


def films(patients: pd.DataFrame, learn: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label, score and embedding of a film per patient: local band energies, and their density."""
    from sklearn.decomposition import PCA

    from medanomaly.imaging.lbe.band_energies import BandEnergies
    from medanomaly.imaging.lbe.detector import LBEDetector
    from medanomaly.synthetic.chest import ChestParams, chest_images

    drawn = chest_images(patients, ChestParams(seed=SEED, lesion_share=ANOMALOUS["imaging"]))
    images = np.stack(
        [
            ndimage.zoom(image, (SIDE / image.shape[0], SIDE / image.shape[1]), order=1)
            for image in drawn.images
        ]
    ).astype(np.float32)
    label = drawn.table["label"].to_numpy(dtype=int)
    energies = BandEnergies(size=SIDE).features(images)
    usual = energies[learn & (label == 0)]
    score = LBEDetector(size=SIDE).fit_features(usual).score_features(energies)
    return label, score, PCA(30, random_state=0).fit(usual).transform(energies)


def learned(inputs: np.ndarray, label: np.ndarray, learn: np.ndarray) -> np.ndarray:
    """Output of a small network for every patient; its size and decay are chosen by cross-validation in train."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import GridSearchCV
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = make_pipeline(StandardScaler(), MLPClassifier(max_iter=300, random_state=0))
    grid = {
        "mlpclassifier__hidden_layer_sizes": [(8,), (32,), (32, 16)],
        "mlpclassifier__alpha": [0.01, 1.0, 10.0],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = GridSearchCV(network, grid, scoring="roc_auc", cv=5).fit(inputs[learn], label[learn])
    return found.predict_proba(inputs)[:, 1]


def learned_rows() -> list[Result]:
    """AUROC of patients with an anomaly in any modality."""
    from medanomaly.synthetic.patients import draw_patients

    patients = draw_patients(N_PATIENTS, SEED)
    place = patient_position(patients["patient_id"], SEED)
    split = pd.Series(np.select([place < 0.5, place < 0.75], ["train", "calibration"], "test"))
    learn, held, test = (split.eq(part).to_numpy() for part in ("train", "calibration", "test"))
    print("records", flush=True)
    made = {"tabular": records(patients, split.set_axis(patients["patient_id"]))}
    print("recordings", flush=True)
    made["signals"] = recordings(patients, learn)
    print("films", flush=True)
    made["imaging"] = films(patients, learn)
    label = np.max([of[0] for of in made.values()], axis=0)
    score = np.column_stack([of[1] for of in made.values()])
    usual = held & (label == 0)
    known = np.column_stack([leave_one_out_p_values(column[usual]) for column in score.T])
    given = np.column_stack([p_values(column, column[usual]) for column in score.T])
    fused = PatientFusion(known, MODALITIES, min_joint=100).fuse(given)
    ranked = np.column_stack([stats.rankdata(column) / len(column) for column in score.T])
    embedded = np.column_stack([standardised(of[2], learn) for of in made.values()])
    scores = {
        "Cauchy": cauchy_statistic(given),
        "network on embeddings": learned(np.column_stack([embedded, ranked]), label, learn),
        "network on scores": learned(ranked, label, learn),
    }
    cases = pd.DataFrame(
        {"case_id": patients["patient_id"], "patient_id": patients["patient_id"], "label": pd.array(label, "Int8"),
         "kind": "", "split": split}
    )  # fmt: skip
    table = pd.concat(
        [
            pd.DataFrame({"case_id": patients["patient_id"], "model": name, "role": "model", "score": of,
                          "p_value": np.nan, "flagged": pd.NA})
            for name, of in scores.items()
        ],
        ignore_index=True,
    )  # fmt: skip
    pairs = compare_models(cases, table, "patients", EvaluationParams()).query("metric == 'auroc'")
    from medanomaly.evaluation.resampling.ranking import auroc

    figures = {name: auroc(of[test], label[test].astype(bool)) for name, of in scores.items()}
    data = (
        f"{test.sum()} test patients, {label[test].sum()} with an anomaly; {usual.sum()} calibration patients; the networks "
        f"have seen the labels of {learn.sum()} train patients, the statistic none; "
        + ", ".join(
            f"{name} alone {auroc(s[test], made[name][0][test].astype(bool)):.3f} of its own anomalies"
            for name, s in zip(MODALITIES, score.T, strict=True)
        )
    )
    rows = [
        Result(
            "learned fusion, Cauchy of three p-values: AUROC of patients", figures["Cauchy"], "", data=data
        ),
        Result(
            "learned fusion, Cauchy of three p-values: realised rate at 0.05",
            float((fused.p_value[test & (label == 0)] <= 0.05).mean()),
            "",
            data=f"{(test & (label == 0)).sum()} patients without an anomaly",
        ),
    ]
    for name in ("network on embeddings", "network on scores"):
        a, b = pairs["model_a"], pairs["model_b"]
        (row,) = pairs[(a.eq(name) & b.eq("Cauchy")) | (a.eq("Cauchy") & b.eq(name))].to_dict("records")
        sign = 1 if row["model_a"] == name else -1
        low, high = sorted((sign * row["ci_low"], sign * row["ci_high"]))
        rows.append(
            Result(
                f"learned fusion, {name}: AUROC of patients above the statistic",
                sign * row["difference"],
                "",
                low,
                high,
                peer="Cauchy of three p-values",
                peer_value=figures["Cauchy"],
                target="interval above 0",
                reached=bool(low > 0),
                data=f"its AUROC {figures[name]:.3f}; it has seen labels of train patients",
            )
        )
    return rows
