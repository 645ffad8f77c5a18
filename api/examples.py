"""Examples of every body and every answer, shown in the documentation of the interface and checked by tests."""

from typing import Any

from api.schemas import NEW_COMPLAINT

NUMBER = "2608034711004"
INCIDENT_NUMBER = "i26080347119"
NOON = "2026-08-03T04:00:00Z"

INCIDENT: dict[str, Any] = {
    "number": INCIDENT_NUMBER,
    "title": "Salt tide 咸潮",
    "state": "confirmed",
    "services": ["water_quality"],
    "districts": ["west", "south"],
    "since": "2026-08-03T02:00:00Z",
    "opened_at": NOON,
    "opened_by": "system",
    "follow_up_percent": 100,
    "version": 2,
    "department": None,
    "assignee": None,
    "expected_at": None,
    "news": None,
    "result": None,
    "reply": None,
    "into": None,
    "closed_at": None,
    "cases": 42,
    "cases_by_state": {"registered": 40, "dispatched": 2},
    "available_actions": ["dismiss", "merge", "dispatch", "inform", "resolve"],
    "links": {
        "self": f"/v1/incidents/{INCIDENT_NUMBER}",
        "timeline": f"/v1/incidents/{INCIDENT_NUMBER}/timeline",
        "complaints": f"/v1/complaints?incident={INCIDENT_NUMBER}",
        "actions": f"/v1/incidents/{INCIDENT_NUMBER}/actions/{{action}}",
    },
}

INCIDENT_EVENT: dict[str, Any] = {
    "seq": 1,
    "at": NOON,
    "actor": "system",
    "role": "system",
    "action": "suspect",
    "from": None,
    "to": "suspected",
    "data": {
        "title": "water_quality · west",
        "scope": {"services": ["water_quality"], "districts": ["west"]},
        "since": "2026-08-03T02:00:00Z",
        "calls": 11,
    },
}

COMPLAINT: dict[str, Any] = {
    "number": NUMBER,
    "state": "dispatched",
    "service_code": "no_water",
    "priority": "P2",
    "owner": "陈静",
    "department": "repair",
    "assignee": None,
    "cycle": 1,
    "version": 2,
    "flags": ["hardship"],
    "incident": None,
    "possible_duplicates": [],
    "sla": "on_time",
    "overdue": False,
    "channel": "phone",
    "caller": NEW_COMPLAINT["caller"],
    "location": NEW_COMPLAINT["location"],
    "description": NEW_COMPLAINT["description"],
    "registered_at": NOON,
    "closed_at": None,
    "reopen_ends_at": None,
    "wake_at": None,
    "next_due_at": "2026-08-03T04:11:00Z",
    "follow_up_attempts": 0,
    "answered_cycles": [],
    "approval": None,
    "decisions": [],
    "extension": None,
    "parts": [],
    "catalogue_change": None,
    "credits": [],
    "currency": "CNY",
    "clocks": [
        {
            "name": "acknowledge",
            "cycle": 1,
            "status": "running",
            "calendar": "always",
            "budget_seconds": 600.0,
            "elapsed_seconds": 0.0,
            "remaining_seconds": 600.0,
            "started_at": "2026-08-03T04:01:00Z",
            "due_at": "2026-08-03T04:11:00Z",
            "missed_at": None,
            "stopped_at": None,
            "paused": False,
            "part": 0,
        }
    ],
    "available_actions": ["withdraw", "comment", "urge"],
    "links": {
        "self": f"/v1/complaints/{NUMBER}",
        "timeline": f"/v1/complaints/{NUMBER}/timeline",
        "notices": f"/v1/complaints/{NUMBER}/notices",
        "caller": f"/v1/complaints/{NUMBER}/caller",
        "actions": f"/v1/complaints/{NUMBER}/actions/{{action}}",
    },
}

REGISTERED: dict[str, Any] = {
    **COMPLAINT,
    "state": "registered",
    "department": None,
    "version": 1,
    "next_due_at": None,
    "clocks": [],
    "available_actions": ["answer", "dispatch", "withdraw", "comment", "urge"],
}

TIMELINE_ITEM: dict[str, Any] = {
    "seq": 2,
    "at": "2026-08-03T04:01:00Z",
    "actor": "陈静",
    "role": "agent",
    "action": "dispatch",
    "from": "registered",
    "to": "dispatched",
    "cycle": 1,
    "data": {"department": "repair"},
}

CALLER: dict[str, Any] = {
    "customer": {
        "account_no": "0420013",
        "name": "李婆婆",
        "phone": "0760 8823 7777",
        "address": "下闸新村 3 号",
        "district": "west",
        "meter": "M-05-1187",
        "customer_class": "household",
        "hardship": True,
        "hardship_grounds": "Public relief 低保",
        "free_allowance_m3": "6.00",
        "notes": "Lives alone; speak slowly. 独居，请慢慢说。",
    },
    "earlier_cases": [
        {
            "number": "2602169021484",
            "service_code": "thanks",
            "state": "closed",
            "flags": ["hardship"],
            "registered_at": "2026-02-16T02:00:00Z",
            "closed_at": "2026-02-16T02:04:00Z",
            "description": "A happy New Year to the young man of the repair crew. 给师傅拜年。",
        }
    ],
    "thanks": [
        {
            "number": "2602169021484",
            "at": "2026-02-16T02:00:00Z",
            "thanked": "梁伟",
            "message": "A happy New Year to the young man of the repair crew. 给师傅拜年。",
        }
    ],
}

SERVICES: dict[str, Any] = {
    "items": [
        {
            "service_code": "no_water",
            "name": "No water",
            "name_zh": "停水",
            "group": "repair",
            "department": "repair",
            "priority": "P2",
            "answer_needs_follow_up": True,
            "needs_approval": False,
            "clocks": [{"name": "arrive", "calendar": "always", "budget_seconds": 7200, "starts": "dispatch"}],
            "credits": [],
        }
    ],
    "currency": "CNY",
    "next_cursor": None,
    "departments": [{"code": "repair", "name": "Repair crews", "name_zh": "抢修"}],
    "districts": [{"code": "west", "name": "West District", "name_zh": "西区"}],
    "groups": [{"code": "repair", "name": "Repair request", "name_zh": "报修"}],
    "findings": [],
}

LIFECYCLE: dict[str, Any] = {
    "states": [{"code": "registered", "name_zh": "已受理"}, {"code": "dispatched", "name_zh": "待签收"}],
    "roles": [{"code": "dispatcher", "name_zh": "派单员"}],
    "actions": [
        {
            "action": "dispatch",
            "name_zh": "派单",
            "description": "Handed to a department; before it is signed for, to another one (改派).",
            "roles": ["agent", "dispatcher"],
            "from": ["registered", "dispatched", "pending_redispatch"],
            "to": ["dispatched"],
            "offered": True,
        }
    ],
    "mermaid": "stateDiagram-v2\n    registered --> dispatched: 派单 dispatch\n",
}

READINESS: dict[str, Any] = {
    "status": "ready",
    "temporal": {"ok": True, "detail": "answers"},
    "sql": {"ok": True, "detail": "answers"},
    "worker": {"ok": True, "detail": "asked for tasks 12 s ago"},
    "calendar": {"ok": True, "detail": "the holidays are known"},
    "catalogue": {"ok": True, "detail": "Zhongshan water supply hotline (5b0c1f4c20ee) is in force"},
}
NOT_READY: dict[str, Any] = {
    **READINESS,
    "status": "unavailable",
    "temporal": {"ok": False, "detail": "does not answer"},
    "worker": {"ok": False, "detail": "no worker asks for tasks"},
}
METRICS = 'hotline_http_requests_total{method="POST",route="/v1/complaints",status="201"} 42.0\n'

LETTER: dict[str, Any] = {
    "key": f"{NUMBER}-7-supervisor",
    "number": NUMBER,
    "recipient": "supervisor",
    "kind": "escalate",
    "text_zh": f"工单{NUMBER}:到场时限已超时(100%)",
    "text_en": f"Case {NUMBER}: the arrive promise is missed (100 % of its time used)",
    "error": "duty_mail: no answer within 20 s",
    "created_at": NOON,
    "dead_at": "2026-08-03T04:08:30Z",
}

PART: dict[str, Any] = {
    "serial": 1,
    "cycle": 1,
    "department": "customer_service",
    "task": "Find out what is owed, and why.",
    "state": "in_progress",
    "assignee": "邓燕",
    "involved_at": "2026-08-03T04:20:00Z",
    "result": None,
    "version": 5,
    "number": NUMBER,
    "case_state": "in_progress",
    "service_code": "no_water",
    "priority": "P2",
    "district": "west",
    "owner": "陈静",
    "links": COMPLAINT["links"],
}

NOTICE: dict[str, Any] = {
    "seq": 9,
    "at": "2026-08-05T04:00:00Z",
    "cycle": 1,
    "kind": "notice",
    "title": "notice of urging",
    "title_zh": "催办通知书",
    "due_at": "2026-08-04T04:00:00Z",
    "departments": ["repair"],
    "links": {
        "self": f"/v1/complaints/{NUMBER}/notices/9",
        "complaint": f"/v1/complaints/{NUMBER}",
    },
}

ANSWERS: dict[str, Any] = {
    "complaint": COMPLAINT,
    "registered": REGISTERED,
    "complaints": {"items": [COMPLAINT], "next_cursor": "MTc4NTczNjgwMDAwMDAwMCAyNjA4MDM0NzExMDAz"},
    "link": {
        "url": "https://hotline.example.com/c/WyIyNjA4MDM0NzExMDAzIiwxLDE3ODU3MzY4MDBd.c2lnbmVk",
        "expires_at": "2026-08-17T04:00:00Z",
    },
    "money": {
        "month": "2026-08",
        "items": [{"kind": "funded_repair", "currency": "CNY", "approved": True, "times": 1, "amount": "860.00"}],
        "currency": "CNY",
        "approved_amount": "860.00",
    },
    "thanks": {
        "month": "2026-02",
        "items": [{"thanked": "梁伟", "times": 1, "thanks": CALLER["thanks"]}],
    },
    "incident": INCIDENT,
    "incidents": {"items": [INCIDENT | {"cases": 0, "cases_by_state": {}}], "next_cursor": None},
    "incident_timeline": {"items": [INCIDENT_EVENT], "next_cursor": None},
    "notices": {"items": [NOTICE], "next_cursor": None},
    "parts": {"items": [PART], "next_cursor": None},
    "timeline": {"items": [TIMELINE_ITEM], "next_cursor": None},
    "caller": CALLER,
    "letters": {"items": [LETTER], "next_cursor": None},
    "resent": {"key": LETTER["key"], "status": "due"},
    "services": SERVICES,
    "lifecycle": LIFECYCLE,
    "alive": {"status": "alive"},
    "ready": READINESS,
    "not_ready": NOT_READY,
}
"""The documented answers, by the name that operations refer to them by."""
