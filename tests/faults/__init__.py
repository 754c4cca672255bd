"""Faults to survive. ONE_WINDOW_TEST_LONG=1 makes them many: twenty kills of each kind, every fault on both databases."""

from __future__ import annotations

import os

LONG = os.environ.get("ONE_WINDOW_TEST_LONG", "") not in ("", "0")
