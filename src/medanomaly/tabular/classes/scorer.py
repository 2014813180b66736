"""Answers to new records from a bundle of a model of classes, and the tables that the evaluation reads."""

from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import logit

from medanomaly.core import skops_io
from medanomaly.core.bundle import Bundle
from medanomaly.core.errors import InputError
from medanomaly.core.manifest import Manifest, require_kind
from medanomaly.detectors.scorer import TabularScorer, described_contributions
from medanomaly.tabular.classes.class_model import LEAST
from medanomaly.tabular.classes.mean_of_models import FittedClasses
from medanomaly.tabular.classes.params import NAME
from medanomaly.tabular.classes.training import KNOWN, MODEL

# the only types that skops must trust to load a model of classes; all else is numpy arrays and plain values
TRUSTED_TYPES = (
    "medanomaly.tabular.classes.bayes.BayesianClasses",
    "medanomaly.tabular.classes.prototypes.PrototypeClasses",
    "medanomaly.tabular.classes.trees.ForestClasses",
    "medanomaly.tabular.classes.trees.HistBoostingClasses",
    "medanomaly.tabular.classes.trees.LightGBMClasses",
    "medanomaly.tabular.risk.fitting.design_matrices.LinearDesign",
    "medanomaly.tabular.risk.fitting.design_matrices.TreeDesign",
    "medanomaly.tabular.risk.flat_trees.FlatTrees",
)
ANSWER_COLUMNS = ("case_id", "model", "class", "probability", "decided", "in_set", "p_value", "abstains")


class ClassScorer:
    """A bundle of a model of classes that is ready to answer.

    Args:
        bundle: a verified bundle of the kind ``tabular_classes``.

    Raises:
        BundleError: the bundle is of another kind, for example an anomaly detector.
    """

    def __init__(self, bundle: Bundle):
        require_kind(bundle.manifest, (NAME,), "a model of classes of tables")
        content = skops_io.loads(bundle.files[MODEL], trusted=list(TRUSTED_TYPES))
        described = bundle.manifest["classes"]
        self.bundle = bundle
        self.usual: dict[str, list] = content["usual"]
        self.fitted = FittedClasses(
            content["members"],
            np.array([of["name"] for of in described]),
            np.array([of["n_cases"] for of in described]),
            bundle.manifest["calibration"]["temperature"],
            bundle.manifest["decision"]["strength"],
            np.array([of["in_set_from"] for of in described]),
        )

    @property
    def classes(self) -> list[str]:
        """(k,) names of the classes, in the order of :meth:`class_probabilities`."""
        return self.fitted.classes.tolist()

    @cached_property
    def known(self) -> TabularScorer:
        """The detector of records that look like none of the training cases."""
        inner = {name: self.bundle.files[own] for own, name in KNOWN.items()}
        return TabularScorer(Bundle(Manifest(self.bundle.manifest["known"]), inner))

    def class_probabilities(self, features: pd.DataFrame) -> np.ndarray:
        """(n, k) calibrated probabilities of every row; ``features`` as in training, further columns are ignored."""
        return self.fitted.predict_proba(features)

    def probabilities(self, features: pd.DataFrame) -> pd.DataFrame:
        """What is said of every row, class by class.

        Args:
            features: feature table of n rows, as in training; further columns are ignored.

        Returns:
            ``ANSWER_COLUMNS``: one row per case and class, the most probable class of a case first. ``decided`` (bool) is
            True for one class of each case, ``in_set`` (bool) for the classes of its set. ``p_value`` is the share of known
            records that look at least as unusual, and ``abstains`` (bool) says that it is too small to name a class; both
            are the same for all classes of a case.
        """
        probability = self.class_probabilities(features)
        n, k = probability.shape
        order = np.argsort(-probability, axis=1, kind="stable")
        decided = np.zeros((n, k), dtype=bool)
        decided[np.arange(n), self.fitted.decide(probability)] = True
        in_set = self.fitted.sets(probability)
        p_value = self.known.p_values(features) if n else np.zeros(0)

        def ordered(matrix: np.ndarray) -> np.ndarray:
            return np.take_along_axis(matrix, order, axis=1).ravel()

        return pd.DataFrame(
            {
                "case_id": np.repeat(features["case_id"].astype("string").to_numpy(dtype=object), k),
                "model": pd.array([self.bundle.manifest.name] * (n * k), dtype="string"),
                "class": pd.array(self.fitted.classes[order].ravel(), dtype="string"),
                "probability": ordered(probability),
                "decided": ordered(decided),
                "in_set": ordered(in_set),
                "p_value": np.repeat(p_value, k),
                "abstains": np.repeat(p_value <= self.bundle.manifest["unlike_at"], k),
            }
        ).astype({"case_id": "string"})

    def contributions(self, features: pd.DataFrame, classes: np.ndarray) -> pd.DataFrame:
        """What each feature says for a class: its log-odds given the record, minus those given it without the feature.

        Without it means that the probability is averaged over usual values of that feature (weight of evidence,
        Robnik-Sikonja & Kononenko 2008). Contributions of a record do not add up to anything, as features depend on each
        other.

        Args:
            features: (n, ...) feature table.
            classes: (n,) names of classes, one of each row.

        Returns:
            (n, features) natural logarithms, one column per feature.

        Raises:
            InputError: a class is not one of the model.
        """
        at = pd.Index(self.fitted.classes).get_indexer(classes)
        if (at < 0).any():
            raise InputError(
                f"'{np.asarray(classes)[at < 0][0]}' is no class of this model",
                remedy=f"There are {self.classes}.",
            )
        rows = np.arange(len(features))
        with_it = self.class_probabilities(features)[rows, at]
        out = {}
        for name, values in self.usual.items():
            changed = pd.concat([features] * len(values), ignore_index=True)
            filled = np.repeat(pd.Series(values, dtype=object).to_numpy(), len(features))
            numeric = pd.api.types.is_numeric_dtype(features[name])
            changed[name] = (
                pd.array(filled, dtype="Float64").to_numpy(np.float64, np.nan)
                if numeric
                else pd.array(filled, dtype="string")
            )
            found = self.class_probabilities(changed)[np.arange(len(changed)), np.tile(at, len(values))]
            out[name] = _log_odds(with_it) - _log_odds(found.reshape(len(values), -1).mean(axis=0))
        return pd.DataFrame(out)


def _log_odds(probability: np.ndarray) -> np.ndarray:
    return logit(np.clip(probability, LEAST, 1 - LEAST))


def class_explanations(scorer: ClassScorer, rows: pd.DataFrame) -> pd.DataFrame:
    """What speaks for the class that is named of each case, as explanations, the strongest first; never exact.

    Args:
        scorer: the model.
        rows: rows of the feature table, in the order in which they are listed.
    """
    rows = rows.reset_index(drop=True)
    named = scorer.fitted.classes[scorer.fitted.decide(scorer.class_probabilities(rows))]
    return described_contributions(
        scorer.contributions(rows, named),
        rows["case_id"].astype("string"),
        rows,
        {entry["name"]: entry for entry in scorer.bundle.manifest.input_contract},
        scorer.bundle.manifest.name,
        exact=False,
    )
