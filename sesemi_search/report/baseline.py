"""What the end of a search says of its beginnings: trials taken over, and by how much the baseline was beaten."""

from collections import Counter
from collections.abc import Sequence

from sesemi_search.formatting import format_metric
from sesemi_search.search.ledger.records import Origin, Outcome, TrialRecord

__all__ = ["compare_with_baseline", "describe_copies"]


def compare_with_baseline(best: TrialRecord, records: Sequence[TrialRecord]) -> str:
    """Returns by how much the best trial beat the experiment's own config, as the end of a line; "" without one."""
    baseline = next((r for r in records if r.origin is Origin.baseline), None)
    if baseline is None:
        return ""
    own = f"the experiment's own config (trial {baseline.number})"
    if baseline.number == best.number:
        return ": the experiment's own config, which no trial beat"
    if baseline.outcome is not Outcome.complete or baseline.value is None or best.value is None:
        epochs = f"{baseline.epochs} epoch{'s' * (baseline.epochs != 1)}"
        at = "" if baseline.value is None else f" at {format_metric(baseline.value)}"
        return f"; {own}: {baseline.outcome.value.replace('_', ' ')} after {epochs}{at}"
    gain = best.value - baseline.value
    return f", {format_metric(abs(gain))} {'above' if gain > 0 else 'below'} {own}"


def describe_copies(copied: Sequence[TrialRecord]) -> str:
    """One line: `12 trials copied from wide-20260101_120000-ab12`; "" without any."""
    counts = Counter(record.copied_from.rpartition("/")[0] for record in copied)
    parts = [f"{count} trial{'s' * (count != 1)} copied from {study}" for study, count in counts.items()]
    return ", ".join(parts)
