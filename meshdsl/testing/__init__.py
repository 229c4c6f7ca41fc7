"""Policies under test: a pytest plugin with a ``mesh`` to ask, in a repository's own tests.

``plugin`` is what pytest loads in every run, so it imports nothing; ``mesh`` is loaded by the first test that asks for
the fixture. ``docs/testing.md`` shows how they are used.
"""
