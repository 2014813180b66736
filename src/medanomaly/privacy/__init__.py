"""Take out of files what identifies a person, and say what was done."""
