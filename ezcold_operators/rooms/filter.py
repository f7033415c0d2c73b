"""Filter: every document gets a verdict with its reason, and what is accepted is owed to its scenarios."""

from __future__ import annotations

import json
from typing import Any

from ezcold_operators import filtering
from ezcold_operators.filtering import Candidate
from ezcold_operators.ledger import deliveries
from ezcold_operators.ledger.deliveries import Verdict
from ezcold_operators.rooms import groups, orphans
from ezcold_operators.rooms.base import River

BATCH = 1000


def filter_documents(river: River) -> dict[str, Any]:
    """Judge every document that has no verdict yet; `owing` names the scenarios that are now owed something."""
    judged = 0
    while True:
        with river.ledger.read() as conn:
            rows = deliveries.unjudged(conn, river.id, BATCH)
        if not rows:
            break
        verdicts = [_verdict(river, row) for row in rows]
        with river.ledger.transaction("filter.judged") as conn:
            deliveries.judge(river.ledger, conn, river.run_id, river.id, verdicts, groups.wanted(river))
        judged += len(rows)
        river.progress("filter", judged, None)
    orphans.resolve(river)
    with river.ledger.read() as conn:
        owing = deliveries.owing(conn, river.id)
    return {"judged": judged, "owing": sorted(owing), "owed": sum(owing.values())}


def _verdict(river: River, row: Any) -> Verdict:
    judgement = filtering.judge(river.launcher, candidate(row))
    return Verdict(row.id, row.item_id, judgement.verdict, judgement.scenarios, judgement.reason)


def candidate(row: Any) -> Candidate:
    """A row of `deliveries.unjudged` as the judgement wants it."""
    envelope = json.loads(row.envelope)["type"] if row.envelope else None
    return Candidate(
        name=row.name,
        media_type=row.media_type,
        sniffed=row.sniffed,
        role=row.role,
        inline=row.inline,
        size=row.size,
        envelope=envelope,
        link=filtering.link_of(json.loads(row.metadata)) if row.role == "reference" else "",
    )
