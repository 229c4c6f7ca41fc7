from .services import web  # ERROR: MESH115
