"""``medanomaly``, or ``python -m medanomaly``: ``kedro run`` on this project."""

import sys
from pathlib import Path

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main(*args, **kwargs):
    """Run the project's ``run`` command."""
    package = Path(__file__).parent.name
    configure_project(package)
    interactive = hasattr(sys, "ps1")
    kwargs["standalone_mode"] = not interactive
    return find_run_command(package)(*args, **kwargs)


if __name__ == "__main__":
    main()
