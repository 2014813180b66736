"""A transformer encoder over the features of a row: each hidden feature is predicted from the others."""

import torch
from torch import nn


class FeatureTransformer(nn.Module):
    """Every feature is a token. The token of a hidden feature has only its name; its value is predicted from the others.

    The token of feature j is ``z_j value_j + name_j``, or ``name_j + blank_j`` where it is hidden. Pre-norm encoder layers
    (Vaswani et al. 2017; Xiong et al. 2020) of self-attention and a perceptron mix the tokens, and ``h_j . read_j + bias_j``
    is the reconstruction.

    Args:
        n_features: d.
        width: of a token, a multiple of ``n_heads``.
        n_heads: attention heads.
        n_layers: encoder layers.
    """

    def __init__(self, n_features: int, width: int, n_heads: int, n_layers: int):
        super().__init__()
        self.value, self.name, self.blank, self.read = (
            nn.Parameter(0.5 * torch.randn(n_features, width)) for _ in range(4)
        )
        self.bias = nn.Parameter(torch.zeros(n_features))
        self.layers = nn.ModuleList(EncoderLayer(width, n_heads) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, z: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """(n, d) standardised rows and (n, d) 0/1 for hidden to (n, d) reconstructions."""
        hidden = hidden[..., None]
        tokens = (z[..., None] * self.value) * (1 - hidden) + self.name + hidden * self.blank
        for layer in self.layers:
            tokens = layer(tokens)
        return (self.norm(tokens) * self.read).sum(-1) + self.bias


class EncoderLayer(nn.Module):
    """Self-attention and a perceptron, each after a layer normalisation and added to its input."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm, self.perceptron_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        # query, key and value side by side
        self.project, self.gather = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(n, d, width) tokens to (n, d, width)."""
        n, d, width = tokens.shape
        projected = self.project(self.attention_norm(tokens))
        query, key, value = projected.view(n, d, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(query @ key.transpose(-1, -2) * (width // self.n_heads) ** -0.5, dim=-1)
        tokens = tokens + self.gather((weights @ value).transpose(1, 2).reshape(n, d, width))
        return tokens + self.narrow(torch.relu(self.widen(self.perceptron_norm(tokens))))
