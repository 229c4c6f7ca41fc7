from meshdsl import Namespace

if True:
	prod = Namespace("prod")
        dev = Namespace("dev")  # ERROR: MESH110
