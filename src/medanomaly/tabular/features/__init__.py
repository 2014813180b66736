"""Features of records: values, history, notes, time series, events."""
