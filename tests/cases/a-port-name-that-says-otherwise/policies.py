"""An HTTP port named tcp-…: Istio goes by the name unless appProtocol is set, so there is a warning."""

from meshdsl import Namespace, Port, Service, Timeout

api = Service("api", Namespace("prod"), ports=(Port(80, name="tcp-api"),))

timeout = Timeout(api, "1s")
