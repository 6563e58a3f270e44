"""Exchanges with tools: a question, the calls the model made, their results, its answer.

Every step the model took is a recorded call of its own, with all that was said before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import phrases_en
import phrases_zh
from dice import Dice
from recorded import DAY, Call, Message, moment

PROMPTS = {
    "en": "You look after orders of Lanhai Devices. Use the tools; never guess an order's state.",
    "zh": "你负责蓝海智能的订单服务。请使用工具查询，不要猜测订单状态。",
}
SLOTS = {"en": phrases_en.SLOTS, "zh": phrases_zh.SLOTS}
KINDS = {"order": 34, "refund": 26, "repair": 24, "compare": 16}
STATES = ("packed", "shipped", "in customs", "out for delivery", "at the pick-up point")
STATES_ZH = dict(zip(STATES, ("已打包", "运输中", "清关中", "派送中", "在自提点"), strict=True))
REASONS = ("too loud", "defective", "the wrong colour", "too big")
REASONS_ZH = dict(zip(REASONS, ("太吵", "有质量问题", "颜色发错", "太大"), strict=True))
TIMES = ("09:30", "11:00", "14:00", "16:30")


def _tool(name: str, description: str, **fields: str) -> dict[str, Any]:
    properties = {field: {"type": kind} for field, kind in fields.items()}
    parameters = {"type": "object", "properties": properties, "required": list(fields)}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


TOOLS = (
    _tool("lookup_order", "State and amount of one order.", order_id="string"),
    _tool("request_refund", "Refund an order.", order_id="string", reason="string"),
    _tool("book_repair", "Book a repair visit.", product="string", date="string", time="string"),
)

# Per kind and language: what the customer asks, and what the assistant says at the end.
SAID = {
    ("order", "en"): (
        (
            "(Where is|What happened to|Any news on) (my order|order) {order}?",
            "(Hi, |Hello, |)has {order} (shipped yet|left the warehouse)?",
            "I am waiting for my {product}, order {order}.",
        ),
        (
            "Order {order} is {state}(; it should reach you by|, expected) {date}.",
            "(It is|Your {product} is) {state} right now, expected {date}.",
        ),
    ),
    ("refund", "en"): (
        (
            "(Please refund|Refund wanted for) {order}, {product}, (reason:|it is) {reason}.",
            "(Money back for|Refund) {order} please, reason: {reason}.",
        ),
        (
            "Done: {paid} for order {order} (goes back|is on its way back) to your card, (three "
            "to five|about five) working days.",
        ),
    ),
    ("repair", "en"): (
        (
            "(Can somebody|Could a technician) look at my {product} on {date} (around|at) {time}?",
            "I need a repair (visit|appointment) for the {product}, {date}, {time}.",
        ),
        (
            "(Booked|All set): a technician (comes|will come) on {date} at {time} for your "
            "{product}. (Please keep|Keep) it plugged in.",
        ),
    ),
    ("compare", "en"): (
        (
            "I have two orders, {order} and {other}. Which one (comes|arrives) first?",
            "(Status|State) of {order} and {other}(, please.|?)",
        ),
        ("{order} is {state} (expected {date}), {other} is {state2} (expected {date2}).",),
    ),
    ("order", "zh"): (
        ("订单{order}(到哪了|什么时候到|发货了吗)？", "(你好，|)查一下{order}，买的{product}。"),
        ("订单{order}{state}，预计{date}送达。", "您的{product}{state}，预计{date}到。"),
    ),
    ("refund", "zh"): (
        ("(请给|我要给)订单{order}退款，{product}{reason}。", "{order}申请退款，原因：{reason}。"),
        ("已为订单{order}退款{paid}，(三到五|约五)个工作日到账。",),
    ),
    ("repair", "zh"): (
        ("(想约|预约){date} {time}上门维修{product}。", "{product}坏了，{date} {time}能来修吗？"),
        ("已预约{date} {time}上门维修{product}，请保持设备通电。",),
    ),
    ("compare", "zh"): (
        ("我有两个订单{order}和{other}，哪个先到？", "(帮我查|查一下){order}和{other}的状态。"),
        ("{order}{state}，预计{date}；{other}{state2}，预计{date2}。",),
    ),
}


def write_exchange(dice: Dice, language: str, user: str) -> Iterator[Call]:
    """The calls of one exchange: one or two rounds of tools, then the answer."""
    kind = dice.weighted(KINDS)
    at, session = moment(dice, language), f"s-{dice.hex(10)}"
    facts = _facts(dice, language, at)
    asked, answered = SAID[kind, language]
    history: list[Message] = [
        {"role": "system", "content": PROMPTS[language]},
        {"role": "user", "content": dice.expand(dice.pick(asked), {}, facts)},
    ]

    def answer(reply: Message, finish: str) -> Call:
        return Call(
            endpoint="order-tools",
            model="teacher-large",
            served_by="teacher-large",
            messages=tuple(history),
            reply=reply,
            at=at,
            user=user,
            session=session,
            tools=TOOLS,
            finish=finish,
            params={"temperature": 0, "parallel_tool_calls": True},
        )

    for round_ in _rounds(kind, facts):
        calls = [_call(dice, name, arguments) for name, arguments, _ in round_]
        reply: Message = {"role": "assistant", "content": None, "tool_calls": calls}
        yield answer(reply, "tool_calls")
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": _compact(result)}
            for call, (_, _, result) in zip(calls, round_, strict=True)
        ]
        history += [reply, *results]
        at += 1 + dice.below(4)
    said = dice.expand(dice.pick(answered), {}, facts)
    yield answer({"role": "assistant", "content": said}, "stop")


def _facts(dice: Dice, language: str, at: int) -> dict[str, str]:
    """What the texts, the arguments and the results of one exchange agree on."""
    facts: dict[str, str] = {}
    slots = SLOTS[language] | {"other": "LH-######"}
    dice.expand("{product}{order}{other}", slots, facts)
    states, reason = (dice.pick(STATES), dice.pick(STATES)), dice.pick(REASONS)
    chinese = language == "zh"
    amount = f"{20 + dice.below(400)}.{dice.pick(('00', '50', '90'))}"
    return facts | {
        "state_id": states[0],
        "state": STATES_ZH[states[0]] if chinese else states[0],
        "state2_id": states[1],
        "state2": STATES_ZH[states[1]] if chinese else states[1],
        "reason": REASONS_ZH[reason] if chinese else reason,
        "date": _date(at + (1 + dice.below(6)) * DAY),
        "date2": _date(at + (1 + dice.below(6)) * DAY),
        "time": dice.pick(TIMES),
        "amount": amount,
        "paid": f"{amount}元" if chinese else f"${amount}",
    }


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, tz=UTC).date().isoformat()


Step = tuple[str, dict[str, str], dict[str, str]]


def _rounds(kind: str, facts: dict[str, str]) -> list[list[Step]]:
    """Rounds of (tool, arguments, result); two in one round were called in parallel."""
    order = facts["order"]
    look: Step = (
        "lookup_order",
        {"order_id": order},
        {"state": facts["state_id"], "expected": facts["date"], "amount": facts["amount"]},
    )
    other: Step = (
        "lookup_order",
        {"order_id": facts["other"]},
        {"state": facts["state2_id"], "expected": facts["date2"]},
    )
    refund: Step = (
        "request_refund",
        {"order_id": order, "reason": facts["reason"]},
        {"status": "accepted", "amount": facts["amount"]},
    )
    visit = {"product": facts["product"], "date": facts["date"], "time": facts["time"]}
    repair: Step = ("book_repair", visit, {"status": "booked"})
    rounds = {
        "order": [[look]],
        "refund": [[look], [refund]],
        "repair": [[repair]],
        "compare": [[look, other]],
    }
    return rounds[kind]


def _call(dice: Dice, name: str, arguments: dict[str, str]) -> dict[str, Any]:
    function = {"name": name, "arguments": _compact(arguments)}
    return {"id": f"call_{dice.hex(8)}", "type": "function", "function": function}


def _compact(value: dict[str, str]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
