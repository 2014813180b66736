"""``medanomaly mcp``: models and reports for an assistant."""

from pathlib import Path

import click


@click.command("mcp")
@click.option(
    "--outputs",
    envvar="MEDANOMALY_OUTPUTS",
    default="data",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder of the outputs of runs.",
)
@click.option("--with-patients", is_flag=True, help="Let tools return answers about single cases.")
def command(outputs: Path, with_patients: bool) -> None:
    """Answer an assistant by the Model Context Protocol, over standard input and output; it reads and changes nothing.

    \b
    medanomaly mcp --outputs data
    """
    from medanomaly.assistant import Tools, server

    server(Tools(outputs, with_patients)).run("stdio")
