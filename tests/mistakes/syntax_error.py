from meshdsl import Namespace

prod = Namespace("prod"))  # ERROR: MESH110
