import numpy as np
import onnxruntime
import pytest
import torch

from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.training.export import onnx_bytes
from medanomaly.training.seeding import seeded
from medanomaly.training.weights import load_weights, weights_bytes


def network(width=4, seed=0):
    with seeded(seed):
        return torch.nn.Sequential(
            torch.nn.Linear(3, width),
            torch.nn.BatchNorm1d(width),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(width, 2),
        )


class Recurrent(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(2, 5, batch_first=True)

    def forward(self, x):
        states, (last, _) = self.lstm(x)
        return states, last[0]


class BatchBlind(torch.nn.Module):
    def forward(self, x):
        # the number of cases becomes a constant of the graph
        return x.reshape(int(x.shape[0]), -1) * torch.ones(int(x.shape[0]), 1)


def run(model, **inputs):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def test_weights_survive_the_round_trip_to_the_bit():
    one, other = network(seed=0), network(seed=1)
    load_weights(other, weights_bytes(one))
    assert all(
        (a == b).all() for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_shared_weights_can_be_stored():
    tied = torch.nn.ModuleList([torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)])
    tied[1].weight = tied[0].weight
    assert load_weights(tied, weights_bytes(tied)) is tied


@pytest.mark.parametrize("content", [b"", b"no weights", "pickle"])
def test_what_is_no_safetensors_file_is_refused(content, tmp_path):
    if content == "pickle":
        torch.save(network().state_dict(), tmp_path / "file")
        content = (tmp_path / "file").read_bytes()
    with pytest.raises(BundleError, match="cannot be read"):
        load_weights(network(), content)


def test_weights_of_another_network_are_refused():
    with pytest.raises(BundleError, match="another network than Sequential"):
        load_weights(network(5), weights_bytes(network(4)))


def test_a_graph_takes_any_number_of_cases_and_agrees_with_torch():
    module = network().train()
    model = onnx_bytes(module, (torch.randn(2, 3),), ["x"], ["y"])
    assert module.training
    module.eval()
    for n in (1, 2, 17):
        x = torch.randn(n, 3)
        np.testing.assert_allclose(run(model, x=x.numpy())[0], module(x).detach(), rtol=1e-5, atol=1e-6)


def test_a_recurrent_network_with_two_outputs_is_exported():
    module = Recurrent()
    model = onnx_bytes(module, (torch.randn(3, 20, 2),), ["x"], ["states", "last"])
    x = torch.randn(8, 20, 2)
    for given, wanted in zip(run(model, x=x.numpy()), module(x), strict=True):
        np.testing.assert_allclose(given, wanted.detach(), atol=1e-5)


def test_a_graph_that_knows_the_batch_size_is_refused():
    with pytest.raises(ConfigurationError, match="1 cases.*treats a value of the example as a constant"):
        onnx_bytes(BatchBlind(), (torch.randn(3, 2),), ["x"], ["y"])


def test_a_fixed_batch_stays_fixed():
    model = onnx_bytes(network(), (torch.randn(2, 3),), ["x"], ["y"], dynamic_batch=False)
    assert onnxruntime.InferenceSession(model).get_inputs()[0].shape == [2, 3]


def test_names_that_do_not_fit_are_refused():
    with pytest.raises(ConfigurationError, match="2 input names for 1 inputs"):
        onnx_bytes(network(), (torch.randn(2, 3),), ["x", "z"], ["y"])
    with pytest.raises(ConfigurationError, match="2 output names for 1 outputs"):
        onnx_bytes(network(), (torch.randn(2, 3),), ["x"], ["y", "z"])
