"""Synthetic rows of tables: generators by one contract, what they are added to, and how good and how private they are."""
