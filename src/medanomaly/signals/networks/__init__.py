"""Networks for signals: plain modules, their losses, and their Lightning training."""
