"""A bundle made ready to score: its manifest says what kind it is, and the kind opens it."""

from pathlib import Path

from medanomaly.core.bundle import Bundle, read_bundle
from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.core.models import Probabilities, Scorer, kind


def open_bundle(source: Path | str | Bundle) -> Scorer | Probabilities:
    """The scorer of a bundle.

    Only what scoring needs is imported: no Kedro and no torch.

    Args:
        source: folder of a bundle, which is verified, or a bundle that was read.

    Returns:
        What ``score`` and ``p_values``, or ``probabilities``, are asked of.

    Raises:
        BundleError: the folder is no bundle, was altered, or is of a kind that is not known here.

    Example:
        >>> import pandas as pd
        >>> scorer = open_bundle("data/06_models/synthetic/tabular/ecdf")
        >>> features = pd.read_parquet("data/04_feature/synthetic/tabular/features.parquet").head(3)
        >>> scorer.score(features).shape, bool((scorer.p_values(features) <= 1).all())
        ((3,), True)
    """
    bundle = source if isinstance(source, Bundle) else read_bundle(Path(source))
    try:
        of = kind(bundle.manifest.kind)
    except ConfigurationError as error:
        raise BundleError(error.problem, remedy=error.remedy, source=bundle.manifest.name) from error
    return of.open(bundle)
