from meshdsl import Service

x = Service("web" "prod" port=80)  # ERROR: MESH110
