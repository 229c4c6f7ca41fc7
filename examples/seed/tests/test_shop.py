"""What the shop's policies promise, as a test that runs without a cluster: `pytest examples/seed`."""

from meshdsl import MeshFixture


def test_the_meshes_agree(mesh: MeshFixture) -> None:
    mesh.agree()
