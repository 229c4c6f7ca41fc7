"""The parts of ``meshdsl.load``: finding files, running them under guard, keeping what they declare."""
