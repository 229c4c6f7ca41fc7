"""What users write: frozen pydantic objects, each with its line."""
