"""Predictions in a database: SQLite, PostgreSQL or Oracle, with an audit chain and without ids of patients."""
