"""Training of networks, whatever the modality: one loop, resumable, and what it leaves behind."""
