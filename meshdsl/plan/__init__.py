"""What the policies mean, for each service, before any mesh is chosen."""
