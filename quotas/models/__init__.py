"""What the site, its groups and its people may have, for how long, and who asks for more."""

from quotas.models.grant import Grant, SupportBounds
from quotas.models.limitrequest import LimitRequest
from quotas.models.limitset import LimitSet, LimitValues

__all__ = ["Grant", "LimitRequest", "LimitSet", "LimitValues", "SupportBounds"]
