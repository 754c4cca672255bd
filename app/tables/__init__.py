"""The tables; no behaviour."""

from app.tables.attachments import attachment, file_to_remove, used_link
from app.tables.audit import audit_chain, audit_key, audit_leaf, audit_piece, audit_root
from app.tables.cases import (
    callback,
    callback_body,
    callback_refused,
    delivery,
    delivery_attempt,
    dispute,
    event,
    guest_link,
    handoff,
    help_request,
    idempotency,
)
from app.tables.consents import consent_text
from app.tables.county import (
    agency,
    agency_seat,
    api_key,
    calendar_change,
    department,
    division,
    endpoint_secret,
    endpoint_state,
    endpoint_trouble,
    material,
    need,
    revision,
    routing_table,
    rule,
    subscription,
    working_day,
)
from app.tables.doors import calls_taken
from app.tables.emergencies import (
    aid_ceiling,
    aid_mark,
    debt,
    duty_contact,
    emergency_terms,
    emergency_watch,
    living_standard,
)
from app.tables.keys import envelope_key, service_key
from app.tables.kiosks import kiosk_pairing, reserved_number
from app.tables.naming import metadata
from app.tables.readings import alarm, reading
from app.tables.retention import legal_hold, retention
from app.tables.staff import sign_in_address, sign_in_event, staff_account, staff_session
from app.tables.tracking import feedback, look_up_try
from app.tables.workers import worker

__all__ = [
    "agency",
    "agency_seat",
    "aid_ceiling",
    "aid_mark",
    "alarm",
    "api_key",
    "attachment",
    "audit_chain",
    "audit_key",
    "audit_leaf",
    "audit_piece",
    "audit_root",
    "calendar_change",
    "callback",
    "callback_body",
    "callback_refused",
    "calls_taken",
    "consent_text",
    "debt",
    "delivery",
    "delivery_attempt",
    "department",
    "dispute",
    "division",
    "duty_contact",
    "emergency_terms",
    "emergency_watch",
    "endpoint_secret",
    "endpoint_state",
    "endpoint_trouble",
    "envelope_key",
    "event",
    "feedback",
    "file_to_remove",
    "guest_link",
    "handoff",
    "help_request",
    "idempotency",
    "kiosk_pairing",
    "legal_hold",
    "living_standard",
    "look_up_try",
    "material",
    "metadata",
    "need",
    "reading",
    "reserved_number",
    "retention",
    "revision",
    "routing_table",
    "rule",
    "service_key",
    "sign_in_address",
    "sign_in_event",
    "staff_account",
    "staff_session",
    "subscription",
    "used_link",
    "worker",
    "working_day",
]
