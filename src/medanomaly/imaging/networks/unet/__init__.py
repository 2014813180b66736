"""U-Net: plain, denoising, inpainting."""
