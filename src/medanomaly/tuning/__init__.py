"""Search for hyper-parameters: search spaces, studies, results."""
