"""What an operator watches. Names of things and counts; never a person, a number or a token."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)

REQUESTS_TAKEN_IN = Counter("one_window_requests_total", "Help requests stored, by channel.", ["channel"])
CALLBACKS = Counter("one_window_callbacks_total", "Callbacks answered, by type and outcome.", ["type", "outcome"])
ATTEMPTS = Counter("one_window_delivery_attempts_total", "Attempts to deliver, by outcome.", ["outcome"])
EXHAUSTED = Counter("one_window_deliveries_exhausted_total", "Deliveries given up after three days.")
ENDPOINTS_RESTING = Gauge(
    "one_window_endpoints_resting",
    "Endpoints that failed so often that this worker leaves them alone for a while.",
    multiprocess_mode="livemax",
)
FIRST_ATTEMPT_SECONDS = Histogram(
    "one_window_delivery_first_attempt_seconds", "From the message's creation to its first attempt.", buckets=_SECONDS
)
DELIVERY_SECONDS = Histogram("one_window_delivery_attempt_seconds", "How long an attempt took.", buckets=_SECONDS)
ANSWER_SECONDS = Histogram(
    "one_window_http_seconds", "How long an answer took, by route.", ["method", "route", "status"], buckets=_SECONDS
)
LEDGER_GROUP = Histogram(
    "one_window_ledger_group_size", "Units that shared one transaction.", buckets=(1, 2, 4, 8, 16, 32, 64, 128)
)
BACKLOG = Gauge(
    "one_window_delivery_backlog",
    "Deliveries that wait or are in flight (counted to 10,000).",
    multiprocess_mode="mostrecent",
)
BACKLOG_AGE = Gauge(
    "one_window_delivery_backlog_age_seconds",
    "How long the most overdue delivery has been due.",
    multiprocess_mode="mostrecent",
)
CALENDAR_KNOWN_DAYS = Gauge(
    "one_window_calendar_known_days",
    "How many more days the calendar says whether they are worked; below nought, none and since when.",
    multiprocess_mode="mostrecent",
)
WORKERS = Gauge("one_window_workers_alive", "Workers seen within the last 15 seconds.", multiprocess_mode="mostrecent")
OVERDUE = Gauge(
    "one_window_handoffs_overdue",
    "Handoffs whose clock runs though its due time is past (counted to 10,000), by clock.",
    ["clock"],
    multiprocess_mode="mostrecent",
)
LAST_SWEEP = Gauge(
    "one_window_last_sweep_timestamp_seconds",
    "When a worker last finished looking for clocks that end; 0: none that is alive has.",
    multiprocess_mode="mostrecent",
)
REFUSED_FOR_RATE = Counter(
    "one_window_refused_for_rate_total", "Calls refused because their caller made too many, by budget.", ["budget"]
)
CUT_OFF = Counter(
    "one_window_connections_cut_total", "Connections cut off, by what they were too slow or too many for.", ["why"]
)
STEPS = Counter("one_window_sweep_steps_total", "What the sweep did: remind, urge, supervise, resume.", ["step"])
ERASED = Counter("one_window_expired_total", "Records erased because their period was over, by kind.", ["kind"])
READING_ALARMS = Counter("one_window_reading_alarms_total", "Alarms about who reads too many people's data.", ["kind"])
SIGN_INS = Counter(
    "one_window_sign_ins_total", "People at the door: signed_in, wrong, stopped, by way.", ["way", "outcome"]
)

_ANSWERED: dict[tuple[str, str, int], Histogram] = {}


def answered(method: str, route: str, status: int, seconds: float) -> None:
    """Routes and statuses are few: each one's histogram is looked up once."""
    key = (method, route, status)
    histogram = _ANSWERED.get(key)
    if histogram is None:
        histogram = _ANSWERED[key] = ANSWER_SECONDS.labels(method, route, str(status))
    histogram.observe(seconds)
