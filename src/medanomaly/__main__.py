"""``medanomaly``, or ``python -m medanomaly``: the command line of :mod:`medanomaly.commands`."""

import sys


def main(*args, **kwargs):
    """The command that is the first word; options alone are those of ``run``.

    Args:
        args: a list of words; none takes those of the process.
        kwargs: ``standalone_mode``: whether the process ends with the command.
    """
    from medanomaly.commands.cli import call

    words = list(args[0]) if args else sys.argv[1:]
    standalone = kwargs.get("standalone_mode", not hasattr(sys, "ps1"))
    return call(words, standalone_mode=standalone)


if __name__ == "__main__":
    main()
