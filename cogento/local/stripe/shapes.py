"""A simulated object's state as the JSON that Stripe writes, in the API version asked for.

Two shapes matter to a reader of webhooks: since 2025-03-31 the period is on the items, before it was on the
subscription. No version promises an order of items: recent ones list them as the state does, old ones
backwards. Versions compare as text, because they begin with their date.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cogento.local.stripe.objects import Customer, Item, Price, StripeObject, Subscription

DAHLIA = "2026-06-24.dahlia"
LEGACY = "2020-08-27"
FIRST_WITH_PERIOD_ON_ITEMS = "2025-03-31"
CATALOGUE_CREATED = 1_577_836_800

Json = dict[str, Any]


def object_json(state: StripeObject, api_version: str) -> Json:
    """The object as retrieved or as in an event's `data.object`; parts may be shared, so never change it."""
    if isinstance(state, Customer):
        return customer_json(state, api_version)
    return subscription_json(state, api_version)


def deleted_stub(customer_id: str) -> Json:
    """What retrieving a deleted customer answers."""
    return {"id": customer_id, "object": "customer", "deleted": True}


def customer_json(state: Customer, api_version: str) -> Json:
    """A customer; `address` has all six keys when it is set."""
    return {
        "id": state.id,
        "object": "customer",
        "address": state.address,
        "balance": state.balance,
        "created": state.created,
        "currency": "eur",
        **({} if _is_legacy(api_version) else {"customer_account": None}),
        "default_source": None,
        "delinquent": state.delinquent,
        "description": None,
        "discount": None,
        "email": state.email,
        "invoice_prefix": state.invoice_prefix,
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": state.default_payment_method,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": state.metadata,
        "name": state.name,
        "next_invoice_sequence": state.next_invoice_sequence,
        "phone": state.phone,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def subscription_json(state: Subscription, api_version: str) -> Json:
    """A subscription with its items and, when it has one only, the mirrored `plan` and `quantity`."""
    legacy = _is_legacy(api_version)
    whole = {
        **_subscription_core(state, api_version),
        **(_only_legacy(state) if legacy else _only_recent(state)),
    }
    return {"id": state.id, "object": "subscription", **dict(sorted(whole.items()))}


def _subscription_core(state: Subscription, api_version: str) -> Json:
    only = state.items[0] if len(state.items) == 1 else None
    return {
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": state.billing_cycle_anchor,
        "billing_thresholds": None,
        "cancel_at": state.cancel_at,
        "cancel_at_period_end": state.cancel_at_period_end,
        "canceled_at": state.canceled_at,
        "cancellation_details": {"comment": None, "feedback": None, "reason": state.cancellation_reason},
        "collection_method": state.collection_method,
        "created": state.created,
        "currency": "eur",
        "customer": state.customer,
        "days_until_due": None,
        "default_payment_method": state.default_payment_method,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "ended_at": state.ended_at,
        "items": _items_json(state, api_version),
        "latest_invoice": state.latest_invoice,
        "livemode": False,
        "metadata": state.metadata,
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": state.paused_collection
        and {"behavior": state.paused_collection, "resumes_at": None},
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "plan": only and _plan_json(only.price, api_version),
        "quantity": only and only.quantity,
        "schedule": None,
        "start_date": state.created,
        "status": state.status,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": state.trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": state.trial_start,
    }


def _only_legacy(state: Subscription) -> Json:
    return {
        "current_period_end": state.period_end,
        "current_period_start": state.period_start,
        "discount": None,
    }


def _only_recent(state: Subscription) -> Json:
    return {
        "billing_cycle_anchor_config": None,
        "billing_mode": {
            "flexible": {"proration_discounts": "included"},
            "type": "flexible",
            "updated_at": state.created,
        },
        "billing_schedules": [],
        "customer_account": None,
        "discounts": [],
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "managed_payments": {"enabled": False},
    }


def _items_json(state: Subscription, api_version: str) -> Json:
    items = state.items[::-1] if _is_legacy(api_version) else state.items
    return {
        "object": "list",
        "data": [_item_json(item, state.id, api_version) for item in items],
        "has_more": False,
        "total_count": len(state.items),
        "url": f"/v1/subscription_items?subscription={state.id}",
    }


def _item_json(item: Item, subscription_id: str, api_version: str) -> Json:
    period = {"current_period_end": item.period_end, "current_period_start": item.period_start}
    return {
        "id": item.id,
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": item.created,
        **({} if _is_legacy(api_version) else {**period, "discounts": []}),
        "metadata": {},
        "plan": _plan_json(item.price, api_version),
        "price": _price_json(item.price, api_version),
        "quantity": item.quantity,
        "subscription": subscription_id,
        "tax_rates": [],
    }


@lru_cache(maxsize=256)
def _plan_json(price: Price, api_version: str) -> Json:
    return {
        "id": price.id,
        "object": "plan",
        "active": True,
        **({"aggregate_usage": None} if _is_legacy(api_version) else {}),
        "amount": price.amount,
        "amount_decimal": str(price.amount),
        "billing_scheme": "per_unit",
        "created": CATALOGUE_CREATED,
        "currency": "eur",
        "interval": price.interval,
        "interval_count": 1,
        "livemode": False,
        "metadata": {},
        **({} if _is_legacy(api_version) else {"meter": None}),
        "nickname": price.nickname,
        "product": price.product,
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


@lru_cache(maxsize=256)
def _price_json(price: Price, api_version: str) -> Json:
    return {
        "id": price.id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": CATALOGUE_CREATED,
        "currency": "eur",
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": price.nickname,
        "product": price.product,
        "recurring": {
            **({"aggregate_usage": None} if _is_legacy(api_version) else {"meter": None}),
            "interval": price.interval,
            "interval_count": 1,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": price.amount,
        "unit_amount_decimal": str(price.amount),
    }


def _is_legacy(api_version: str) -> bool:
    return api_version < FIRST_WITH_PERIOD_ON_ITEMS
