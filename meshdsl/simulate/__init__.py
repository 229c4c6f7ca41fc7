"""What happens to a request: read from the plan, or from the objects of a mesh.

Two kinds of reading answer the same requests in the same words (``words``). ``plan`` is ``docs/semantics.md`` as code,
and knows no mesh. ``istio``, ``ambient`` and ``linkerd`` say what that mesh does with these objects, and know no plan;
they take any objects, also such as meshdsl did not write. That the two agree is what meshdsl promises; ``agree`` holds
them against each other.
"""
