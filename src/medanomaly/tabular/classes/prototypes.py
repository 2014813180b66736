"""Prototypical network: a small network places cases so that those of a class lie around their mean."""

import numpy as np
import pandas as pd
from scipy.special import softmax
from scipy.stats import norm

from medanomaly.tabular.classes.class_model import ClassModel, normalised
from medanomaly.tabular.risk.fitting.design_matrices import LinearDesign

# a number with so few values is a degree, such as 0 to 3
MOST_DEGREES = 10


class PrototypeClasses(ClassModel):
    """Snell, Swersky & Zemel 2017, for a fixed set of classes of very different size.

    Numbers are replaced by normal scores of their ranks, so that a network without depth sees the bends of skewed values.
    Each step draws cases of every class evenly, half to make the prototypes and half to be classified. A class with one
    training case has a prototype, and is no part of the loss. After training the prototypes are means over all
    training cases. The log prior of each class is added, or rare classes would be predicted as often as frequent ones.

    Args:
        width: neurons of the hidden layer.
        dimensions: of the space of prototypes.
        steps: optimiser steps.
        per_class: cases of a class per step, at most.
        learning_rate: of Adam.
        dropout: share of hidden neurons left out in training.
        prior_weight: 1 adds the log prior, 0 leaves all classes alike.
        random_state: of initial weights, draws and dropout.
    """

    def __init__(
        self,
        width: int = 128,
        dimensions: int = 24,
        steps: int = 800,
        per_class: int = 16,
        learning_rate: float = 3e-3,
        dropout: float = 0.1,
        prior_weight: float = 1.0,
        random_state: int = 0,
    ):
        self.width = width
        self.dimensions = dimensions
        self.steps = steps
        self.per_class = per_class
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.prior_weight = prior_weight
        self.random_state = random_state

    def _fit(self, features: pd.DataFrame, codes: np.ndarray) -> None:
        import torch
        from torch import nn
        from torch.nn.functional import cross_entropy

        numbers = [
            name
            for name in features.columns.drop("case_id")
            if pd.api.types.is_numeric_dtype(features[name]) and features[name].nunique() > MOST_DEGREES
        ]
        # (101,) values at equal steps of the share of cases below
        self.quantiles_ = {
            name: np.nanquantile(features[name].to_numpy(np.float64), np.linspace(0, 1, 101))
            for name in numbers
        }
        self.design_ = LinearDesign.fit(self._ranked(features))
        rows = torch.from_numpy(self.design_.transform(self._ranked(features)))
        members = [np.flatnonzero(codes == c) for c in range(len(self.classes_))]
        rng = np.random.default_rng(self.random_state)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.random_state)
                network = nn.Sequential(
                    nn.Linear(rows.shape[1], self.width),
                    nn.ReLU(),
                    nn.Dropout(self.dropout),
                    nn.Linear(self.width, self.dimensions),
                )
                optimiser = torch.optim.AdamW(network.parameters(), lr=self.learning_rate, weight_decay=1e-3)
                network.train()
                for _ in range(self.steps):
                    drawn = [rng.permutation(m)[: self.per_class] for m in members]
                    support = [d[: max(1, len(d) // 2)] for d in drawn]
                    query = [d[max(1, len(d) // 2) :] for d in drawn]
                    target = torch.from_numpy(np.repeat(np.arange(len(members)), [len(q) for q in query]))
                    placed = network(rows[np.concatenate([*support, *query])])
                    made, asked = placed.split([sum(map(len, support)), len(target)])
                    prototypes = torch.stack(
                        [part.mean(dim=0) for part in made.split([len(s) for s in support])]
                    )
                    loss = cross_entropy(-torch.cdist(asked, prototypes).square(), target)
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
                network.eval()
                with torch.inference_mode():
                    placed = network(rows).numpy()
        finally:
            torch.set_num_threads(threads)
        self.weights_ = {name: value.detach().numpy().copy() for name, value in network.state_dict().items()}
        self.prototypes_ = np.stack([placed[m].mean(axis=0) for m in members])
        self.log_prior_ = np.log(self.counts_ / self.counts_.sum())

    def _ranked(self, features: pd.DataFrame) -> pd.DataFrame:
        scores = norm.ppf(np.linspace(0.005, 0.995, 101))
        return features.assign(
            **{
                name: np.interp(features[name].to_numpy(np.float64), quantiles, scores)
                for name, quantiles in self.quantiles_.items()
            }
        )

    def place(self, features: pd.DataFrame) -> np.ndarray:
        """(n, dimensions) where the network puts cases."""
        w = self.weights_
        hidden = np.maximum(
            self.design_.transform(self._ranked(features)) @ w["0.weight"].T + w["0.bias"], 0.0
        )
        return hidden @ w["3.weight"].T + w["3.bias"]

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """(n, k) softmax of minus the squared distance, plus the log prior."""
        placed = self.place(features)
        distance = np.square(placed[:, None] - self.prototypes_[None]).sum(axis=2)
        return normalised(softmax(self.prior_weight * self.log_prior_ - distance, axis=1))
