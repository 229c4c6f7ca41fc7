"""What each mesh can do, and how."""
