"""One file per kind of detector; the file's name is the name of the kind."""
