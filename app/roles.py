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
    SECURITY = "security"  # makes the accounts of those who sign in, and sees no request
