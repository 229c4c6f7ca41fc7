"""What the boutique's policies promise, as a test that runs without a cluster: `pytest examples/boutique`."""

import pytest

from meshdsl import MeshFixture

CHARGE = "/hipstershop.PaymentService/Charge"
CATALOG = "/hipstershop.ProductCatalogService/ListProducts"


def test_only_checkout_may_charge_a_card(mesh: MeshFixture) -> None:
    assert mesh.request("ordering/checkoutservice", "ordering/paymentservice", "POST", CHARGE).allowed
    assert not mesh.request("ordering/checkoutservice", "ordering/paymentservice", "POST", "/other").allowed
    for caller in ("window/frontend", "ordering/cartservice", "anyone", "outside"):
        assert not mesh.request(caller, "ordering/paymentservice", "POST", CHARGE).allowed, caller


def test_a_charge_is_never_sent_twice(mesh: MeshFixture) -> None:
    assert mesh.request("ordering/checkoutservice", "ordering/paymentservice", "POST", CHARGE).tries == 1


def test_the_catalog_is_read_up_to_three_times_in_two_seconds(mesh: MeshFixture) -> None:
    answer = mesh.request("window/frontend", "window/productcatalogservice", "POST", CATALOG)
    assert (answer.tries, answer.deadline) == (3, 2000)


def test_a_preview_of_the_catalog_is_opt_in(mesh: MeshFixture) -> None:
    answer = mesh.request(
        "window/frontend", "window/productcatalogservice", "POST", CATALOG, headers={"x-preview": "catalog"}
    )
    assert answer.versions == {"v2": 100}


def test_redis_is_for_the_cart_alone(mesh: MeshFixture) -> None:
    assert mesh.connect("ordering/cartservice", "ordering/redis-cart").allowed
    assert not mesh.connect("window/frontend", "ordering/redis-cart").allowed


@pytest.mark.mesh(cluster="prod-istio")
@pytest.mark.parametrize("caller", ["account:load/loadgenerator", "outside"])
def test_nobody_plays_people_in_production(mesh: MeshFixture, caller: str) -> None:
    assert not mesh.request(caller, "window/frontend", "GET", "/").allowed


def test_the_meshes_agree(mesh: MeshFixture) -> None:
    mesh.agree()
