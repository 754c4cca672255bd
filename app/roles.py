"""The roles that a key may have."""

from __future__ import annotations

from enum import StrEnum


class KeyRole(StrEnum):
    INTAKE = "intake"
    EMERGENCY = "emergency"  # may tell of an emergency, and nothing else
    AGENCY = "agency"
    COORDINATOR = "coordinator"
    ADMIN = "admin"
    AUDITOR = "auditor"
