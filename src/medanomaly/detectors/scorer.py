"""Score and explain new records with a bundle, by the same code in the pipeline, in a batch and in a service."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import pandas as pd

from medanomaly.core import skops_io
from medanomaly.core.bundle import Bundle
from medanomaly.core.conformal import p_values
from medanomaly.core.errors import BundleError
from medanomaly.core.manifest import require_kind
from medanomaly.core.onnx_session import open_session, run_batches
from medanomaly.detectors.kinds import detector_names, trusted_types
from medanomaly.detectors.onnx.graph import BATCH_SIZE
from medanomaly.detectors.preprocessing import Preprocessor


class TabularScorer:
    """A bundle that is ready to score: preprocessing, ONNX session and calibration scores.

    Args:
        bundle: a verified bundle of the tabular modality.
    """

    def __init__(self, bundle: Bundle):
        require_kind(bundle.manifest, detector_names(), "a detector of rows of features")
        self.bundle = bundle
        self.preprocessor = Preprocessor.from_dict(bundle.manifest["preprocessing"])
        self.calibration = bundle.array("calibration.npy")
        self._session = open_session(bundle.files["model.onnx"])

    def score(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) float64 scores, higher = more anomalous; ``features`` as in training, other columns are ignored."""
        matrix = self.preprocessor.transform(features)
        return run_batches(self._session, matrix, batch_size=BATCH_SIZE)["score"]

    def score_row(self, features: Mapping[str, float | str | None]) -> float:
        """The score that :meth:`score` gives one case; ``features`` as ``Preprocessor.transform_row`` takes them."""
        matrix = self.preprocessor.transform_row(features)
        return float(self._session.run(["score"], {self._input: matrix})[0][0])

    @cached_property
    def _input(self) -> str:
        (taken,) = self._session.get_inputs()
        return taken.name

    def p_values(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) conformal p-values against all of the bundle's calibration normals.

        Raises:
            BundleError: the bundle belongs to a run with p-values within groups, which features do not tell.
        """
        group_by = self.bundle.manifest.get("group_by")
        if group_by is not None:
            raise BundleError(
                f"this bundle belongs to a run with p-values within groups of '{group_by}'",
                remedy="Give raw cases to medanomaly.open, which knows their groups, or train with alarm.group_by: null.",
            )
        return p_values(self.score(features), self.calibration)

    @cached_property
    def detector(self) -> object:
        """The detector itself, as it was fitted."""
        # only types of the project's own detectors are ever constructed
        trusted = trusted_types(self.bundle.manifest.kind)
        return skops_io.loads(self.bundle.files["model.skops"], trusted=trusted)

    @property
    def exact(self) -> bool:
        """Whether the contributions are the terms of the sum that the score is, and not an approximate division of it."""
        from medanomaly.detectors.occlusion import OcclusionDetector

        return not isinstance(self.detector, OcclusionDetector)

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """What each feature adds to the score.

        Contributions of the matrix columns that come from one feature (its value, its absence, its levels) are added up.

        Returns:
            (n, n_features) float64, one column per feature; see the detector's ``explain`` for what a row adds up to.
        """
        matrix = self.detector.explain(self.preprocessor.transform(features))
        return summed_by_feature(matrix, self.preprocessor)


def shown_value(value: object) -> str:
    """A value as a reader sees it: four significant digits, or 'missing'."""
    if pd.isna(value):
        return "missing"
    if isinstance(value, (int, float, np.number)):
        return f"{float(value):.4g}"
    return str(value)


def explanation_table(
    scorer: TabularScorer, cases: pd.DataFrame, features: pd.DataFrame, chosen: np.ndarray
) -> pd.DataFrame:
    """Explain some cases.

    Args:
        scorer: the model.
        cases: case table with the split.
        features: feature table in the order of ``cases``.
        chosen: positions of the cases, in the order in which they are listed.

    Returns:
        Explanations: ``case_id, model, feature, value, unit, usual_low, usual_high, contribution, exact``, largest
        contribution of a case first; ``exact`` as :attr:`TabularScorer.exact`.
    """
    manifest = scorer.bundle.manifest
    return described_contributions(
        scorer.contributions(features.iloc[chosen]),
        cases["case_id"].iloc[chosen],
        features.iloc[chosen],
        {entry["name"]: entry for entry in manifest.input_contract},
        manifest.name,
        scorer.exact,
    )


def described_contributions(
    contributions: pd.DataFrame,
    case_id: pd.Series,
    features: pd.DataFrame,
    contract: Mapping[str, Mapping],
    model: str,
    exact: bool,
) -> pd.DataFrame:
    """Contributions as explanations, the largest of a case first.

    Args:
        contributions: (n, n_features), one column per feature.
        case_id: (n,) ids.
        features: (n, ...) feature table of the same cases.
        contract: feature -> its entry of the input contract, with unit and usual range.
        model: the model's name.
        exact: as :attr:`TabularScorer.exact`.
    """
    n, names = contributions.shape[0], list(contributions.columns)
    entries = [contract[name] for name in names]
    table = pd.DataFrame(
        {
            "case_id": np.repeat(case_id.to_numpy(dtype=object), len(names)),
            "model": model,
            "feature": names * n,
            "value": [shown_value(value) for row in features[names].itertuples(index=False) for value in row],
            "unit": [entry.get("unit", "") for entry in entries] * n,
            "usual_low": [entry.get("usual_low", np.nan) for entry in entries] * n,
            "usual_high": [entry.get("usual_high", np.nan) for entry in entries] * n,
            "contribution": contributions.to_numpy(dtype=np.float64).ravel(),
            "exact": exact,
        }
    )
    order = np.lexsort((-table["contribution"].to_numpy(), np.repeat(np.arange(n), len(names))))
    return table.iloc[order].reset_index(drop=True)


def summed_by_feature(matrix: np.ndarray, preprocessor: Preprocessor) -> pd.DataFrame:
    """(n, d) contributions of matrix columns to (n, n_features), those of one feature added up."""
    columns = [column.feature for column in preprocessor.columns]
    return pd.DataFrame(matrix).T.groupby(np.array(columns), sort=False).sum().T[preprocessor.features]
