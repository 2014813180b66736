"""``medanomaly run``, or ``python -m medanomaly run``: ``kedro run`` of this package; ``medanomaly fetch`` gets data."""

import sys
from pathlib import Path

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main(*args, **kwargs):
    """The command that is the first word: ``run``, which can be left out, or ``fetch``."""
    interactive = hasattr(sys, "ps1")
    kwargs["standalone_mode"] = not interactive
    words = list(args[0]) if args else sys.argv[1:]
    if words[:1] == ["fetch"]:
        from medanomaly.fetch import command

        return command(words[1:], prog_name="medanomaly fetch", **kwargs)
    package = Path(__file__).parent.name
    configure_project(package)
    return find_run_command(package)(
        words[1:] if words[:1] == ["run"] else words, prog_name="medanomaly run", **kwargs
    )


if __name__ == "__main__":
    main()
