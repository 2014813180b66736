"""Search for hyper-parameters: spaces, studies, what they leave behind."""
