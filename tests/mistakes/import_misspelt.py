from meshdsl import Namespace, Servce  # ERROR: MESH115
