"""The notes of what changed that the API's live stream reads (migration 0007): how long they are kept."""

from datetime import datetime

from btc_store.frames import Frames


def prune_stream(frames: Frames, *, before: datetime) -> int:
    """Delete what was noted before a time; returns how many notes that were. Who asks for them is told so."""
    with frames.transaction():
        n_gone: int = frames.read("prune_stream", before).item()
    return n_gone
