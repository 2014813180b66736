"""Data in partitions, past what one process holds: tasks by Dask, and results that survive whatever stops them."""
