"""New raw cases to answers: open a run's models, score, explain; without Kedro and without torch."""
