"""Networks for images: plain modules, their losses, their Lightning training, and what scores an image."""
