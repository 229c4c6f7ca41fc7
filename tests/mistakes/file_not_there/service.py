from meshdsl import *

web = Service("web", "prod", port=80)
