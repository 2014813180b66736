"""LSTM autoencoder of beat waveforms."""
