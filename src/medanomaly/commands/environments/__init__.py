"""First descriptions of data of one's own, as the files of an environment, for a person to correct."""
