"""Limits of the site, its groups and its people, grants for a time, and requests for more."""

from quotas.models.grant import Grant, SupportBounds
from quotas.models.limitrequest import LimitRequest
from quotas.models.limitset import LimitSet, LimitValues

__all__ = ["Grant", "LimitRequest", "LimitSet", "LimitValues", "SupportBounds"]
