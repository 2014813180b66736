"""Medical images: input contract, density models, networks and their scores."""
