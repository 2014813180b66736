"""``medanomaly infer``: one image to a map of where it is unusual."""

import json
from pathlib import Path

import click

from medanomaly.commands.terminal import progress
from medanomaly.core.errors import ConfigurationError, InputError


@click.command("infer")
@click.option(
    "--model", "bundle", required=True, type=click.Path(path_type=Path), help="Bundle of an image model."
)
@click.option(
    "--input",
    "image",
    required=True,
    type=click.Path(path_type=Path),
    help="A PNG, JPEG, BMP, TIFF or DICOM file.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="The map: a PNG file.")
@click.option(
    "--alpha", type=float, help="Flag the image at this false-alarm rate instead of that of training."
)
def command(bundle: Path, image: Path, output: Path, alpha: float | None) -> None:
    """Draw where one image is unusual, and print its score as JSON.

    The image is grey, as the model sees it; what is unusual is red. The colour reaches its full strength at the 99.5 %
    quantile of this image, so the maps of two images cannot be compared by colour: their scores and p-values can.

    \b
    medanomaly infer --model data/06_models/chest/imaging/lbe --input x.png --output map.png
    """
    from medanomaly.imaging.maps.overlay import overlay_png
    from medanomaly.scoring.answers import NOTICE
    from medanomaly.scoring.models import open_models

    if output.suffix.lower() != ".png":
        raise ConfigurationError(f"'{output}' does not end in .png", remedy="The map is a PNG file.")
    with progress("Drawing") as say:
        say("opening the model", 0, 2)
        models = open_models(bundle)
        drawing = [name for name in models if hasattr(models[name].scorer, "maps")]
        if len(drawing) != 1:
            what = "several image models" if drawing else "no image model that draws maps"
            raise ConfigurationError(
                f"the folder holds {what}", source=bundle, remedy="Give the folder of one bundle."
            )
        say("scoring", 1, 2)
        answers = models.score(image, models=drawing, alpha=alpha, explain=False)
    refused = answers.read.refused
    if answers.scores.empty:
        raise InputError(refused["reason"].iloc[0] if len(refused) else "there is no image", source=image)
    if len(answers.scores) > 1:
        raise ConfigurationError(
            "infer takes one image", source=image, remedy="Score a folder with medanomaly score."
        )
    pixels = answers.read.inputs["images"].inputs
    found = models[drawing[0]].scorer.maps(pixels)[0]
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(overlay_png(pixels[0], found))
    case = answers.to_dict()["cases"][0]
    said = {name: value for name, value in case["answers"][0].items() if name != "reasons"}
    about = {
        "image": str(image),
        "map": str(output),
        "largest": float(found.max()),
        "findings": case["findings"],
    }
    click.echo(json.dumps(said | about | {"notice": NOTICE}, indent=1, ensure_ascii=False, allow_nan=False))
