"""What people ask for, and what becomes of it.

These are written for every request: each index here is paid for 4 to 20 times a submission, so each has its query.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    text,
)

from app.columns import Digest, Id, Instant, Json, Packed
from app.lifecycle import DisputeState, HandoffStatus, RequestStatus
from app.routing.rules import Role
from app.tables.naming import metadata, one_of

PERSON_MARKS = ("id_mark", "phone_mark", "person_mark")
_ENDED = "closed_at IS NOT NULL AND erased_at IS NULL AND emergency IS"

help_request = Table(
    "help_request",
    metadata,
    Column("id", Id),
    Column("receipt_number", String(12), nullable=False),
    Column("tracking_hash", Digest, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("division_code", String(9), ForeignKey("division.code"), nullable=False),
    Column("status", String(20), nullable=False),
    Column("routing_version", Integer, ForeignKey("routing_table.version"), nullable=False),
    Column("decision", Json, nullable=False),
    Column("registered_at", Instant, nullable=False),
    Column("registered_by", Id, ForeignKey("api_key.id"), nullable=False),
    Column("closed_at", Instant),
    Column("events", Integer, nullable=False),
    Column("head", Digest, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    # Wrapped by a master key; destroyed when the request is erased.
    Column("data_key", LargeBinary),
    Column("erased_at", Instant),
    # Blind indexes of the applicant: identity number, telephone, and name with date of birth and telephone.
    *(Column(name, LargeBinary(16)) for name in PERSON_MARKS),
    # Its kind, if it is acted on as an emergency; and how much of what is owed then is still open.
    Column("emergency", String(16)),
    Column("debts", SmallInteger, nullable=False),
    # Whether it has changed since the last root that covers it; a new one is found by its id.
    Column("unanchored", Boolean(create_constraint=False), nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("receipt_number"),
    UniqueConstraint("tracking_hash"),
    one_of("status", RequestStatus),
    Index(None, "registered_by", "id"),
    Index(None, "status", "id"),
    *(
        Index(
            f"ix_help_request_{name}",
            name,
            "id",
            postgresql_where=text(f"{name} IS NOT NULL"),
            sqlite_where=text(f"{name} IS NOT NULL"),
        )
        for name in PERSON_MARKS
    ),
    Index(
        "ix_help_request_emergency",
        "id",
        postgresql_where=text("emergency IS NOT NULL"),
        sqlite_where=text("emergency IS NOT NULL"),
    ),
    # Of a small jurisdiction: each of its divisions, newest first.
    Index(None, "division_code", "id"),
    Index(
        "ix_help_request_open_emergency",
        "id",
        postgresql_where=text("emergency IS NOT NULL AND closed_at IS NULL"),
        sqlite_where=text("emergency IS NOT NULL AND closed_at IS NULL"),
    ),
    # What is to be erased when its time has come, and what was: written when a request ends, not when it comes.
    *(
        Index(name, *columns, postgresql_where=text(only), sqlite_where=text(only))
        for name, columns, only in (
            ("ix_help_request_ended", ("status", "closed_at", "id"), f"{_ENDED} NULL"),
            ("ix_help_request_ended_emergency", ("closed_at", "id"), f"{_ENDED} NOT NULL"),
            ("ix_help_request_erased_at", ("erased_at", "id"), "erased_at IS NOT NULL"),
        )
    ),
    Index("ix_help_request_unanchored", "id", postgresql_where=text("unanchored"), sqlite_where=text("unanchored = 1")),
)

handoff = Table(
    "handoff",
    metadata,
    Column("id", Id),
    Column("request_id", Id, ForeignKey("help_request.id"), nullable=False),
    Column("need", String(64), nullable=False),
    Column("agency_code", String(64), ForeignKey("agency.code"), nullable=False),
    Column("role", String(12), nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("mandatory", Boolean(create_constraint=False), nullable=False),
    Column("routing_version", Integer, nullable=False),
    Column("rule_number", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("suspended_for", String(16)),
    Column("outcome", String(16)),
    Column("reason", String(32)),
    Column("replaced_by", Id),
    Column("opened_at", Instant, nullable=False),
    Column("dispatched_at", Instant),
    Column("sign_in_due", Instant),
    # In an emergency, though its rule may give more time.
    Column("sign_in_by", Instant),
    Column("accept_due", Instant),
    Column("complete_due", Instant),
    # The completion clock as it was first set, which no suspension and no extension moves.
    Column("promised_due", Instant),
    Column("suspended_at", Instant),
    # When its completion clock stood: for what, from, to (ISO 8601), and whether that moves when it is due.
    Column("stood", Json),
    Column("material_requests", SmallInteger, nullable=False, server_default=text("0")),
    Column("extensions", SmallInteger, nullable=False, server_default=text("0")),
    # The earliest due time of the clocks that run; it is past: the handoff is overdue. None while none runs.
    Column("first_due", Instant),
    # When the sweep has something to do about it next; None when it never will. What was due before it is done.
    Column("next_look_at", Instant),
    Column("due_provisional", Boolean(create_constraint=False), nullable=False),
    # The completion time that an agency was granted, if one was: the calendar does not move it.
    Column("extended_until", Instant),
    Column("last_callback_at", Instant),
    Column("closed_at", Instant),
    # What its agency was last told of, and when: the order of an inbox that is waited on.
    Column("told", String(24)),
    Column("told_at", Instant),
    # Who ruled that it is this agency's, and when: it can't be returned any more.
    Column("bound_by", String(100)),
    Column("bound_at", Instant),
    # Its request's, which never changes: what a small place has is found by it alone.
    Column("division_code", String(9), nullable=False, server_default=text("''")),
    PrimaryKeyConstraint("id"),
    ForeignKeyConstraint(["routing_version", "rule_number"], ["rule.version", "rule.number"]),
    UniqueConstraint("request_id", "need", "agency_code"),
    one_of("status", HandoffStatus),
    one_of("role", Role),
    CheckConstraint("(status = 'completed') = (outcome IS NOT NULL)", name="outcome_of_status"),
    CheckConstraint("status = 'waiting' OR status = 'cancelled' OR dispatched_at IS NOT NULL", name="dispatched_at"),
    Index(
        "ix_handoff_provisional",
        "complete_due",
        "id",
        postgresql_where=text("due_provisional AND closed_at IS NULL"),
        sqlite_where=text("due_provisional = 1 AND closed_at IS NULL"),
    ),
    Index(None, "agency_code", "status", "id"),
    Index(None, "agency_code", "id"),
    Index(None, "agency_code", "told_at", "id"),
    # Of a small jurisdiction: each of its divisions, newest first; and what is overdue there.
    Index(None, "division_code", "id"),
    Index(
        "ix_handoff_division_due",
        "division_code",
        "first_due",
        "id",
        postgresql_where=text("first_due IS NOT NULL"),
        sqlite_where=text("first_due IS NOT NULL"),
    ),
    Index(None, "status", "id"),
    *(
        Index(
            f"ix_handoff_{name}",
            name,
            "id",
            postgresql_where=text(f"{name} IS NOT NULL"),
            sqlite_where=text(f"{name} IS NOT NULL"),
        )
        for name in ("first_due", "next_look_at")
    ),
    sqlite_with_rowid=False,
)

# Agencies that differ on whose duty a need is, until a coordinator rules.
dispute = Table(
    "dispute",
    metadata,
    Column("id", Id),
    Column("request_id", Id, ForeignKey("help_request.id"), nullable=False),
    Column("need", String(64), nullable=False),
    # The ids of those that were returned.
    Column("handoffs", Json, nullable=False),
    Column("why", String(20), nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("state", String(12), nullable=False),
    # The ruling; no agency where nobody has to do it. Its words are sealed: they may name somebody.
    Column("agency_code", String(64), ForeignKey("agency.code")),
    Column("ruled_on", Id, ForeignKey("handoff.id")),
    Column("ruled_by", String(100)),
    Column("ruled_at", Instant),
    Column("sealed", LargeBinary),
    # Its request's, which never changes: what a small place has is found by it alone.
    Column("division_code", String(9), nullable=False, server_default=text("''")),
    PrimaryKeyConstraint("id"),
    one_of("state", DisputeState),
    CheckConstraint("(state = 'ruled') = (ruled_at IS NOT NULL)", name="ruled_at"),
    Index(
        "uq_dispute_open",
        "request_id",
        "need",
        unique=True,
        postgresql_where=text("state = 'open'"),
        sqlite_where=text("state = 'open'"),
    ),
    Index(None, "state", "id"),
    # When it is erased, as below.
    Index(None, "request_id"),
    Index(None, "division_code", "id"),
)

event = Table(
    "event",
    metadata,
    Column("request_id", Id, ForeignKey("help_request.id")),
    Column("sequence", Integer, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("handoff_id", Id),
    Column("data", Json, nullable=False),
    Column("hash", Digest, nullable=False),
    Column("sealed", LargeBinary),
    # Of the request's own sealed form, as it stands from this event on; None: as before.
    Column("person", Digest),
    PrimaryKeyConstraint("request_id", "sequence"),
    sqlite_with_rowid=False,
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Id),
    # An agency's code, or a subscription's id. What the handoff's own keys guard is not guarded again.
    Column("receiver", String(64), nullable=False),
    # None where the message is about no request.
    Column("request_id", Id),
    Column("handoff_id", Id, ForeignKey("handoff.id")),
    Column("type", String(40), nullable=False),
    Column("status", String(12), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    # When it may be claimed. A claim moves it to the end of its lease, so what a dead worker held is due again.
    Column("due_at", Instant, nullable=False),
    Column("claimed_by", Id),
    Column("created_at", Instant, nullable=False),
    Column("give_up_at", Instant, nullable=False),
    Column("ended_at", Instant),
    # From then on it shows more than may be shown, and is not sent (again).
    Column("superseded_at", Instant),
    # SHA-256 of the body's bytes, sealed: by a plain one a guess of who is in it could be confirmed. It stays when the
    # body goes, until the request is erased.
    Column("digest", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id"),
    one_of("status", ("pending", "delivered", "exhausted", "superseded")),
    Index(
        "ix_delivery_queue",
        "priority",
        "receiver",
        "due_at",
        postgresql_where=text("status = 'pending'"),
        sqlite_where=text("status = 'pending'"),
    ),
    Index(
        "ix_delivery_exhausted",
        "id",
        postgresql_where=text("status = 'exhausted'"),
        sqlite_where=text("status = 'exhausted'"),
    ),
    Index(None, "receiver", "id"),
    # All that was ever told about a request, when it is erased, and what a consent's end supersedes.
    Index(None, "request_id"),
)

delivery_attempt = Table(
    "delivery_attempt",
    metadata,
    Column("id", Id),
    Column("delivery_id", Id, ForeignKey("delivery.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("status_code", SmallInteger),
    Column("fault", String(40)),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id"),
    Index(None, "delivery_id"),
)

callback = Table(
    "callback",
    metadata,
    Column("agency_code", String(64), ForeignKey("agency.code")),
    Column("webhook_id", String(256)),
    Column("id", Id, nullable=False),
    Column("handoff_id", Id, ForeignKey("handoff.id"), nullable=False),
    Column("type", String(40), nullable=False),
    Column("sent_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("applied", Boolean(create_constraint=False), nullable=False),
    # Of the bytes that it came in, which are those of others too when it came in bulk.
    Column("digest", Digest, nullable=False),
    Column("signature", String(500)),
    Column("signed_at", Instant),
    Column("bulk_id", String(256)),
    Column("answer", LargeBinary, nullable=False),
    PrimaryKeyConstraint("agency_code", "webhook_id"),
    Index(None, "handoff_id", "id"),
    # Whether anything else came in the same bytes, when they are to be erased.
    Index(None, "digest"),
)

# The bytes of callbacks, once each, so that a signature can be verified again as long as its secret is kept.
callback_body = Table(
    "callback_body",
    metadata,
    Column("digest", Digest),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("digest"),
)

# What was not applied, for the record: who sent what, when, and why it was refused.
callback_refused = Table(
    "callback_refused",
    metadata,
    Column("id", Id),
    Column("handoff_id", Id, ForeignKey("handoff.id"), nullable=False),
    Column("webhook_id", String(256)),
    Column("received_at", Instant, nullable=False),
    Column("code", String(40), nullable=False),
    Column("digest", Digest, nullable=False),
    Column("signature", String(500)),
    PrimaryKeyConstraint("id"),
    Index(None, "handoff_id", "id"),
)

# A way in for an officer of an agency without a system: one handoff, for a while, with a code told by telephone.
guest_link = Table(
    "guest_link",
    metadata,
    Column("id", Id),
    Column("token_hash", Digest, nullable=False),
    Column("handoff_id", Id, ForeignKey("handoff.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("code_hash", Digest),
    Column("code_ends_at", Instant),
    Column("codes", SmallInteger, nullable=False),  # made so far
    Column("wrong_codes", SmallInteger, nullable=False),  # tries with the last one
    Column("session_hash", Digest),
    Column("session_ends_at", Instant),
    Column("revoked_at", Instant),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("token_hash"),
    Index(None, "handoff_id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("api_key_id", Id),
    Column("key_hash", Digest),
    Column("digest", Digest, nullable=False),
    # None where something else than a request was made.
    Column("request_id", Id, ForeignKey("help_request.id")),
    Column("created_at", Instant, nullable=False),
    Column("answer", Packed, nullable=False),
    PrimaryKeyConstraint("api_key_id", "key_hash"),
    Index(None, "created_at"),
    Index(
        "ix_idempotency_request_id",
        "request_id",
        postgresql_where=text("request_id IS NOT NULL"),
        sqlite_where=text("request_id IS NOT NULL"),
    ),
)
