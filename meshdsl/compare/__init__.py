"""What would change, and what it means: manifests compared with what is there.

The package is not called ``diff``, so that ``meshdsl.diff`` is always the function.
"""
