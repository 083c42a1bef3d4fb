"""Fetching from Stripe with a trace from the request to the row, where traces are enabled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from cogento.reconcile.enqueue import Enqueued, Enqueuer
from cogento.reconcile.refetch import ObjectFetcher
from cogento.tracing import SpanKind, pack_current, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.events.envelope import Envelope
    from cogento.events.outcomes import Source
    from cogento.reconcile.refetch import Fetched
    from cogento.store.refetches import RefetchTarget
    from cogento.tracing import Attributes


class TracedFetcher(ObjectFetcher):
    """An ObjectFetcher whose requests and events are one trace."""

    __slots__ = ()

    async def fetch(self, wanted: Sequence[RefetchTarget]) -> Fetched:
        """As ObjectFetcher.fetch."""
        with span("fetch objects", {"cogento.objects": len(wanted)}):
            return await super().fetch(wanted)


class TracedEnqueuer(Enqueuer):
    """An Enqueuer whose events continue the trace in which they are put."""

    __slots__ = ()

    async def put_what_fits(self, envelopes: Sequence[Envelope], *, source: Source) -> Enqueued:
        """As Enqueuer.put_what_fits."""
        if not envelopes:
            return Enqueued()
        size: Attributes = {"cogento.events": len(envelopes), "cogento.source": source}
        with span("put into mailboxes", size, kind=SpanKind.PRODUCER):
            trace = pack_current()
            return await super().put_what_fits(
                [structs.replace(envelope, trace=trace) for envelope in envelopes], source=source
            )
