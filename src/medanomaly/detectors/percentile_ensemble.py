"""Ensembles of different kinds of detectors, combined as percentiles among out-of-fold training scores."""

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.base import BaseDetector
from medanomaly.detectors.occlusion import OcclusionDetector, positive_shares
from medanomaly.detectors.onnx.graph import DOUBLE, FLOAT, Graph, node, renamed
from medanomaly.detectors.prototypes import about_rows
from medanomaly.detectors.views.percentiles import TrainingPercentiles
from medanomaly.detectors.views.rank_gauss import RankGauss
from medanomaly.detectors.views.standardise import Standardise

VIEWS = {"standardised": Standardise, "rank_gauss": RankGauss}


class PercentileEnsemble(OcclusionDetector):
    """Mean, over detectors of different kinds, of the percentile of a row among out-of-fold training scores.

    Each detector has its own scale. Ranks within a batch would give a common scale, but then a row's score would depend
    on the other rows of the batch. Instead, the training rows are cut into ``n_folds`` parts, and each part is scored by
    views and detectors fitted on the others. The score of a new row becomes its percentile among these scores. They show
    how usual rows score that the detector has not seen; its scores on its own training rows do not. Equal rows are
    always in the same part, because a copy in another part would be a row that the detector has seen.

    The contributions follow the score: each detector divides its part of the mean among the features, in proportion to
    its own contributions above 0.

    A subclass defines which detectors it combines, and on which view of the data. With ``prototypes`` those that would keep
    training rows keep means of them instead, made in each view; members of a view have the same means.

    Attributes:
        views_: fitted views by name.
        members_: fitted detectors.
        percentiles_: the percentiles of each of them.
    """

    def __init__(
        self,
        n_estimators: int = 200,
        n_folds: int = 5,
        contamination: float = 0.1,
        random_state: object = None,
        prototypes: int | None = None,
    ):
        self.n_estimators = n_estimators
        self.n_folds = n_folds
        self.contamination = contamination
        self.random_state = random_state
        self.prototypes = prototypes

    @abstractmethod
    def _members(self) -> list[tuple[str, BaseDetector]]:
        """View (a key of ``VIEWS``) and unfitted detector of each member."""

    def _fit(self, X: np.ndarray) -> None:
        if self.n_folds < 2:
            raise ConfigurationError(f"n_folds is {self.n_folds}", remedy="Give 2 or more.")
        random = check_random_state(self.random_state)
        _, row = np.unique(X, axis=0, return_inverse=True)
        n_distinct = int(row.max()) + 1
        fold = (random.permutation(n_distinct) % min(self.n_folds, n_distinct))[row.ravel()]
        groups = None if self._groups is None else np.asarray(self._groups)
        self.views_, self.members_ = self._fit_members(X, groups, random)
        unseen = np.empty((len(self.members_), len(X)))
        for part in range(fold.max() + 1):
            inside = fold == part
            # if all rows are equal, no other rows exist to fit on
            rest = inside if inside.all() else ~inside
            views, members = self._fit_members(X[rest], None if groups is None else groups[rest], random)
            unseen[:, inside] = self._member_scores(X[inside], views, members)
        self.percentiles_ = [TrainingPercentiles(scores) for scores in unseen]

    def _fit_members(
        self, X: np.ndarray, groups: np.ndarray | None, random: np.random.RandomState
    ) -> tuple[dict, list[BaseDetector]]:
        specification = self._members()
        views = {name: VIEWS[name]()._fit(X) for name in dict(specification)}
        seen = {name: view._view(X) for name, view in views.items()}
        members = []
        for name, prototype in specification:
            member = clone(prototype)
            if "random_state" in member.get_params():
                member.set_params(random_state=random.randint(np.iinfo(np.int32).max))
            if "prototypes" in member.get_params():
                member.set_params(prototypes=self.prototypes)
            member.n_features_in_ = X.shape[1]
            member._learn(seen[name], groups)
            members.append(member)
        return views, members

    def about_training_rows(self) -> dict[str, Any]:
        """What its members hold; those of one view hold the same."""
        held = dict.fromkeys(self.views_, 0)
        for (view, _), member in zip(self._members(), self.members_, strict=True):
            about = member.about_training_rows()
            n = about.get("rows_kept", 0) + about.get("prototypes", {}).get("n", 0)
            held[view] = max(held[view], n)
        # views show the same rows, but the means of each are its own
        total = (max if self.prototypes is None else sum)(held.values())
        return about_rows(total, self.prototypes) if total else {}

    def _seen_by(self, X: np.ndarray, views: dict) -> list[np.ndarray]:
        seen = {name: view._view(X) for name, view in views.items()}
        return [seen[name] for name, _ in self._members()]

    def _member_scores(self, X: np.ndarray, views: dict, members: list[BaseDetector]) -> np.ndarray:
        """(n_members, n) anomaly scores."""
        pairs = zip(members, self._seen_by(X, views), strict=True)
        return np.stack([member._scores(seen) for member, seen in pairs])

    def _scores(self, X: np.ndarray) -> np.ndarray:
        total = np.zeros(len(X))
        scores = self._member_scores(X, self.views_, self.members_)
        for percentile, score in zip(self.percentiles_, scores, strict=True):
            total += percentile(score)
        return total / len(self.members_)

    def _contributions(self, X: np.ndarray) -> np.ndarray:
        terms = np.zeros(X.shape)
        triples = zip(self.members_, self.percentiles_, self._seen_by(X, self.views_), strict=True)
        for member, percentile, seen in triples:
            shares = positive_shares(member._contributions(seen))
            terms += percentile(member._scores(seen))[:, None] * shares
        return terms / len(self.members_)

    def _onnx_graph(self) -> Graph:
        nodes, constants = [], {}
        for name, view in self.views_.items():
            view_nodes, view_constants = view._onnx_graph("view")
            # members cast what they are given to float32
            view_nodes += [
                node("Cast", ["view"], ["single"], to=FLOAT),
                node("Cast", ["single"], ["seen"], to=DOUBLE),
            ]
            nodes += renamed(view_nodes, f"{name}.", {"x": "x"})
            constants |= {f"{name}.{key}": value for key, value in view_constants.items()}
        parts = []
        views = [name for name, _ in self._members()]
        for i, (name, member) in enumerate(zip(views, self.members_, strict=True)):
            member_nodes, member_constants = member._onnx_graph()
            percentile_nodes, percentile_constants = self.percentiles_[i]._onnx_graph()
            nodes += renamed(member_nodes, f"{i}.", {"x": f"{name}.seen"})
            nodes += renamed(percentile_nodes, f"{i}.percentile.", {"score": f"{i}.score"})
            constants |= {f"{i}.{key}": value for key, value in member_constants.items()}
            constants |= {f"{i}.percentile.{key}": value for key, value in percentile_constants.items()}
            parts.append(f"{i}.percentile.percentile")
        nodes += [node("Sum", parts, ["sum"]), node("Div", ["sum", "n_members"], ["score"])]
        return nodes, constants | {"n_members": np.float64(len(parts))}
