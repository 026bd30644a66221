"""What a load test's figures say: how long answers took, whether memory grew, and what is not as it should be."""

LIMIT_GROWTH = 0.05
SAMPLES = 10  # of memory at either end, a second apart; one alone depends on what is just being decoded


def percentile(seconds: list[float], share: float) -> float | None:
    """The time within which that share was answered; none without answers."""
    return round(sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))], 3) if seconds else None


def growth(samples_mb: list[float]) -> dict:
    """How memory went since the warm-up: the mean of the first samples and that of the last; none of too few."""
    some = min(SAMPLES, len(samples_mb) // 2)
    if not some:
        return {"resident_after_warm_up_mb": None, "resident_at_end_mb": None, "memory_growth": None}
    start, end = sum(samples_mb[:some]) / some, sum(samples_mb[-some:]) / some
    return {
        "resident_after_warm_up_mb": round(start),
        "resident_at_end_mb": round(end),
        "memory_growth": round(end / start - 1, 4),
    }


def judge(figures: dict) -> list[str]:
    """What is not as it should be, a sentence each."""
    complaints = []
    strange = {status: n for status, n in figures["statuses"].items() if status not in ("200", "415", "422", "503")}
    if strange:
        complaints.append(f"answers with a status that nothing sent calls for: {strange}")
    if not figures["statuses"].get("200"):
        complaints.append("nothing was answered")
    if figures["memory_growth"] is not None and figures["memory_growth"] > LIMIT_GROWTH:
        complaints.append(f"memory grew by {figures['memory_growth']:.1%}")
    if figures["exit_status"] != 0:
        complaints.append(f"the server ended with status {figures['exit_status']}")
    return complaints
