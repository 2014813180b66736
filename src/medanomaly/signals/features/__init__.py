"""Features of windows, beats, heart rhythm and pulse waves, and a catalogue that says what each one is."""
