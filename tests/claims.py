"""Claims of the checks that are written in Python: each is printed, and counted."""

passed = failed = skipped = 0


def claim(text, holds, detail=""):
    """Counts a claim, and says whether it holds."""
    global passed, failed
    holds = bool(holds)
    passed += holds
    failed += not holds
    print(f"{'ok    ' if holds else 'NOT OK'} {text}{'' if holds or not detail else f': {detail}'}", flush=True)
    return holds


def skip(text):
    """Counts what cannot be looked at here."""
    global skipped
    skipped += 1
    print(f"skip   {text}", flush=True)


def conclude():
    """Prints "N passed, N failed"; gives the exit code."""
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0
