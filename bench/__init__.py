"""How fast meshdsl is: ``make bench``."""
