"""Plans as a planner would make them, one for each golden file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loopwright.manifests.project import Envelope as StatedEnvelope
from loopwright.planning.change import Action, Change, Drift, DriftClass, Obstacle, Unknown
from loopwright.planning.plan import Caution, Header, Plan, Quiet, Selection
from loopwright.planning.totals import envelope, totals
from loopwright.providers.base import Estimate, FieldChange, Range
from loopwright.resources.address import Address

SUSPENDED = "suspended by 李 until 2026-12-01: 供应商故障"
CASES: dict[str, Callable[[], Plan]] = {}


def case(build: Callable[[], Plan]) -> Callable[[], Plan]:
    CASES[build.__name__.replace("_", "-")] = build
    return build


def change(address: str, action: Action, reason: str = "", **rest: Any) -> Change:
    return Change(Address.parse(address), action, reason=reason, **rest)


def at(*addresses: str) -> tuple[Address, ...]:
    return tuple(Address.parse(text) for text in addresses)


def header(**rest: Any) -> Header:
    stated: dict[str, Any] = {
        "environment": "prod",
        "lineage": "7f3a",
        "serial": 57,
        "manifests": "sha256:9f2c",
        "sources": ("flows",),
        "commit": "a1b2c3d",
        "refreshed_at": "2026-11-22T09:30:12Z",
        "observed": 14,
    }
    return Header(**(stated | rest))


def plan(*changes: Change, stated: StatedEnvelope | None = None, **rest: Any) -> Plan:
    """With totals and envelope as the planner sums them up."""
    rest.setdefault("header", header())
    sums = totals(changes)
    bounds = envelope(stated or StatedEnvelope(), sums, changes)
    return Plan(changes=changes, totals=sums, envelope=bounds, **rest)


@case
def first_flywheel() -> Plan:
    """Every action at once, as no real plan has it."""
    dataset, job = "Dataset/客服路由-sft", "FineTuneJob/客服路由"
    return plan(
        change(
            "Lake/智能客服",
            Action.CREATE,
            "new",
            provider="ark",
            desired={
                "provider": "Provider/ark",
                "bucket": "tos://客服-数据湖",
                "masterKey": {"env": "LAKE_KEY"},
                "retention": {"text": "90d", "metadata": "400d"},
            },
            origin="flows/数据湖.yaml:3",
        ),
        change(
            "Endpoint/客服-候选",
            Action.UPDATE,
            "rateLimit.rpm 600 -> 900 and 2 more",
            provider="ark",
            external_id="ep-20261101093012-x7k2p",
            fields=(
                FieldChange("rateLimit.rpm", 600, 900),
                FieldChange("rateLimit.tpm", 100_000, 200_000),
                FieldChange("description", "候选", "候选模型, 每周更新"),
            ),
            desired={"rateLimit": {"rpm": 900, "tpm": 200_000}, "running": True},
            origin="flows/endpoints.yaml:12",
        ),
        change(
            "Delivery/客服-生产",
            Action.ADOPT,
            "exists as dlv-88213 and bears our owner tag",
            external_id="dlv-88213",
            provider="ark",
        ),
        change(
            "EvalSuite/客服质量",
            Action.MOVE,
            "moved from EvalSuite/quality",
            moved_from=Address("EvalSuite", "quality"),
            in_world=False,
        ),
        change(
            dataset,
            Action.RUN,
            "+9,412 calls since v7",
            revision="v8",
            provider="ark",
            estimate=Estimate(
                rows=Range(10_000, 9_600, 10_000),
                population=Range.exact(48_213),
                tokens=Range(6_100_000, 5_800_000, 6_400_000),
                hours=Range(0.3, 0.2, 0.5),
                cost=Range.exact(0),
                currency="CNY",
                dropped={
                    "duplicate": Range.exact(812),
                    "too long": Range(40, 20, 90),
                    "error status": Range.exact(31),
                    "in an evaluation": Range.exact(12),
                    "schema": Range.exact(3),
                },
                new_calls=9_412,
                notes=("意图分布: 退款 31 % in the sample, 29 % in all",),
            ),
            desired={
                "provider": "Provider/ark",
                "source": {"lake": "Lake/智能客服"},
                "sampling": {"count": 10_000, "order": "random"},
            },
            origin="flows/datasets.yaml:4",
        ),
        change(
            "Export/每周备份",
            Action.RUN,
            "new",
            revision="v1",
            provider="ark",
            estimate=Estimate(rows=Range.exact(48_213), cost=Range.exact(0), currency="CNY"),
            manual_steps=("在控制台「数据湖 > 导出」中确认目标桶, then set status: done",),
        ),
        change(
            job,
            Action.RUN,
            f"{dataset} is about to change",
            stage=2,
            revision="v4",
            after=at(dataset),
            provider="ark",
            estimate=Estimate(
                rows=Range(10_000, 9_600, 10_000),
                tokens=Range(18_300_000, 17_400_000, 19_200_000),
                steps=Range(3_750, 3_600, 3_750),
                hours=Range(3.2, 2.4, 4.5),
                cost=Range(780, 610, 930),
                currency="CNY",
            ),
            desired={
                "base": "doubao-1.5-lite",
                "dataset": dataset,
                "hyperparameters": {"epochs": 3, "learningRate": 0.0002, "loraRank": 16},
            },
            origin="flows/tuning.yaml:1",
        ),
        change(
            "EvalRun/通用能力",
            Action.REUSE,
            "v2 is the same run",
            revision="v2",
            stage=2,
        ),
        change(
            "Endpoint/客服-候选2",
            Action.UPDATE,
            "model.fineTuneJob 9f2c1a7be001 -> (by FineTuneJob/客服路由, v4)",
            stage=3,
            after=at(job),
            provider="ark",
            fields=(FieldChange("model.fineTuneJob", "9f2c1a7be001", Unknown(job, "v4")),),
        ),
        change(
            "EvalRun/客服-候选",
            Action.RUN,
            "Endpoint/客服-候选2 is about to change",
            stage=4,
            revision="v4",
            after=at("Endpoint/客服-候选2"),
            provider="ark",
            estimate=Estimate(
                rows=Range.exact(400),
                tokens=Range(210_000, 180_000, 260_000),
                hours=Range(0.25, 0.2, 0.4),
                cost=Range(3.2, 2.8, 3.9),
                currency="CNY",
            ),
        ),
        change(
            "Endpoint/海外客服",
            Action.PROMOTE,
            "composite 84.2 >= 80; 6 capabilities compared with the incumbent",
            revision="v12",
            provider="ark",
            fields=(
                FieldChange(
                    "model", {"model": "Model/海外客服@11"}, {"model": "Model/海外客服@12"}
                ),
            ),
        ),
        change(
            "Endpoint/客服-生产",
            Action.GATED,
            "waits for EvalRun/客服-候选",
            obstacle=Obstacle.GATE,
            provider="ark",
            if_passed=f"model becomes the model by {job} if composite >= 80 and no capability "
            "falls by more than 1.5",
            if_refused="model stays as it is",
        ),
        change(
            "Dataset/退款-sft",
            Action.WAIT,
            "312 of 1,000 rows; new",
            obstacle=Obstacle.DATA,
            revision="v1",
            estimate=Estimate(rows=Range.exact(312), waiting="312 of 1,000 rows"),
        ),
        change(
            "FineTuneJob/退款",
            Action.WAIT,
            "waits for Dataset/退款-sft: 312 of 1,000 rows; new",
            obstacle=Obstacle.UPSTREAM,
        ),
        change(
            "BatchInference/夜间",
            Action.WAIT,
            "run since 2026-11-22T06:00:00Z",
            obstacle=Obstacle.RUNNING,
            revision="v3",
        ),
        change("Endpoint/知识库", Action.NOOP, SUSPENDED),
        *(change(f"Provider/p{number}", Action.NOOP) for number in range(5)),
        change(
            "CallImport/旧日志",
            Action.FORGET,
            "absent from the manifests (last in flows/imports.yaml:9); results kept",
            keeps_remote=True,
            in_world=False,
        ),
        change(
            "Endpoint/旧客服",
            Action.DELETE,
            "absent from the manifests (last in flows/endpoints.yaml:88)",
            external_id="ep-20250703111111-qqqqq",
            provider="ark",
            stage=2,
            desired={"provider": "Provider/ark", "model": {"base": "doubao-lite"}, "running": True},
        ),
        change(
            "Delivery/海外客服",
            Action.REPLACE,
            "endpoint Endpoint/eu -> Endpoint/海外客服",
            stage=2,
            external_id="dlv-10293",
            provider="ark",
            fields=(
                FieldChange("endpoint", "Endpoint/eu", "Endpoint/海外客服", forces_replace=True),
            ),
        ),
        quiet=(Quiet(Address("Endpoint", "知识库"), SUSPENDED),),
        drift=(
            Drift(
                Address("Endpoint", "客服-候选"),
                DriftClass.OUTSIDE,
                "rateLimit.rpm",
                600,
                1_200,
            ),
        ),
        cautions=(
            Caution(
                "FineTuneJob/客服路由",
                "the quota of SFT jobs is 1 and one is running",
                "ask for more in the console",
            ),
        ),
        stated=StatedEnvelope(cost=1000, hours=8),
    )


@case
def one_line_of_many() -> Plan:
    """Somebody edited `sampling.ratio` in a folder of a thousand resources."""
    dataset, job = "Dataset/support-router-sft", "FineTuneJob/support-router"
    return plan(
        *(change(f"Endpoint/tenant-{number:03}", Action.NOOP) for number in range(996)),
        change(
            dataset,
            Action.RUN,
            "sampling.ratio 0.2 -> 0.3",
            revision="v8",
            estimate=Estimate(
                rows=Range.exact(14_463),
                population=Range.exact(48_213),
                tokens=Range(8_800_000, 8_100_000, 9_600_000),
                cost=Range.exact(0),
                hours=Range.exact(0.02),
                currency="USD",
                dropped={"duplicate": Range.exact(34)},
            ),
        ),
        change(
            job,
            Action.RUN,
            f"{dataset} is about to change",
            stage=2,
            revision="v8",
            after=at(dataset),
            estimate=Estimate(
                rows=Range.exact(14_463),
                tokens=Range(26_400_000, 24_300_000, 28_800_000),
                hours=Range(1.4, 1.1, 2.0),
                cost=Range(12.5, 11.0, 14.4),
                currency="USD",
            ),
        ),
        change(
            "EvalRun/support-candidate",
            Action.RUN,
            "Endpoint/support-candidate is about to change",
            stage=3,
            revision="v8",
            after=at(job),
            estimate=Estimate(
                rows=Range.exact(400), hours=Range.exact(0.1), cost=Range.exact(0.2), currency="USD"
            ),
        ),
        change(
            "Endpoint/support-prod",
            Action.GATED,
            "waits for EvalRun/support-candidate",
            obstacle=Obstacle.GATE,
            if_passed=f"model becomes the model by {job} if composite >= 80",
            if_refused="model stays as it is",
        ),
        header=header(observed=1000, environment="staging"),
    )


@case
def replace_delete_protected() -> Plan:
    return plan(
        change(
            "Endpoint/chat-eu",
            Action.REPLACE,
            "type custom -> preset and 1 more",
            external_id="ep-20260101000000-aaaaa",
            provider="ark",
            fields=(
                FieldChange("type", "custom", "preset", forces_replace=True),
                FieldChange("model.upstream.apiKey", {"env": "OLD_KEY"}, {"env": "NEW_KEY"}),
            ),
            desired={"type": "preset", "running": True},
        ),
        change(
            "Endpoint/chat-prod",
            Action.REPLACE,
            "provider Provider/ark-cn -> Provider/ark-sg",
            obstacle=Obstacle.PROTECTED,
            external_id="ep-20260202000000-bbbbb",
            fields=(
                FieldChange("provider", "Provider/ark-cn", "Provider/ark-sg", forces_replace=True),
            ),
        ),
        change(
            "FineTuneJob/router",
            Action.RUN,
            "cost about 780 is over spec.budget.cost 200; hyperparameters.epochs 1 -> 6",
            obstacle=Obstacle.BUDGET,
            revision="v5",
            estimate=Estimate(rows=Range.exact(10_000), cost=Range(780, 610, 930), currency="CNY"),
        ),
        change(
            "Delivery/chat-old",
            Action.DELETE,
            "absent from the manifests (last in flows/chat.yaml:14)",
            external_id="dlv-5512",
            provider="ark",
            desired={
                "provider": "Provider/ark",
                "endpoint": "Endpoint/chat-old",
                "lake": "Lake/calls",
                "enabled": True,
                "captureRate": 1.0,
                "redaction": ["email", "phone"],
                "userId": "header:x-user",
                "failClosed": False,
            },
        ),
        change(
            "Lake/calls",
            Action.DELETE,
            "preventDestroy is set; absent from the manifests (last in flows/lake.yaml:1)",
            obstacle=Obstacle.PROTECTED,
            external_id="file:calls",
            provider="local",
            stage=2,
            desired={"path": "data/calls", "masterKey": {"env": "LAKE_KEY"}},
        ),
        *(change(f"Dataset/d{number}", Action.NOOP) for number in range(3)),
    )


@case
def drift_of_all_classes() -> Plan:
    endpoint = Address("Endpoint", "chat-prod")
    return plan(
        change(
            "Endpoint/chat-prod",
            Action.UPDATE,
            "changed outside; set back",
            fields=(FieldChange("rateLimit.rpm", 900, 600),),
            external_id="ep-20260202000000-bbbbb",
        ),
        change(
            "Delivery/chat-prod",
            Action.CREATE,
            "dlv-7001 is gone: deleted outside",
        ),
        change("Endpoint/chat-eu", Action.NOOP),
        change("Dataset/router-sft", Action.NOOP),
        drift=(
            Drift(endpoint, DriftClass.OUTSIDE, "rateLimit.rpm", 600, 900),
            Drift(endpoint, DriftClass.DEFAULT, "moderation", None, "standard"),
            Drift(endpoint, DriftClass.ACCEPTED, "description", "", "值班: 王", "until 2026-12-01"),
            Drift(endpoint, DriftClass.IGNORED, "rateLimit.tpm", 100_000, 80_000),
            Drift(Address("Delivery", "chat-prod"), DriftClass.GONE, before="dlv-7001"),
            Drift(Address("Endpoint", "chat-eu"), DriftClass.STATUS, note="Stopped: 账户欠费"),
            Drift(
                Address("Dataset", "router-sft"),
                DriftClass.SETTLING,
                note="created 2026-11-22T09:29:40Z, may take 600 s to show",
            ),
        ),
    )


@case
def nothing_to_do() -> Plan:
    return plan(*(change(f"Endpoint/e{number}", Action.NOOP) for number in range(14)))


@case
def destroy() -> Plan:
    why = "destroy"
    return plan(
        change(
            "Delivery/chat",
            Action.DELETE,
            why,
            external_id="dlv-1",
            provider="local",
            desired={"endpoint": "Endpoint/chat", "lake": "Lake/calls"},
        ),
        change(
            "EvalRun/chat",
            Action.FORGET,
            f"{why}; results kept",
            keeps_remote=True,
            in_world=False,
        ),
        change(
            "Endpoint/chat",
            Action.DELETE,
            why,
            stage=2,
            after=at("Delivery/chat", "EvalRun/chat"),
            external_id="ep-1",
            provider="local",
            desired={"model": {"base": "builtin:tiny-chat"}, "running": True},
        ),
        change(
            "Lake/calls",
            Action.FORGET,
            f"{why}; kept (deletionPolicy retain)",
            stage=3,
            after=at("Delivery/chat"),
            keeps_remote=True,
            in_world=False,
        ),
        header=header(environment="dev", commit="", observed=3),
        selection=Selection(destroy=True),
    )
