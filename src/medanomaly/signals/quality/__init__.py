"""Quality of signals, window by window."""
