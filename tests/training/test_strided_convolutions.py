import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from medanomaly.training.strided_convolutions import pixels_picked_first

# 4 and 8 channels are fewer than the vectors of AVX2 and of AVX-512 hold
TRAIN = """
import sys
import torch
from torch.utils.data import TensorDataset
from medanomaly.imaging.networks.classifier.lightning import ClassifierModule
from medanomaly.imaging.networks.classifier.params import ClassifierParams
from medanomaly.training.fit import fit
from medanomaly.training.params import TrainingParams
torch.set_num_threads(int(sys.argv[1]))
for width in (4, 8):
    for size in (32, 64, 128):
        for batch in (2, 3):
            torch.manual_seed(0)
            images, labels = torch.rand(5, 1, size, size), (torch.arange(5) % 2).float()
            module = ClassifierModule(ClassifierParams(width=width, augmentation=None), 1)
            params = TrainingParams(max_epochs=1, batch_size=batch, patience=0, channels_last=True)
            fit(module, TensorDataset(images, labels), None, params, seed=0)
print("trained")
"""


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_the_image_classifier_trains_at_every_size_with_odd_batches(threads):
    source = str(Path(__file__).parents[2] / "src")
    # the fault ends or blocks the process, so that it has one of its own
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(threads)],
        env={k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | {"PYTHONPATH": source},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "trained" in done.stdout


@pytest.mark.parametrize("channels", [1, 3, 4, 8, 16])
@pytest.mark.parametrize("stride", [2, (2, 1), 3])
def test_picking_pixels_first_gives_the_convolution_and_its_gradient(channels, stride):
    torch.manual_seed(0)
    layer = nn.Conv2d(channels, 8, 1, stride=stride).to(memory_format=torch.channels_last)
    # a padded one reads pixels that are not there, and stays
    other = nn.Conv2d(channels, 8, 1, stride=2, padding=1)
    images = torch.rand(3, channels, 17, 18).contiguous(memory_format=torch.channels_last)
    step = layer.stride
    with pixels_picked_first(nn.ModuleList([layer, other])):
        assert layer.stride == (1, 1)
        assert other.stride == (2, 2)
        result = layer(images)
    assert layer.stride == step
    assert not layer._forward_pre_hooks
    picked = images.double()[:, :, :: step[0], :: step[1]]
    expected = functional.conv2d(picked, layer.weight.double(), layer.bias.double())
    assert torch.allclose(result.double(), expected, atol=1e-5)
    result.square().sum().backward()
    gradient = torch.einsum("nohw,nihw->oi", 2 * result.detach().double(), picked)
    assert torch.allclose(layer.weight.grad[..., 0, 0].double(), gradient, rtol=1e-4)
