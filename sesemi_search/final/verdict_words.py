"""A verdict in words."""

import math
from typing import TYPE_CHECKING

from sesemi_search.final.intervals import Interval
from sesemi_search.formatting import format_metric

if TYPE_CHECKING:
    from sesemi_search.final.verdict import Comparison, Verdict

__all__ = ["describe_verdict"]


def describe_verdict(verdict: "Verdict") -> list[str]:
    """Returns the sentences: what is taken, how it compares, what the search said, where the noise is, what failed."""
    failed = [f"{score.name} is out: a run of it diverged or failed" for score in verdict.scores if score.is_failed]
    if verdict.winner is None or verdict.mean is None or verdict.interval is None:
        return ["no candidate can be trained with every seed: none is taken", *failed]
    seeds = f"{verdict.num_seeds} seed{'s' * (verdict.num_seeds != 1)}"
    low, high = map(format_metric, verdict.interval)
    said = [
        f"{verdict.winner} is taken: {verdict.metric} {format_metric(verdict.mean)}, {low} to {high} "
        f"(90% interval, by {seeds} that did not choose it)",
        *(_compare(verdict, comparison) for comparison in verdict.comparisons),
    ]
    if verdict.optimism is not None and verdict.reported is not None:
        amount, word = _amount(verdict, abs(verdict.optimism)), "better" if verdict.optimism >= 0 else "worse"
        said.append(f"the search's own number, {format_metric(verdict.reported)}, was {amount} {word} than that")
    if verdict.num_images is not None and verdict.image_share is not None:
        half = 1.645 * math.sqrt(verdict.mean * (1 - verdict.mean) / verdict.num_images)
        said.append(
            f"of what is uncertain about it {verdict.image_share:.0%} comes from there being {verdict.num_images} "
            f"validation images (±{_amount(verdict, half)} on others), the rest from the seeds"
        )
    return said + failed


def _compare(verdict: "Verdict", comparison: "Comparison") -> str:
    """Says how the one taken compares with another."""
    ends = _ends(verdict, comparison.interval)
    if not comparison.is_tie:
        return f"better than {comparison.other} by {_amount(verdict, comparison.difference)}, {ends}"
    ahead = "ahead" if comparison.difference >= 0 else "behind"
    luck = f"; luck alone does as much in {comparison.p_value:.0%} of cases" if comparison.interval.low > 0 else ""
    text = f"not shown to be better than {comparison.other} ({_amount(verdict, abs(comparison.difference))} {ahead}"
    text += f"; {ends}{luck})"
    return text + _why(verdict, comparison)


def _why(verdict: "Verdict", comparison: "Comparison") -> str:
    """Says why it was taken all the same, beside the other finalist."""
    if comparison is not verdict.comparisons[0]:
        return ""
    sizes = {score.name: score.num_params for score in verdict.scores}
    winner, other = sizes[verdict.winner or ""], sizes[comparison.other]
    if not verdict.is_smaller or winner is None or other is None:
        return ": taken, because it did better over all seeds"
    return f": taken, because it is smaller ({winner:,} parameters, not {other:,})"


def _amount(verdict: "Verdict", value: float) -> str:
    """A difference of two scores: in points, where they are shares of images."""
    return format_metric(value) if verdict.num_images is None else f"{_points(value)} points"


def _ends(verdict: "Verdict", interval: Interval) -> str:
    text = _points if verdict.num_images is not None else format_metric
    return f"{text(interval.low)} to {text(interval.high)}"


def _points(share: float) -> str:
    return f"{100 * share + 0.0:.2f}" if abs(share) < 0.001 else f"{100 * share:.1f}"
