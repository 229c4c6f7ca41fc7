"""The tests. A package, so that they share ``tests.oracle`` and ``tests.cases`` by name."""
