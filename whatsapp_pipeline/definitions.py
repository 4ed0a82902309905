"""The Dagster definitions: assets, checks, jobs, schedules, sensors and resources in one place.

What belongs here: combining the parts. What does not: the parts (assets/, checks/, automation/, resources/).
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from whatsapp_pipeline import settings
from whatsapp_pipeline.assets import chats, contacts, conversations, links, operations, summaries
from whatsapp_pipeline.assets.code_references import with_code_references
from whatsapp_pipeline.assets.overview import overview
from whatsapp_pipeline.automation import (
    alert_sensor,
    archive_folder,
    live_summaries,
    rereading,
    schedules,
    webhook,
)
from whatsapp_pipeline.automation import operations as upkeep
from whatsapp_pipeline.checks import chats as chat_checks
from whatsapp_pipeline.checks import contacts as contact_checks
from whatsapp_pipeline.checks import conversations as conversation_checks
from whatsapp_pipeline.checks import links as link_checks
from whatsapp_pipeline.checks import operations as operation_checks
from whatsapp_pipeline.checks import qa
from whatsapp_pipeline.checks import summaries as summary_checks
from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.resources import table_frames
from whatsapp_pipeline.resources.asset_values import PipelineDefinitions
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.rule_book import RuleBook
from whatsapp_pipeline.resources.sources import Archive, Erp
from whatsapp_pipeline.resources.webhook_inbox import WebhookInbox
from whatsapp_pipeline.steps.operations.current_code import refuse_other_code

QA_CHECKS = [
    *contact_checks.CHECKS,
    *chat_checks.CHECKS,
    *link_checks.CHECKS,
    *summary_checks.CHECKS,
    *conversation_checks.CHECKS,
    *operation_checks.CHECKS,
]


def rule_book(*, with_erp: bool | None = None) -> RuleBook:
    """Return the rules of the checks that the code location has. `with_erp` is as for `build_defs`."""
    return RuleBook([check.declared for check in chosen_checks(with_erp=with_erp)])


def build_defs(
    resource_overrides: Mapping[str, object] | None = None, *, with_erp: bool | None = None
) -> PipelineDefinitions:
    """Build the code location. Tests and the command line replace some of its resources.

    Args:
        resource_overrides: Resources by name that replace those of the settings.
        with_erp: If true, tiny_contacts and tiny_orders are part of the graph. With None, they are part of it
            if the settings or `resource_overrides` name an ERP.

    Raises:
        PipelineError: Several hosts use the database, and its code or schema is not that of this process.
    """
    overrides = dict(resource_overrides or {})
    configured = settings.load_settings()
    if configured.several_hosts and configured.database_url:
        # The definitions can be loaded without a database, for example while an image is built.
        refuse_other_code(pipeline_url(configured), configured, needs_answer=False)
    if with_erp is None:
        with_erp = "erp" in overrides or configured.erp_source is not None
    return PipelineDefinitions(
        assets=with_code_references(_build_assets(with_erp=with_erp), configured.code_url),
        asset_checks=_build_checks(with_erp=with_erp),
        jobs=[*schedules.JOBS, *webhook.JOBS, *live_summaries.JOBS, *upkeep.JOBS],
        schedules=[*schedules.SCHEDULES, *webhook.SCHEDULES, *upkeep.SCHEDULES],
        sensors=_sensors(several_hosts=configured.several_hosts),
        resources=_build_resources(overrides, with_erp=with_erp),
        metadata=overview(configured),
        # One process per run, because starting another process costs more than most steps.
        executor=dg.in_process_executor,
    )


def _build_resources(overrides: Mapping[str, object], *, with_erp: bool) -> dict[str, object]:
    """Return the resources by name. The resources that use a database get the one in `overrides`."""
    database = overrides.get("database", Database())
    assert isinstance(database, Database)  # every other resource may be any object with its methods
    return {
        "database": database,
        "archive": Archive(),
        "erp": Erp(),
        "webhook_inbox": WebhookInbox(database=database),
        "rule_book": rule_book(with_erp=with_erp),
        table_frames.KEY: table_frames.TableFrames(database=database),
        **overrides,
    }


def _build_assets(*, with_erp: bool) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Return the assets in the order of the data flow."""
    return [
        *contacts.build_contact_assets(with_erp=with_erp),
        *chats.ASSETS,
        *links.build_link_assets(with_erp=with_erp),
        *conversations.ASSETS,
        *summaries.ASSETS,
        *operations.ASSETS,
    ]


def _sensors(*, several_hosts: bool) -> list[dg.SensorDefinition]:
    return [
        *schedules.SENSORS,
        *archive_folder.SENSORS,
        *rereading.SENSORS,
        *webhook.SENSORS,
        *live_summaries.SENSORS,
        *alert_sensor.SENSORS,
        *(upkeep.SENSORS if several_hosts else ()),
    ]


def chosen_checks(*, with_erp: bool | None = None) -> list[qa.QaCheck]:
    """Return the checks of the assets in the graph. `with_erp` is as for `build_defs`."""
    if with_erp is None:
        with_erp = settings.load_settings().erp_source is not None
    erp_assets = set() if with_erp else {asset.key.to_user_string() for asset in contacts.FILLED_BY.values()}
    return [check for check in QA_CHECKS if check.asset not in erp_assets]


def _build_checks(*, with_erp: bool) -> list[dg.AssetChecksDefinition]:
    """Build the checks. A check of a table runs after the asset that fills the table, if there is one."""
    filled_by = contacts.FILLED_BY if with_erp else {}
    return [
        qa.build_asset_check(check, after_asset=filled_by.get(check.asset))
        for check in chosen_checks(with_erp=with_erp)
    ]


defs = build_defs()
