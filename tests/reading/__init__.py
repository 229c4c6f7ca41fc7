"""Independent readings: what the specification says of a request, written from what users write.

``policies`` is ``docs/semantics.md`` in code, and knows neither how meshdsl compiles nor any mesh; ``questions`` asks
it, and ``simulated`` asks a reading of ``meshdsl.simulate`` in the same words. ``tests/test_meaning.py`` holds the two
sides against each other.
"""
