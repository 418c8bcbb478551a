"""Who gets which offer, and when; pure: times come in as seconds of the caller's clock, nothing goes out."""

from .scheduler import FAIR_SHARE_S, Scheduler
from .stock import Grant

__all__ = ["FAIR_SHARE_S", "Grant", "Scheduler"]
