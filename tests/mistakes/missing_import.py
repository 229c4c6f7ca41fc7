from meshdsl import Service

web = Service("web", "prod", port=80)
x = Timeout(web, "1s")  # ERROR: MESH118
