"""One-class support vector machine: distance, in kernel space, from the region that holds half of the training rows."""

from typing import Any

import numpy as np
from numba import njit
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDOneClassSVM
from sklearn.svm import OneClassSVM
from sklearn.utils import check_random_state

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.occlusion import OcclusionDetector
from medanomaly.detectors.onnx.graph import Graph, node, squared_distances
from medanomaly.detectors.prototypes import about_rows, rows_or_prototypes


class OneClassSVMDetector(OcclusionDetector):
    """One-class SVM with a Gaussian kernel (Schölkopf et al. 2001), ``f(x) = sum_i a_i exp(-gamma |x - s_i|^2)``.

    The anomaly score is ``1 - f(x) / sum_i max(a_i, 0)``, in [0, 1] for the exact machine: the same order as scikit-learn's
    ``OneClassSVM``, without its offset. Far from all training rows it is constant. Distances depend on the units of the
    features, so standardise them first.

    The time of the exact machine grows with the square of the number of rows. Above ``max_exact`` rows the kernel is
    approximated by ``n_components`` training rows (Nyström; Williams & Seeger 2001). The machine is then solved in that
    space by stochastic gradient descent, in linear time. The weights a_i then have both signs, and scores can exceed 1.

    A fitted detector holds some of its training rows, and so does its bundle. With ``prototypes`` it is fitted on means of
    the rows, and holds some of those instead.

    Args:
        nu: upper limit of the share of training rows outside, in (0, 1].
        max_exact: most training rows of the exact machine.
        n_components: rows that approximate the kernel above ``max_exact``.
        contamination: share of the training rows below the threshold of ``predict``.
        random_state: of the approximation; the exact machine draws no random numbers.
        prototypes: patients behind each mean that stands for training rows, 2 or more (5 to 10 are usual); None keeps the
            rows.

    Attributes:
        centres_: (m, d) float64 support vectors, or the rows that approximate the kernel; with ``prototypes`` means.
        weights_: (m,) float64, a over the sum of its positive parts.
        gamma_: 1 / (d * variance of all entries), scikit-learn's "scale".
    """

    label = "one-class SVM"

    def __init__(
        self,
        nu: float = 0.5,
        max_exact: int = 10_000,
        n_components: int = 300,
        contamination: float = 0.1,
        random_state: object = None,
        prototypes: int | None = None,
    ):
        self.nu = nu
        self.max_exact = max_exact
        self.n_components = n_components
        self.contamination = contamination
        self.random_state = random_state
        self.prototypes = prototypes

    def _fit(self, X: np.ndarray) -> None:
        if not 0 < self.nu <= 1:
            raise ConfigurationError(f"nu is {self.nu}", remedy="Give a share above 0 and at most 1.")
        # new rows spread as rows do, not as means do
        variance = X.astype(np.float64).var()
        self.gamma_ = 1.0 / (X.shape[1] * variance) if variance > 0 else 1.0
        X = rows_or_prototypes(X, self.prototypes, self._groups)
        if len(X) <= self.max_exact:
            machine = OneClassSVM(nu=self.nu, gamma=self.gamma_).fit(X)
            self.centres_, weights = machine.support_vectors_, machine.dual_coef_.ravel()
        else:
            self.centres_, weights = self._approximate(X)
        self.weights_ = weights / np.maximum(weights, 0.0).sum()

    def about_training_rows(self) -> dict[str, Any]:
        """The support vectors, or the rows that approximate the kernel; or the means among them."""
        return about_rows(len(self.centres_), self.prototypes)

    def _approximate(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        random = check_random_state(self.random_state)
        n_components = min(self.n_components, len(X))
        kernel = Nystroem(gamma=self.gamma_, n_components=n_components, random_state=random).fit(X)
        machine = SGDOneClassSVM(nu=self.nu, random_state=random).fit(kernel.transform(X))
        return kernel.components_, machine.coef_.ravel() @ kernel.normalization_

    def _scores(self, X: np.ndarray) -> np.ndarray:
        return np.maximum(
            1.0 - _kernel_sums(X.astype(np.float64, order="C"), self.centres_, self.weights_, self.gamma_), 0
        )

    def _onnx_graph(self) -> Graph:
        nodes, constants = squared_distances(self.centres_)
        nodes += [
            node("Mul", ["squares", "minus_gamma"], ["exponents"]),
            node("Exp", ["exponents"], ["kernel"]),
            node("MatMul", ["kernel", "weights"], ["inside"]),
            node("Sub", ["one", "inside"], ["outside"]),
            node("Relu", ["outside"], ["score"]),
        ]
        constants |= {"minus_gamma": np.float64(-self.gamma_), "weights": self.weights_}
        return nodes, constants | {"one": np.float64(1.0)}


@njit(nogil=True, cache=True)
def _kernel_sums(X, centres, weights, gamma):
    """(n,) sum_i weight_i exp(-gamma |x - centre_i|^2), added in the order of the centres."""
    sums = np.zeros(X.shape[0])
    for i in range(X.shape[0]):
        for c in range(centres.shape[0]):
            square = 0.0
            for j in range(X.shape[1]):
                difference = X[i, j] - centres[c, j]
                square += difference * difference
            sums[i] += weights[c] * np.exp(-gamma * square)
    return sums


DETECTOR = OneClassSVMDetector
