"""Features of windows, beats, heart rhythm and pulse waves, with a catalogue of what each one is."""
