"""The command line as a whole: its commands, its help, and what becomes of errors."""

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from medanomaly.core.errors import ConfigurationError, MedanomalyError, did_you_mean

# in the order in which people need them; each module holds a click command of this name
COMMANDS = {
    "init": "medanomaly.commands.init",
    "run": "medanomaly.commands.run",
    "report": "medanomaly.commands.report",
    "score": "medanomaly.commands.score",
    "explain": "medanomaly.commands.explain",
    "diagnose": "medanomaly.commands.diagnose",
    "review": "medanomaly.commands.review",
    "models": "medanomaly.commands.models",
    "infer": "medanomaly.commands.infer",
    "serve": "medanomaly.commands.serve",
    "labels": "medanomaly.commands.labels",
    "monitor": "medanomaly.commands.monitor",
    "registry": "medanomaly.commands.registry",
    "mcp": "medanomaly.commands.mcp",
    "deidentify": "medanomaly.commands.deidentify",
    "privacy": "medanomaly.commands.privacy",
    "fetch": "medanomaly.fetch",
}
WRONG_USE, BAD_DATA, INTERRUPTED = 2, 1, 130
EXAMPLES = """\b
Start with three commands:
  medanomaly init visits visits.csv       describe your data: columns, units and ids are guessed
  medanomaly run --env visits             train on normal cases, measure, write the report
  medanomaly score new.csv --models data/06_models/visits
                                          answers for new cases, the most unusual first

\b
`medanomaly COMMAND -h` explains a command. `medanomaly run --env wdbc` runs on data that are built in."""


class _Commands(click.Group):
    """Commands that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them."""
        return importlib.import_module(COMMANDS[cmd_name]).command if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of the first word; an unknown word is refused with the nearest known one."""
        if args and args[0] not in COMMANDS:
            raise click.UsageError(
                f"there is no command '{args[0]}'. {did_you_mean(args[0], COMMANDS)}There are {', '.join(COMMANDS)}."
            )
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from medanomaly import __version__

        click.echo(f"medanomaly {__version__}")
        ctx.exit()


@click.group(
    cls=_Commands,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Find what is unusual in medical data, and say how sure one can be.

    Research use only. Not a medical device.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def call(words: Sequence[str], *, standalone_mode: bool = True) -> Any:
    """Run the command of these words.

    Args:
        words: as they were typed, without the name of the program.
        standalone_mode: whether the process ends with the command: 0, or 1 for bad data, or 2 for wrong use. Else errors are
            raised, and what the command returns is returned.
    """
    # options without a command are those of a run
    if words and words[0].startswith("-") and words[0] not in ("-h", "--help", "--version"):
        words = ["run", *words]
    if not standalone_mode:
        return cli.main(list(words), prog_name="medanomaly", standalone_mode=False)
    try:
        result = cli.main(list(words), prog_name="medanomaly", standalone_mode=False)
    except click.UsageError as error:
        help_of = error.ctx.command_path if error.ctx is not None else "medanomaly"
        said = error.format_message().rstrip(".")
        _end(f"{said}. `{help_of} -h` shows what is possible.", WRONG_USE)
    except click.ClickException as error:
        _end(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _end("stopped", INTERRUPTED)
    except ConfigurationError as error:
        _end(str(error), WRONG_USE)
    except MedanomalyError as error:
        _end(str(error), BAD_DATA)
    except OSError as error:
        # a run is long, and says where it stopped
        if words and words[0] == "run":
            raise
        _end(f"{error.filename or 'a file'}: {error.strerror or error}", BAD_DATA)
    # `ctx.exit(code)` of a command; other results are for those who call it from Python
    sys.exit(result if isinstance(result, int) else 0)


def _end(message: str, code: int) -> NoReturn:
    click.echo(f"Error: {' '.join(message.split())}", err=True)
    sys.exit(code)
