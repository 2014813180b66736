from hypothesis import settings

# a shared machine can be slow; time is measured in benchmarks, never in tests. Same examples on every run.
settings.register_profile("project", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("project")
