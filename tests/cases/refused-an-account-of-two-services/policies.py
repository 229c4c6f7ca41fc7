"""Two services with one account are one caller; a rule that names one of them holds for both."""

from meshdsl import Allow, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80, service_account="shared")
shop = Service("shop", prod, port=80, service_account="shared")
api = Service("api", prod, port=8080)

allow = Allow(api, callers=(web,))
