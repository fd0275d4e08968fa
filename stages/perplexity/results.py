"""What the stage ends with: metrics, summary, warnings."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages._worker.worker import Worker
from stages.perplexity.histogram import distribution

WEAK = 0.5
"""A smaller share of held-out documents in their band is warned of."""


def report(
    worker: Worker, facts: dict[str, Any], perplexities: dict[str, np.ndarray], *, split: bool
) -> None:
    """Commits `packed` and ends the stage; `facts` are those of cells.json."""
    crowded = facts["dropped"]["crowded_tokens"]
    tokens = sum(cell["tokens"] for cell in facts["cells"])
    if crowded > 0.01 * max(tokens, 1):
        worker.warning(
            f"{crowded} tokens were given up because too many short documents fell into one sequence; "
            "raise max_docs_per_sequence or join short documents in the corpus",
            code="crowded_sequences",
        )
    scored = {group: mine[np.isfinite(mine)] for group, mine in perplexities.items()}
    scored = {group: mine for group, mine in scored.items() if len(mine)}
    metrics = {
        "documents": sum(len(mine) for mine in perplexities.values()),
        "sequences": sum(cell["sequences"] for cell in facts["cells"]),
        "tokens": tokens,
        "dropped_documents": facts["dropped"]["documents"],
        "tail_tokens": facts["dropped"]["tail_tokens"],
    } | {f"{group}_median_ppl": float(np.median(mine)) for group, mine in scored.items()}
    if predictor := facts.get("predictor"):
        metrics |= {
            "predicted_documents": predictor["predicted"],
            "predictor_heldout": predictor["heldout"],
            "predictor_spearman": predictor["spearman"],
            "predictor_same_band": predictor["same_band"],
        }
        if predictor["same_band"] < WEAK:
            worker.warning(
                f"predicted perplexities put {predictor['same_band']:.0%} of {predictor['heldout']} held-out "
                "documents into their band; raise predict.share",
                code="weak_predictor",
            )
    summary = {name: facts[name] for name in ("thresholds", "cells", "sampled", "predictor") if name in facts}
    if split:
        summary["distributions"] = {
            f"{group}_median_ppl": distribution(mine) for group, mine in scored.items()
        }
    worker.commit(
        "packed", meta={"sequenceLength": facts["sequenceLength"], "sequences": metrics["sequences"]}
    )
    worker.finish(metrics=metrics, summary=summary)
