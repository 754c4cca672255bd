"""The roles that a principal may have, one at a time, and what a key of each can be narrowed to."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class KeyRole(StrEnum):
    INTAKE = "intake"  # 窗口经办: a window, a hotline
    KIOSK = "kiosk"  # 自助终端: a paired device; it takes in, and reads nothing of anybody
    TOWNSHIP = "township"  # 民政办审核: takes in too, and looks after all of its township
    EMERGENCY = "emergency"  # may tell of an emergency, and nothing else
    AGENCY = "agency"  # 部门联络员
    COORDINATOR = "coordinator"  # 协调员
    SUPERVISOR = "supervisor"  # 督查: who is late, and where it stands; nothing of people
    ADMIN = "admin"  # 系统管理员
    SECURITY = "security"  # 安全管理员
    AUDITOR = "auditor"  # 审计员


# 三员分立: who runs it, who lets people in, and who checks on both are three; nobody is two of them.
KEPT_APART = frozenset({KeyRole.ADMIN, KeyRole.SECURITY, KeyRole.AUDITOR})

# What a key can be narrowed to: `resource:read` for what is looked at, `resource:write` for what is done. The
# resources are the tags of the routes; a test holds the two together.
SCOPES: Mapping[KeyRole, frozenset[str]] = {
    role: frozenset(scopes.split())
    for role, scopes in {
        KeyRole.INTAKE: "requests:read requests:write consents:read consents:write attachments:read attachments:write "
        "emergencies:read emergencies:write routing:write kiosks:read kiosks:write",
        KeyRole.KIOSK: "kiosks:read kiosks:write requests:write emergencies:write attachments:write",
        KeyRole.TOWNSHIP: "requests:read requests:write consents:read consents:write attachments:read attachments:write "
        "emergencies:read emergencies:write routing:write handoffs:read kiosks:read kiosks:write",
        KeyRole.EMERGENCY: "emergencies:write",
        KeyRole.AGENCY: "attachments:read consents:read consents:write handoffs:read callbacks:write emergencies:read "
        "emergencies:write",
        KeyRole.COORDINATOR: "requests:read requests:write consents:read consents:write attachments:read attachments:write "
        "emergencies:read emergencies:write handoffs:read proof:read "
        "coordination:read coordination:write guest_links:read guest_links:write routing:read routing:write "
        "agencies:read agencies:write subscriptions:read subscriptions:write deliveries:read deliveries:write "
        "calendar:read calendar:write retention:read retention:write operation:read kiosks:read kiosks:write",
        KeyRole.SUPERVISOR: "requests:read emergencies:read handoffs:read coordination:read coordination:write "
        "deliveries:read agencies:read calendar:read operation:read",
        KeyRole.ADMIN: "consents:read consents:write emergencies:read emergencies:write routing:read routing:write agencies:read agencies:write "
        "subscriptions:read subscriptions:write deliveries:read deliveries:write calendar:read calendar:write "
        "retention:read retention:write operation:read",
        KeyRole.SECURITY: "keys:read keys:write staff:read staff:write alarms:read alarms:write operation:read kiosks:read "
        "kiosks:write",
        KeyRole.AUDITOR: "requests:read consents:read attachments:read emergencies:read handoffs:read proof:read "
        "coordination:read guest_links:read routing:read routing:write agencies:read subscriptions:read deliveries:read "
        "calendar:read operation:read staff:read alarms:read alarms:write retention:read retention:write kiosks:read",
    }.items()
}
