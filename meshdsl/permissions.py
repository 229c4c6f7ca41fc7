"""What policy files may do beyond computing, if a project permits it.

Policy files are Python, but they are meant to be a function of themselves: the guard of the loader refuses the rest.
Loader and configuration both speak of permissions and must not know each other, so the word stands here.
"""

from __future__ import annotations

from typing import Literal, get_args

Permission = Literal["read", "write", "network", "subprocess"]
"""``read`` is of files outside the policies folder, ``write`` of any; ``subprocess`` is also threads and ctypes."""

PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
