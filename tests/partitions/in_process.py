"""Workers that are threads of the test itself, which start in a moment."""

from functools import partial

from medanomaly.partitions.workers import started

threads = partial(started, processes=False)
