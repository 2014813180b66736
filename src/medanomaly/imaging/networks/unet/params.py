"""What can be set about the U-Nets that reconstruct."""

from typing import Literal

from pydantic import Field

from medanomaly.imaging.networks.params import NetworkParams


class UNetParams(NetworkParams):
    """A U-Net that gives back its input, undoes noise, or fills in holes.

    Attributes:
        task: ``plain`` gives back its input. Skip connections copy it, so it is a baseline that shows what copying does.
            ``denoising`` removes coarse noise (Kascenas et al. 2022). ``inpainting`` fills holes, and each pixel is scored
            where it was hidden (Zavrtanik et al. 2021).
        width: channels at full resolution.
        levels: number of resolutions; each is half of the previous one.
        noise_sigma: standard deviation of the coarse noise, in units of what the network sees.
        noise_scale: pixels from one noise value to the next.
        hole: side of a hole in pixels; only its middle half is scored, so all pixels within a quarter of it were hidden.
    """

    network: Literal["unet"] = "unet"
    task: Literal["plain", "denoising", "inpainting"] = "denoising"
    width: int = Field(8, ge=4, multiple_of=4)
    levels: int = Field(4, ge=2, le=6)
    noise_sigma: float = Field(0.2, gt=0)
    noise_scale: int = Field(8, ge=1)
    hole: int = Field(16, ge=4, multiple_of=4)
