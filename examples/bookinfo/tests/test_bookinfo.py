"""What bookinfo's policies promise, as a test that runs without a cluster: `pytest examples/bookinfo`."""

import pytest

from meshdsl import MeshFixture


@pytest.mark.parametrize("mesh_name", ["istio", "ambient", "linkerd"])
def test_jason_sees_the_black_stars_and_others_one_time_in_ten(mesh: MeshFixture, mesh_name: str) -> None:
    page = ("bookinfo/productpage", "bookinfo/reviews", "GET", "/reviews/7")
    assert mesh.request(*page, on=mesh_name).versions == {"v1": 90, "v2": 10}
    assert mesh.request(*page, headers={"end-user": "jason"}, on=mesh_name).versions == {"v2": 100}


def test_reviews_gives_up_after_three_seconds(mesh: MeshFixture) -> None:
    assert mesh.request("bookinfo/productpage", "bookinfo/reviews", "GET", "/reviews/7").deadline == 3000


def test_nobody_calls_ratings_but_reviews(mesh: MeshFixture) -> None:
    assert mesh.request("bookinfo/reviews", "bookinfo/ratings", "GET", "/ratings/7").allowed
    for caller in ("bookinfo/productpage", "bookinfo/details", "account:ingress/gateway", "anyone", "outside"):
        assert not mesh.request(caller, "bookinfo/ratings", "GET", "/ratings/7").allowed, caller


def test_people_may_log_in_but_not_post_reviews(mesh: MeshFixture) -> None:
    assert mesh.request("account:ingress/gateway", "bookinfo/productpage", "POST", "/login").allowed
    assert not mesh.request("account:ingress/gateway", "bookinfo/productpage", "POST", "/productpage").allowed
    assert not mesh.request("bookinfo/productpage", "bookinfo/reviews", "POST", "/reviews/7").allowed


def test_the_meshes_agree(mesh: MeshFixture) -> None:
    mesh.agree()
