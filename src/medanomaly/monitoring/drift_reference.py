"""What new cases are compared with: columns and scores of the calibration cases, sealed beside the models of a modality.

It is a bundle without a model. Values of a column are sealed in ascending order, each column for itself. Of each patient one
case counts, here and in new cases: tests take cases for independent, and visits or beats of one person are not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from medanomaly.core.bundle import REFERENCE, Bundle, array_bytes, make_bundle
from medanomaly.core.errors import BundleError
from medanomaly.core.models import ModelInput
from medanomaly.monitoring.drift import NUMBER, ColumnReference, references
from medanomaly.monitoring.performance import ScoreProbabilities

VALUES = "values.npy"
# name of the columns of scores among those of a model
SCORE = "score"


@dataclass(frozen=True)
class ModelReference:
    """A model on the calibration cases, abnormal ones among them.

    Attributes:
        bundle: hash of the model.
        scores: of the calibration cases, one per patient.
        probabilities: of its scores; None where labels are unknown or too few.
    """

    bundle: str
    scores: ColumnReference
    probabilities: ScoreProbabilities | None = None


@dataclass(frozen=True)
class Reference:
    """What new cases of a modality are compared with.

    Attributes:
        columns: features of the calibration cases, or facts of how they were taken where models read no features.
        models: name of a model -> its scores.
        n_cases: calibration cases, one per patient.
    """

    columns: Sequence[ColumnReference]
    models: Mapping[str, ModelReference] = field(default_factory=dict)
    n_cases: int = 0


def compared_columns(inputs: Mapping[str, ModelInput], rows: np.ndarray) -> pd.DataFrame:
    """What is compared of cases: their features, or facts of how they were taken where models read no features.

    Args:
        inputs: what models read -> the cases in this form.
        rows: (k,) positions of the cases that are wanted.

    Returns:
        k rows; no column where nothing is known.
    """
    if "features" in inputs:
        return inputs["features"].inputs.drop(columns="case_id", errors="ignore").iloc[rows]
    for data in inputs.values():
        if data.facts is not None:
            return data.facts(rows)
    return pd.DataFrame(index=range(len(rows)))


def one_case_per_patient(case_id: pd.Series, patient_id: pd.Series) -> np.ndarray:
    """Ascending positions of one case of each patient, whichever a hash of its id chooses: not always the first visit."""
    text = case_id.astype("string").to_numpy(dtype=object)
    order = np.argsort(pd.util.hash_array(text, categorize=False), kind="stable")
    chosen = ~patient_id.iloc[order].duplicated().to_numpy()
    return np.sort(order[chosen])


def reference_of(
    cases: pd.DataFrame,
    inputs: Mapping[str, ModelInput],
    scores: Mapping[str, pd.DataFrame],
    bundles: Mapping[str, Bundle],
) -> Reference:
    """Of the calibration cases of a run.

    Args:
        cases: case table with the split.
        inputs: what models read -> the cases in this form, in the order of ``cases``.
        scores: name of a model -> its score table.
        bundles: name of a model -> its bundle.
    """
    inside = np.flatnonzero(cases["split"].eq("calibration").to_numpy(dtype=bool))
    mine = cases.iloc[inside].set_index("case_id")
    once = one_case_per_patient(cases["case_id"].iloc[inside], cases["patient_id"].iloc[inside])
    models = {}
    for name, bundle in bundles.items():
        of = scores[name].set_index("case_id")["score"].reindex(mine.index).dropna()
        about = mine.loc[of.index]
        labelled = about["label"].notna().to_numpy(dtype=bool)
        models[name] = ModelReference(
            bundle.bundle_hash,
            ColumnReference.of(SCORE, of.reindex(mine.index[once])),
            ScoreProbabilities.fit(
                of[labelled].to_numpy(),
                about.loc[labelled, "label"].eq(1).to_numpy(dtype=bool),
                about.loc[labelled, "patient_id"].to_numpy(),
            ),
        )
    return Reference(references(compared_columns(inputs, inside[once])), models, len(once))


def seal_reference(reference: Reference, modality: str, dataset: str) -> Bundle:
    """The reference as a bundle."""
    parts: list[np.ndarray] = []

    def about(column: ColumnReference) -> dict:
        said = {"name": column.name, "kind": column.kind, "n": column.n, "n_missing": column.n_missing}
        if column.kind == NUMBER:
            parts.append(column.kept)
            return said | {"n_values": len(column.kept)}
        return said | {"counts": dict(column.counts)}

    manifest = {
        "kind": REFERENCE,
        "name": REFERENCE,
        "modality": modality,
        "dataset": dataset,
        "n_cases": reference.n_cases,
        "columns": [about(column) for column in reference.columns],
        "models": {
            name: {
                "bundle": of.bundle,
                "scores": about(of.scores),
                "probabilities": None if of.probabilities is None else of.probabilities.to_dict(),
            }
            for name, of in reference.models.items()
        },
    }
    return make_bundle(manifest, {VALUES: array_bytes(np.concatenate([np.empty(0), *parts]))})


def open_reference(bundle: Bundle) -> Reference:
    """What :func:`seal_reference` sealed.

    Raises:
        BundleError: it is another kind of bundle.
    """
    said = bundle.manifest
    if said.kind != REFERENCE:
        raise BundleError(f"'{said.name}' is a bundle of kind '{said.kind}', which is no reference")
    values, at = bundle.array(VALUES), 0

    def column(about: Mapping) -> ColumnReference:
        nonlocal at
        n = about.get("n_values", 0)
        mine, at = values[at : at + n], at + n
        return ColumnReference(
            about["name"], about["kind"], about["n"], about["n_missing"], mine, about.get("counts", {})
        )

    columns = [column(about) for about in said["columns"]]
    models = {}
    for name, of in said["models"].items():
        known = of["probabilities"]
        models[name] = ModelReference(
            of["bundle"],
            column(of["scores"]),
            None if known is None else ScoreProbabilities.from_dict(known),
        )
    return Reference(columns, models, said["n_cases"])
