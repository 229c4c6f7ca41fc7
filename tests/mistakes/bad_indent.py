from meshdsl import Namespace

if True:
prod = Namespace("prod")  # ERROR: MESH110
