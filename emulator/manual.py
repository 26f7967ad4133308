"""What the control plane can be asked for, in words: its calls and every fault by the place where it strikes."""

from emulator import faults

CALLS = {
    "GET /_control": "this page",
    "POST /_control/pay": "{out_trade_no | prepay_id, person?, payer_total?, force?, wait?}: the payer pays; force = "
    "although closed or expired; wait = answer after the notification's first sending came back",
    "POST /_control/cancel": "{out_trade_no | prepay_id}: the payer turns back at the sheet",
    "GET, POST, DELETE /_control/faults": "{fault, on?, when?, match?, times? | probability?, options?}: a rule",
    "POST /_control/storms": "{rate, seed?, only?: [fault], spare?: [fault], seconds?: {fault: seconds}}: every fault "
    "at one rate, but for rows of bills",
    "GET, POST, DELETE /_control/holds": "{on, when?: before | after, match?, times?}: let the next such call or "
    "sending (payment, refund, push) stand still",
    "GET, POST /_control/holds/{id}": "?seconds=: wait until it has caught somebody; {then?: continue | reset}: let go",
    "GET, POST /_control/clock": "{offset_seconds?, speed?}: move WeChat's time, shorten its waits; what is due by "
    "then of shipping happens",
    "POST /_control/redeliver": "{out_trade_no | out_refund_no, fault?, options?, times?, parallel?, event_type?}: "
    "send a notification again now",
    "DELETE /_control/notifications": "send nothing more of what is still to be sent",
    "POST /_control/settle": "{out_refund_no, outcome?}: bring a waiting refund to its outcome now, or to "
    "SUCCESS, ABNORMAL or CLOSED",
    "POST /_control/js_codes": "{person}: a wx.login code of the mini-program",
    "POST /_control/phone_codes": "{person}: a getPhoneNumber code of the mini-program",
    "POST /_control/oauth_codes": "{person, scope?}: a code of the official account, without a browser",
    "GET /_control/people/{person}": "the openids and the unionid of a person",
    "POST /_control/subscriptions": "{person, template_id, times?}: the person allows subscribe messages",
    "POST /_control/templates": "{template_id, keys: [thing1, …]}: a template exists, and from then on only such do",
    "DELETE /_control/tokens": "invalidate every access token",
    "GET /_control/books": "all orders, refunds, notifications, messages and their totals: the independent truth",
    "GET /_control/books/{out_trade_no}": "one order with its refunds and notifications",
    "GET, POST /_control/terms": "{fee_bp?, fee_places?, refund_gap_seconds?, bill_bom?, bill_newline?, "
    "bill_hash_over?, bill_wide_brackets?, empty_bill_status?}: what was agreed on, and the forms that bills take",
    "POST /_control/fabrications": "{day, payments, refunds?, seed?, fee_bp?}: let that day's bills be of so many rows "
    "that never were, always the same",
    "GET /_control/bookings/{day}": "what that day's trade bill is made of, one JSON object a line",
    "GET, POST /_control/keys": "{kind: public_key | certificate}: make one more key of WeChat's and show its PEM",
    "POST /_control/keys/use": "{answers?: serial, notifications?: {serial: share}, apiv3_key?}: what WeChat signs "
    "with when a request names no key, with what shares notifications are signed, and what they are sealed with",
    "GET, POST /_control/push": "{url, token, aes_key, form?: json | xml}: where the mini-program's server listens",
    "POST /_control/receipts": "{out_trade_no}: the payer confirms the receipt of what was shipped",
    "GET /_control/log": "?limit=: the last exchanges on the wire",
}
FAULTS = {
    "at a call of the merchant's (on: prepay, query, close, refund, refund_query, "
    "abnormal_refund, tradebill, fundflowbill, bill_download, certificates, sharing…; when: before, after)": (
        faults.CALL_FAULTS
    ),
    "at the sending of a notification (on: payment, refund)": faults.NOTIFICATION_FAULTS,
    "in the course of the money": faults.MONEY_FAULTS,
    "in a bill (on: tradebill, fundflowbill; match: a row's number)": faults.BILL_FAULTS,
    "in profit sharing": faults.SHARING_FAULTS,
    "at a call of the account APIs (on: the last part of its path)": faults.ACCOUNT_FAULTS,
}
