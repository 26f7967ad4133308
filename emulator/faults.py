"""What goes wrong by order: rules that the control plane lays down and the other side of the desk draws from.

A rule strikes its next N chances, or each chance with a probability. The dice are a function of the seed, the rule, the
place, the number and how many chances that one had before, so that a run repeats whatever its threads do.
"""

import hashlib
import itertools
import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any

# At a call of the merchant's, `when` before or after it took effect.
CALL_FAULTS = {
    "error": "answer `status` (500 by default) with `code` (SYSTEM_ERROR by default)",
    "limited": "answer 429 FREQUENCY_LIMITED",
    "timeout": "hang `seconds` (30 by default), then drop the connection",
    "reset": "reset the connection without an answer",
    "slow": "answer `seconds` (2 by default) late",
    "forged_response": "answer 2xx, signed with a key that nobody knows (always after)",
}
# At one sending of a notification.
NOTIFICATION_FAULTS = {
    "lost": "never arrives, and is not sent again",
    "late": "sent `seconds` later (60 by default)",
    "reordered": "sent after the next one, or `seconds` (60 by default) later when there is none",
    "doubled": "sent twice at the same moment",
    "forged_signature": "signature of random bytes",
    "wrong_key": "signed with a key that nobody knows",
    "signtest": "signature starting with WECHATPAY/SIGNTEST/, WeChat's own probe",
    "old_timestamp": "well signed, 301 seconds ago",
    "future_timestamp": "well signed, 301 seconds ahead",
    "wrong_amount": "well signed, another amount (`amount_fen`, 1 by default)",
    "wrong_currency": "well signed, currency USD",
    "wrong_mchid": "well signed, another merchant",
    "wrong_appid": "well signed, another account",
    "unknown_order": "well signed, for a number that the merchant never gave",
}
# In the course of the money.
MONEY_FAULTS = {
    "notify_first": "on prepay: the payer pays and the notification is delivered before prepay is answered",
    "pay_after_close": "on close: answered 204, and then the payer pays after all",
    "refund_abnormal": "on refund: ends ABNORMAL",
    "refund_closed": "on refund: ends CLOSED",
    "refund_delay": "on refund: settles after `seconds`",
}
# In a bill, which is drawn anew whenever its address is asked for.
BILL_FAULTS = {
    "bill_creating": "answer 400 STATEMENT_CREATING",
    "wrong_hash": "tell a hash that is not the file's",
    "foreign_url": "tell an address (`url`) that is not WeChat's",
    "row_missing": "leave a row out",
    "row_doubled": "write a row twice",
    "row_amount": "write another amount (`amount_fen`, 1 by default)",
}
# In the course of profit sharing.
SHARING_FAULTS = {
    "sharing_closed": "on sharing: the next receiver gets nothing, for `reason` (ACCOUNT_ABNORMAL by default)",
    "sharing_return_failed": "on sharing_return: fails, for `reason` (BALANCE_NOT_ENOUGH by default)",
}
# At a call to the account APIs, whose own errors are all HTTP 200.
ACCOUNT_FAULTS = {
    "errcode": "answer `errcode` (-1, system busy, by default) and do nothing",
    "api_error": "answer HTTP `status` (502 by default), before or after it took effect",
    "api_timeout": "hang `seconds` (30 by default), then drop the connection",
    "api_reset": "reset the connection without an answer",
    "api_slow": "answer `seconds` (2 by default) late",
}
ALL = CALL_FAULTS | NOTIFICATION_FAULTS | MONEY_FAULTS | BILL_FAULTS | SHARING_FAULTS | ACCOUNT_FAULTS


@dataclass(kw_only=True)
class Rule:
    """One order for trouble: the fault, where (`on`), for whom (`match`, a merchant number), how often."""

    id: int
    fault: str
    on: str = "any"
    when: str = "before"
    match: str | None = None
    times: int | None = 1
    probability: float | None = None
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    struck: int = 0

    def number(self, name: str, default: float) -> float:
        """Return a numeric option of the rule."""
        return float(self.options.get(name, default))


class Faults:
    """The rules in force."""

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._ids = itertools.count(1)
        self._seed = seed
        self._chances: Counter[str] = Counter()

    def add(self, **values: Any) -> Rule:
        """Lay down a rule; refuses (ValueError) a fault that does not exist. A probability without times never ends."""
        if values.get("fault") not in ALL:
            raise ValueError(f"no such fault: {values.get('fault')}")
        if values.get("probability") is not None:
            values.setdefault("times", None)
            values.setdefault("seed", self._seed)
        if values["fault"] == "forged_response":
            values["when"] = "after"
        rule = Rule(id=next(self._ids), **values)
        with self._lock:
            self._rules.append(rule)
        return rule

    def draw(
        self, faults: Collection[str], *, on: str, reference: str | None = None, when: str = "before"
    ) -> Rule | None:
        """Return the first rule that strikes this chance, counting it, or None."""
        with self._lock:
            for rule in self._rules:
                meant = rule.fault in faults and rule.on in ("any", on) and rule.when == when
                if not meant or rule.match not in (None, reference) or rule.times == 0:
                    continue
                if rule.probability is not None and self._dice(rule, on, reference) >= rule.probability:
                    continue
                rule.times = None if rule.times is None else rule.times - 1
                rule.struck += 1
                return rule
        return None

    def _dice(self, rule: Rule, on: str, reference: str | None) -> float:
        place = f"{rule.seed} {rule.fault} {rule.when} {on} {reference}"
        chance = self._chances[place] = self._chances[place] + 1
        return int.from_bytes(hashlib.blake2b(f"{place} {chance}".encode(), digest_size=4).digest()) / 2**32

    def clear(self) -> None:
        """Lift every rule."""
        with self._lock:
            self._rules.clear()
            self._chances.clear()

    def listing(self) -> list[dict[str, Any]]:
        """Return the rules with how often each has struck."""
        with self._lock:
            return [asdict(rule) for rule in self._rules]
