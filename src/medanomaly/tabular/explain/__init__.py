"""Why a record is unusual, and what would make it usual."""
