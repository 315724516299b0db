"""Model servers that answer without a model, for running the real agent CLIs on loopback."""
