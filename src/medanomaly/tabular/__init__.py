"""Tables of clinical records: description, cleaning, quality, features, explanations, risk models."""
