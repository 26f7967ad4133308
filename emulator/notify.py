"""Telling the merchant: each sending freshly signed and sealed, repeated on WeChat's schedule until it is accepted.

Accepted is 200 or 204 within five seconds and nothing else; redirects are not followed. A fault is drawn anew for every
sending, so a forged one is followed by a true one on schedule.
"""

import copy
import secrets
import time
import uuid
from typing import Any

import orjson
import requests

from emulator import pushes, signing
from emulator.agenda import Agenda
from emulator.books import Books
from emulator.clock import Clock, beijing
from emulator.faults import NOTIFICATION_FAULTS, Faults, Rule
from emulator.holds import Holds
from emulator.keyring import Keyring
from emulator.keys import Keys
from emulator.log import Log
from emulator.pushes import PUSH_FAULTS, Pushes
from emulator.records import Attempt, Notification

RETRY_SECONDS = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600)
# A push is repeated three times, five seconds apart.
PUSH_RETRY_SECONDS = (5, 5, 5)
ACCEPTED = (200, 204)
PATIENCE_SECONDS = 5


class Courier:
    """Carries notifications to the merchant."""

    def __init__(
        self,
        *,
        keys: Keys,
        keyring: Keyring,
        clock: Clock,
        books: Books,
        faults: Faults,
        holds: Holds,
        pushes: Pushes,
        agenda: Agenda,
        log: Log,
    ) -> None:
        self._keys = keys
        self._keyring = keyring
        self._clock = clock
        self._books = books
        self._faults = faults
        self._holds = holds
        self._pushes = pushes
        self._overtaken: set[str] = set()
        self._agenda = agenda
        self._log = log

    def schedule(self, notification: Notification) -> None:
        """Send a notification when it is due: at once, or at its `next_at`."""
        due = notification.next_at
        seconds = 0.0 if due is None else max(0.0, (due - self._clock.now()).total_seconds())
        self._agenda.after(seconds, lambda: self.attempt(notification.id))

    def attempt(self, notification_id: str) -> None:
        """Make one sending of a pending notification, with whatever fault is in force, and plan the next if needed."""
        notification = self._books.notifications[notification_id]
        if notification.state != "pending":
            return
        faults = PUSH_FAULTS if notification.kind == "push" else NOTIFICATION_FAULTS
        rule = self._faults.draw(faults, on=notification.kind, reference=notification.reference)
        if rule is not None and rule.fault == "lost":
            lost = Attempt(at=self._clock.now(), status=None, error="lost", fault="lost", milliseconds=0)
            self._books.note_attempt(notification_id, lost, state="lost", next_at=None)
        elif rule is not None and rule.fault == "late":
            seconds = self._clock.wait(rule.number("seconds", 60))
            self._agenda.after(seconds, lambda: self._send_and_note(notification_id, None))
        elif rule is not None and rule.fault == "reordered":
            self._overtaken.add(notification_id)
            seconds = self._clock.wait(rule.number("seconds", 60))
            self._agenda.after(seconds, lambda: self._follow(notification_id))
        else:
            self._send_and_note(notification_id, rule)
            for overtaken in list(self._overtaken):
                self._follow(overtaken)

    def give_up(self) -> int:
        """Send nothing more of what is still to be sent; returns how many notifications that leaves exhausted."""
        pending = [each for each in list(self._books.notifications.values()) if each.state == "pending"]
        for notification in pending:
            self._books.note_attempt(notification.id, None, state="exhausted", next_at=None)
        return len(pending)

    def _follow(self, notification_id: str) -> None:
        """Send what was overtaken, once."""
        try:
            self._overtaken.remove(notification_id)
        except KeyError:
            return
        self._send_and_note(notification_id, None)

    def repeat(self, notification: Notification, rule: Rule | None) -> Attempt:
        """Send a notification once more now, whatever its state, with the fault of `rule`; return what came back."""
        attempt = self._send(notification, rule)
        state = "delivered" if attempt.status in ACCEPTED and rule is None else notification.state
        self._books.note_attempt(notification.id, attempt, state=state, next_at=notification.next_at)
        return attempt

    def _send_and_note(self, notification_id: str, rule: Rule | None) -> None:
        notification = self._books.notifications[notification_id]
        if rule is not None and rule.fault == "doubled":
            self._agenda.after(0, lambda: self.repeat(notification, None))
        attempt = self._send(notification, rule)
        schedule = PUSH_RETRY_SECONDS if notification.kind == "push" else RETRY_SECONDS
        sendings = 1 + sum(each.error != "lost" for each in notification.attempts)
        if attempt.status in ACCEPTED:
            self._books.note_attempt(notification_id, attempt, state="delivered", next_at=None)
        elif sendings > len(schedule):
            self._books.note_attempt(notification_id, attempt, state="exhausted", next_at=None)
        else:
            due = self._clock.after(self._clock.wait(schedule[sendings - 1]))
            self.schedule(self._books.note_attempt(notification_id, attempt, state="pending", next_at=due))

    def _send(self, notification: Notification, rule: Rule | None) -> Attempt:
        url, headers, body = self._sealed(notification, rule)
        self._holds.stop(notification.kind, when="before", reference=notification.reference)
        at, started = self._clock.now(), time.monotonic()
        status, error = None, None
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(url, data=body, headers=headers, timeout=PATIENCE_SECONDS, allow_redirects=False)
            status = answer.status_code
        except requests.RequestException as failure:
            error = type(failure).__name__
        self._holds.stop(notification.kind, when="after", reference=notification.reference)
        attempt = Attempt(
            at=at,
            status=status,
            error=error,
            fault=rule.fault if rule else None,
            milliseconds=int((time.monotonic() - started) * 1000),
        )
        self._log.note("out", "POST", notification.url, status, reference=notification.reference, fault=attempt.fault)
        return attempt

    def _sealed(self, notification: Notification, rule: Rule | None) -> tuple[str, dict[str, str], bytes]:
        site = self._pushes.site
        if notification.kind == "push" and site is not None:
            return pushes.envelope(
                site,
                notification.resource,
                appid=self._keys.identity.miniprogram_appid,
                timestamp=int(self._clock.now().timestamp()),
                fault=rule.fault if rule else None,
            )
        body = orjson.dumps(self._envelope(notification, rule))
        headers = {
            "Content-Type": "application/json",
            "Accept": "*/*",
            "User-Agent": "Mozilla/4.0",
            "Request-ID": f"{secrets.token_hex(20).upper()}-0",
        }
        return notification.url, headers | self._signature(notification, body, rule), body

    def _envelope(self, notification: Notification, rule: Rule | None) -> dict[str, Any]:
        resource = _distort(notification.resource, rule)
        original_type = "transaction" if notification.kind == "payment" else "refund"
        return {
            "id": notification.id,
            "create_time": beijing(notification.created_at),
            "resource_type": "encrypt-resource",
            "event_type": notification.event_type,
            "summary": notification.summary,
            "resource": {"original_type": original_type}
            | signing.seal(self._keyring.choice.apiv3_key, orjson.dumps(resource), associated_data=original_type),
        }

    def _signature(self, notification: Notification, body: bytes, rule: Rule | None) -> dict[str, str]:
        fault = rule.fault if rule else None
        shift = {"old_timestamp": -301, "future_timestamp": 301}.get(fault or "", 0)
        signer = self._keyring.for_notification(notification.reference, len(notification.attempts))
        headers = signing.signature_headers(
            self._keys.stranger if fault == "wrong_key" else signer.key,
            serial=signer.serial,
            timestamp=int(self._clock.now().timestamp()) + shift,
            body=body,
        )
        if fault == "forged_signature":
            headers["Wechatpay-Signature"] = secrets.token_urlsafe(256)
        if fault == "signtest":
            headers["Wechatpay-Signature"] = "WECHATPAY/SIGNTEST/" + headers["Wechatpay-Signature"][19:]
        return headers


def new_notification(**values: Any) -> Notification:
    """Return a notification that has not been sent, with an id of WeChat's live form."""
    return Notification(id=str(uuid.uuid4()), **values)


def _distort(resource: dict[str, Any], rule: Rule | None) -> dict[str, Any]:
    """Return the resource as a fault would have it: false, although it will be truly signed."""
    told = copy.deepcopy(resource)
    match rule.fault if rule else None:
        case "wrong_amount" if rule is not None:
            key = "total" if "trade_state" in told else "refund"
            told["amount"][key] = int(rule.number("amount_fen", 1))
        case "wrong_currency":
            told["amount"]["currency"] = "USD"
        case "wrong_mchid":
            told["mchid"] = "1900000109"
        case "wrong_appid":
            told["appid"] = "wx0000000000000000"
        case "unknown_order":
            told["out_trade_no"] = f"unknown-{secrets.token_hex(8)}"
    return told
