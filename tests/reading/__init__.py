"""Independent readings: what the specification says of a request, and what each mesh does with the emitted objects.

None of these modules knows how meshdsl compiles. ``policies`` is ``docs/semantics.md`` in code, over what users write;
``istio``, ``ambient`` and ``linkerd`` read the objects alone, as the mesh would. ``tests/test_meaning.py`` asks both
sides the same questions.
"""
