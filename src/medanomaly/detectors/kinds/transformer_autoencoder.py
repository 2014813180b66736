"""Masked autoencoder with a transformer encoder over the features: each value is predicted from the others."""

import numpy as np
from numba import njit

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.onnx.graph import Graph, Node, node
from medanomaly.detectors.reconstruction import ReconstructionDetector

_PATIENCE = 10
_LEARNING_RATE = 3e-3
_LAYER = ("attention_norm", "project", "gather", "perceptron_norm", "widen", "narrow")


class TransformerAutoencoderDetector(ReconstructionDetector):
    """Residuals of features hidden from a transformer that sees the other features (masked autoencoding).

    The features are divided at random into groups. A row is reconstructed once per group, with that group hidden, so
    that every value is predicted without being seen. With up to ``n_masks`` features, each is its own group.

    Args:
        width: of a feature's token.
        n_heads: attention heads; ``width`` is a multiple of it.
        n_layers: encoder layers.
        n_masks: largest number of groups.
        max_epochs: most passes over the training rows; training stops earlier when the held-out loss no longer falls.
        contamination: share of the training rows below the threshold of ``predict``.
        random_state: of initial weights, order, masks and groups.

    Attributes:
        hidden_: (n_groups, v) float64, 1 where a group hides a feature; each column adds up to 1.
    """

    label = "transformer autoencoder"

    def __init__(
        self,
        width: int = 16,
        n_heads: int = 2,
        n_layers: int = 1,
        n_masks: int = 6,
        max_epochs: int = 100,
        contamination: float = 0.1,
        random_state: object = None,
    ):
        self.width = width
        self.n_heads = n_heads
        self.n_layers = n_layers
        self.n_masks = n_masks
        self.max_epochs = max_epochs
        self.contamination = contamination
        self.random_state = random_state

    def _fit(self, X: np.ndarray) -> None:
        for name, least in (("width", 1), ("n_heads", 1), ("n_layers", 1), ("n_masks", 2)):
            if getattr(self, name) < least:
                raise ConfigurationError(f"{name} is {getattr(self, name)}", remedy=f"Give {least} or more.")
        if self.width % self.n_heads:
            raise ConfigurationError(
                f"width is {self.width} with {self.n_heads} heads", remedy="Give a multiple of n_heads."
            )
        super()._fit(X)

    def _train(self, rows: np.ndarray, held_out: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        from medanomaly.detectors.networks.feature_transformer import FeatureTransformer
        from medanomaly.detectors.networks.losses import masked_loss
        from medanomaly.detectors.networks.reconstruction import trained_weights

        d = rows.shape[1]
        n_groups = min(self.n_masks, d)
        group = np.random.default_rng(seed).permutation(d) % n_groups
        self.hidden_ = (group == np.arange(n_groups)[:, None]).astype(np.float64)
        weights = trained_weights(
            lambda: FeatureTransformer(d, self.width, self.n_heads, self.n_layers),
            masked_loss,
            rows,
            held_out,
            learning_rate=_LEARNING_RATE,
            max_epochs=self.max_epochs,
            patience=_PATIENCE,
            seed=seed,
        )
        named = {name: weights[name] for name in ("value", "name", "blank", "read", "bias")}
        named |= {"norm.weight": weights["norm.weight"], "norm.bias": weights["norm.bias"]}
        for part in _LAYER:
            for kind in ("weight", "bias"):
                stacked = np.stack([weights[f"layers.{i}.{part}.{kind}"] for i in range(self.n_layers)])
                # (layers, inputs, outputs): tokens times matrix
                named[f"{part}.{kind}"] = np.ascontiguousarray(stacked.swapaxes(1, -1))
        return named

    def _reconstruct(self, z: np.ndarray) -> np.ndarray:
        w = self.weights_
        scale, shift = self._tokens()
        layers = tuple(w[f"{part}.{kind}"] for part in _LAYER for kind in ("weight", "bias"))
        last = (w["norm.weight"], w["norm.bias"], w["read"], w["bias"])
        return _reconstructions(z, self.hidden_, scale, shift, self.n_heads, layers, last)

    def _tokens(self) -> tuple[np.ndarray, np.ndarray]:
        """(n_groups, v, width) a and b: the token of feature j under mask g is ``z_j a_gj + b_gj``."""
        hidden = self.hidden_[:, :, None]
        scale = (1.0 - hidden) * self.weights_["value"]
        return scale, self.weights_["name"] + hidden * self.weights_["blank"]

    def _network_graph(self) -> Graph:
        w = self.weights_
        scale, shift = self._tokens()
        # (n, groups, tokens, width): every group of hidden features is a separate pass
        nodes = [
            node("Unsqueeze", ["seen", "group_and_width"], ["spread_out"]),
            node("Mul", ["spread_out", "token_scale"], ["scaled"]),
            node("Add", ["scaled", "token_shift"], ["tokens_0"]),
        ]
        size = self.width // self.n_heads
        constants = {
            "group_and_width": np.array([1, 3]),
            "token_scale": scale,
            "token_shift": shift,
            "heads": np.array([0, 0, 0, 3 * self.n_heads, size]),
            "joined": np.array([0, 0, 0, self.width]),
            "per_root": np.float64(1.0 / np.sqrt(size)),
            "last_axis": np.array([-1]),
            "group_axis": np.array([1]),
            "read": w["read"],
            "read_bias": w["bias"],
            "hidden": self.hidden_,
        }
        for k in range(self.n_layers):
            layer = {name: values[k] for name, values in w.items() if name.startswith(_LAYER)}
            layer_nodes, layer_constants = _encoder_layer(layer, k, self.n_heads)
            nodes, constants = nodes + layer_nodes, constants | layer_constants
        norm_nodes, norm_constants = _norm_graph(
            f"tokens_{self.n_layers}", "final", w["norm.weight"], w["norm.bias"]
        )
        nodes += [
            *norm_nodes,
            node("Mul", ["final", "read"], ["read_out"]),
            node("ReduceSum", ["read_out", "last_axis"], ["unbiased"], keepdims=0),
            node("Add", ["unbiased", "read_bias"], ["every_pass"]),
            node("Mul", ["every_pass", "hidden"], ["where_hidden"]),
            node("ReduceSum", ["where_hidden", "group_axis"], ["reconstruction"], keepdims=0),
        ]
        return nodes, constants | norm_constants


@njit(nogil=True, cache=True)
def _reconstructions(rows, hidden, scale, shift, n_heads, layers, last):
    """(n, v) reconstructions, each from the pass that hides it; every sum is added in one fixed order."""
    norm_weight, norm_bias, read, bias = last
    out = np.empty(rows.shape)
    for i in range(rows.shape[0]):
        for g in range(hidden.shape[0]):
            tokens = rows[i].reshape(-1, 1) * scale[g] + shift[g]
            for k in range(layers[0].shape[0]):
                _encode(tokens, k, n_heads, layers)
            normed = _normalised(tokens, norm_weight, norm_bias)
            for j in range(rows.shape[1]):
                if hidden[g, j] == 1.0:
                    total = bias[j]
                    for c in range(read.shape[1]):
                        total += normed[j, c] * read[j, c]
                    out[i, j] = total
    return out


@njit(nogil=True, cache=True)
def _encode(tokens, k, n_heads, layers):
    """One encoder layer, in place."""
    n_tokens, width = tokens.shape
    size = width // n_heads
    projected = _times(_normalised(tokens, layers[0][k], layers[1][k]), layers[2][k], layers[3][k])
    mixed = np.zeros((n_tokens, width))
    weights = np.empty(n_tokens)
    for head in range(n_heads):
        query, key, value = head * size, width + head * size, 2 * width + head * size
        for a in range(n_tokens):
            largest = -np.inf
            for b in range(n_tokens):
                total = 0.0
                for c in range(size):
                    total += projected[a, query + c] * projected[b, key + c]
                weights[b] = total / np.sqrt(size)
                largest = max(largest, weights[b])
            norm = 0.0
            for b in range(n_tokens):
                weights[b] = np.exp(weights[b] - largest)
                norm += weights[b]
            for b in range(n_tokens):
                for c in range(size):
                    mixed[a, query + c] += weights[b] / norm * projected[b, value + c]
    tokens += _times(mixed, layers[4][k], layers[5][k])
    wide = _times(_normalised(tokens, layers[6][k], layers[7][k]), layers[8][k], layers[9][k])
    tokens += _times(np.maximum(wide, 0.0), layers[10][k], layers[11][k])


@njit(nogil=True, cache=True)
def _normalised(tokens, weight, bias):
    """Layer normalisation (Ba et al. 2016)."""
    out = np.empty(tokens.shape)
    width = tokens.shape[1]
    for a in range(tokens.shape[0]):
        mean = 0.0
        for c in range(width):
            mean += tokens[a, c]
        mean /= width
        variance = 0.0
        for c in range(width):
            variance += (tokens[a, c] - mean) ** 2
        spread = np.sqrt(variance / width + 1e-5)
        for c in range(width):
            out[a, c] = (tokens[a, c] - mean) / spread * weight[c] + bias[c]
    return out


@njit(nogil=True, cache=True)
def _times(tokens, weight, bias):
    """``tokens @ weight + bias`` in the order of the inputs."""
    out = np.empty((tokens.shape[0], weight.shape[1]))
    for a in range(tokens.shape[0]):
        out[a] = bias
        for k in range(weight.shape[0]):
            for c in range(weight.shape[1]):
                out[a, c] += tokens[a, k] * weight[k, c]
    return out


def _encoder_layer(w: dict[str, np.ndarray], k: int, n_heads: int) -> Graph:
    """Nodes from "tokens_k" to "tokens_k+1"."""
    linear_parts = ("project", "gather", "widen", "narrow")
    constants = {f"{name}.{k}": w[name] for name in w if name.startswith(linear_parts)}
    attended, attended_constants = _norm_graph(
        f"tokens_{k}", f"attended_{k}", w["attention_norm.weight"], w["attention_norm.bias"]
    )
    perceived, perceived_constants = _norm_graph(
        f"between_{k}", f"perceived_{k}", w["perceptron_norm.weight"], w["perceptron_norm.bias"]
    )

    def linear(x: str, part: str, output: str) -> list[Node]:
        return [
            node("MatMul", [x, f"{part}.weight.{k}"], [f"{output}_product"]),
            node("Add", [f"{output}_product", f"{part}.bias.{k}"], [output]),
        ]

    nodes = [
        *attended,
        *linear(f"attended_{k}", "project", f"projected_{k}"),
        node("Reshape", [f"projected_{k}", "heads"], [f"by_head_{k}"]),
        # (n, groups, 3 heads, tokens, size)
        node("Transpose", [f"by_head_{k}"], [f"heads_first_{k}"], perm=[0, 1, 3, 2, 4]),
        node(
            "Split",
            [f"heads_first_{k}"],
            [f"query_{k}", f"key_{k}", f"values_{k}"],
            axis=2,
            num_outputs=3,
        ),
        node("Transpose", [f"key_{k}"], [f"key_turned_{k}"], perm=[0, 1, 2, 4, 3]),
        node("MatMul", [f"query_{k}", f"key_turned_{k}"], [f"likeness_{k}"]),
        node("Mul", [f"likeness_{k}", "per_root"], [f"scaled_likeness_{k}"]),
        node("Softmax", [f"scaled_likeness_{k}"], [f"attention_{k}"], axis=-1),
        node("MatMul", [f"attention_{k}", f"values_{k}"], [f"mixed_heads_{k}"]),
        node("Transpose", [f"mixed_heads_{k}"], [f"tokens_first_{k}"], perm=[0, 1, 3, 2, 4]),
        node("Reshape", [f"tokens_first_{k}", "joined"], [f"mixed_{k}"]),
        *linear(f"mixed_{k}", "gather", f"gathered_{k}"),
        node("Add", [f"tokens_{k}", f"gathered_{k}"], [f"between_{k}"]),
        *perceived,
        *linear(f"perceived_{k}", "widen", f"wide_{k}"),
        node("Relu", [f"wide_{k}"], [f"rectified_{k}"]),
        *linear(f"rectified_{k}", "narrow", f"narrow_{k}"),
        node("Add", [f"between_{k}", f"narrow_{k}"], [f"tokens_{k + 1}"]),
    ]
    return nodes, constants | attended_constants | perceived_constants


def _norm_graph(x: str, output: str, weight: np.ndarray, bias: np.ndarray) -> Graph:
    names = [f"{output}_weight", f"{output}_bias"]
    nodes = [node("LayerNormalization", [x, *names], [output], axis=-1, epsilon=1e-5)]
    return nodes, dict(zip(names, (weight, bias), strict=True))


DETECTOR = TransformerAutoencoderDetector
