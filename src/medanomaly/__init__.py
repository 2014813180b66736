"""medanomaly: find what is unusual in medical data, and say how sure one can be."""

import os

__version__ = "0.1.0"

# Nothing is sent anywhere. Kedro and MLflow would send usage statistics, W&B its own errors even offline, and ONNX Runtime
# from 1.29 on facts about models and machine. They read these once, when they are imported; who wants to send sets them.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "WANDB_ERROR_REPORTING": "false",
    "ORT_DISABLE_TELEMETRY": "1",
}.items():
    os.environ.setdefault(_name, _value)
