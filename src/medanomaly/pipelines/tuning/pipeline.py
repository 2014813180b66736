"""Wiring of the tuning: one target a run, named by ``tuning.target``."""

from kedro.pipeline import Node, Pipeline

from medanomaly.modalities import active_modalities, tuning_target
from medanomaly.pipelines.tuning.image_nodes import tune_films
from medanomaly.pipelines.tuning.nodes import tune_detector
from medanomaly.pipelines.tuning.signal_nodes import tune_lstm

# modality, or one model of it -> its node, what it reads, and the blocks that describe its models
NODES = {
    "tabular": (tune_detector, ("cases", "features"), "params:tabular_models"),
    "signals": (tune_detector, ("cases", "features"), "params:signal_models"),
    "signals.lstm_autoencoder": (tune_lstm, ("cases", "waveforms"), "params:signal_models"),
    "imaging": (tune_films, ("images", "manifest", "cases"), "params:imaging_models"),
}
LEFT = ("best_parameters", "trials", "importances", "tuning_figures")


def create_pipeline(**_) -> Pipeline:
    """Cases and features of the target's modality to best parameters, trials, importances and figures."""
    target = tuning_target()
    modality = target.partition(".")[0]
    if modality not in active_modalities() or modality not in NODES:
        return Pipeline([])
    function, read, models = NODES.get(target, NODES[modality])
    node = Node(
        function,
        [*(f"{modality}.{name}" for name in read), models, "params:tuning", "params:tracking", "params:run"],
        [f"{target}.{what}" for what in LEFT],
        name=f"tune_{target.replace('.', '_')}",
    )
    return Pipeline([node], tags=modality)
