"""How long does one image take, from its pixels to its score and map? The exported graph, one image at a time, one thread.

Networks have the sizes of ``conf/chest_xray`` and one epoch of training on phantoms: the time of a call does not depend on
what was learned.
"""

import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import onnxruntime
import torch

from benchmarks.blocks import described_models
from benchmarks.record import Result, write
from medanomaly.core.onnx_session import open_session
from medanomaly.imaging.networks.detector import NetworkDetector
from medanomaly.imaging.networks.kinds import network_params
from medanomaly.imaging.networks.params import NetworkParams
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.synthetic.chest import ChestParams, chest_images
from medanomaly.synthetic.patients import draw_patients
from medanomaly.training.params import TrainingParams

SIZE, N_TRAIN, N_COMPARED = 128, 48, 8
CALLS, WARM_UP = 300, 10
TARGET_MS, TOLERANCE = 50, 1e-5


def networks() -> dict[str, NetworkParams]:
    """Parameters of each network of ``conf/chest_xray``, and of the autoencoder with variances (AE-U)."""
    found = {}
    for name, block in described_models("imaging", "chest_xray").items():
        if "network" in block:
            # the only epoch must not be a warm-up
            settings = {key: value for key, value in block["network"].items() if key != "warm_up_epochs"}
            found[name.replace("_", " ")] = network_params({"network": block["kind"], **settings})
    return found | {"AE-U": found["autoencoder"].model_copy(update={"variance": True})}


def phantoms() -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 128, 128) to train on, and others to score."""
    images = chest_images(draw_patients(N_TRAIN + N_COMPARED, 0), ChestParams(height=SIZE)).images
    squares = np.stack([InputContract(size=SIZE).prepare(image) for image in images])
    return squares[:N_TRAIN], squares[N_TRAIN:]


def difference(detector: NetworkDetector, served: onnxruntime.InferenceSession, images: np.ndarray) -> float:
    """Largest ``|a - b| / (1 + |b|)`` of scores and maps, ``a`` of the graph and ``b`` of torch."""
    given = served.run(["score", "error_map"], {"image": images[:, None]})
    wanted = detector.score(images), detector.error_map(images)
    return max(float((np.abs(a - b) / (1 + np.abs(b))).max()) for a, b in zip(given, wanted, strict=True))


def main() -> None:
    torch.set_num_threads(1)
    train, images = phantoms()
    training = TrainingParams(max_epochs=1, batch_size=16, patience=0, accelerator="cpu")
    detectors = {name: NetworkDetector(params, training).fit(train) for name, params in networks().items()}
    sessions = {name: open_session(detector.to_onnx()) for name, detector in detectors.items()}
    apart = {name: difference(detectors[name], sessions[name], images) for name in detectors}
    runs = {
        ("graph", name): lambda x, s=s: s.run(None, {"image": x[:, None]}) for name, s in sessions.items()
    }
    runs |= {("torch", name): lambda x, d=d: d.score(x) for name, d in detectors.items()}
    taken = {key: np.empty((CALLS, 2)) for key in runs}
    for i in range(-WARM_UP, CALLS):
        image = images[[i % len(images)]]
        for key, run in runs.items():
            # torch is slower, and only its median is reported
            if key[0] == "torch" and i % 10:
                continue
            # processor time too, so that other programs on the machine hardly count
            start, busy = time.perf_counter(), time.process_time()
            run(image)
            taken[key][max(i, 0)] = time.perf_counter() - start, time.process_time() - busy
    data = f"one image of {SIZE} px, {CALLS} calls, one thread, all networks in turn"
    results = []
    for name in detectors:
        wall, busy = 1e3 * taken["graph", name].T
        in_torch = 1e3 * float(np.median(taken["torch", name][::10, 1]))
        p50, p99 = np.quantile(busy, 0.5), np.quantile(busy, 0.99)
        results += [
            Result(f"{name}, p50", p50, "ms", peer="torch, one thread", peer_value=in_torch, ratio=in_torch / p50,
                   data=data + "; processor time"),
            Result(f"{name}, p99", p99, "ms", target=f"< {TARGET_MS} ms", reached=bool(p99 < TARGET_MS),
                   data=f"{data}; processor time; by the clock {np.quantile(wall, 0.99):.1f} ms"),
            Result(f"{name}, largest difference from torch", apart[name], "", target=f"<= {TOLERANCE:g}",
                   reached=apart[name] <= TOLERANCE, data=f"|a - b| / (1 + |b|), {len(images)} images and their maps"),
        ]  # fmt: skip
    write("imaging_scoring", results, command="make bench NAME=imaging_scoring")


if __name__ == "__main__":
    main()
