"""Tables: hospital records, laboratory tests, appointments."""
