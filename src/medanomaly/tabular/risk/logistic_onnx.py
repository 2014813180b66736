"""A calibrated logistic regression as an ONNX graph: matrix "X" (float32) in, "probability" out."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from medanomaly.detectors.onnx.export import IR_VERSION, OPSET
from medanomaly.evaluation.calibrators import Beta, Identity, Platt
from medanomaly.tabular.risk.fitting.cross_fitting import FittedRisk
from medanomaly.tabular.risk.logistic import LogisticRisk


def to_onnx(fitted: FittedRisk) -> bytes | None:
    """Export a logistic regression with beta, Platt or no calibration.

    Returns:
        A serialised, checked model; input ``X``: float32 (n, d), the matrix of ``model.design_``; output ``probability``:
        float64 (n,). None for other models and for isotonic calibration, which ``model.skops`` serves.
    """
    model, calibrator = fitted.model, fitted.calibrator
    if not isinstance(model, LogisticRisk):
        return None
    match calibrator:
        case Beta():
            a, b, c = calibrator.a, calibrator.b, calibrator.c
        case Platt():
            # ln p - ln(1 - p) is the log-odds
            a, b, c = calibrator.a, calibrator.a, calibrator.c
        case Identity():
            a, b, c = 1.0, 1.0, 0.0
        case _:
            return None
    nodes = [
        helper.make_node("Cast", ["X"], ["x"], to=onnx.TensorProto.DOUBLE),
        helper.make_node("MatMul", ["x", "coef"], ["margin"]),
        helper.make_node("Add", ["margin", "intercept"], ["logit"]),
        # -ln p = max(-logit, 0) + ln(1 + e^-|logit|), -ln(1 - p) = max(logit, 0) + the same, without overflow
        # (onnxruntime has no Softplus in float64)
        helper.make_node("Abs", ["logit"], ["size"]),
        helper.make_node("Neg", ["size"], ["minus_size"]),
        helper.make_node("Exp", ["minus_size"], ["odds"]),
        helper.make_node("Add", ["odds", "one"], ["one_and_odds"]),
        helper.make_node("Log", ["one_and_odds"], ["rest"]),
        helper.make_node("Neg", ["logit"], ["minus_logit"]),
        helper.make_node("Relu", ["minus_logit"], ["most_of_p"]),
        helper.make_node("Relu", ["logit"], ["most_of_not_p"]),
        helper.make_node("Add", ["most_of_p", "rest"], ["cost_of_p"]),
        helper.make_node("Add", ["most_of_not_p", "rest"], ["cost_of_not_p"]),
        helper.make_node("Mul", ["cost_of_p", "minus_a"], ["first"]),
        helper.make_node("Mul", ["cost_of_not_p", "b"], ["second"]),
        helper.make_node("Sum", ["first", "second", "c"], ["calibrated"]),
        helper.make_node("Sigmoid", ["calibrated"], ["probability"]),
    ]
    constants = {
        "coef": model.coef_,
        "intercept": np.float64(model.intercept_),
        "minus_a": np.float64(-a),
        "b": np.float64(b),
        "c": np.float64(c),
        "one": np.float64(1.0),
    }
    graph = helper.make_graph(
        nodes,
        "calibrated_logistic_regression",
        [helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, ["n", len(model.coef_)])],
        [helper.make_tensor_value_info("probability", onnx.TensorProto.DOUBLE, ["n"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    exported = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="medanomaly",
    )
    onnx.checker.check_model(exported, full_check=True)
    return exported.SerializeToString()
