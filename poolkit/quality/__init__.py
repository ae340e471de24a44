"""Whether a laboratory may go on as it does: positivity in pools, invalid calls, and control charts."""

from poolkit.quality.answers import CHARTS, POINTS, RATES, VERDICTS, Monitoring
from poolkit.quality.monitor import monitor
from poolkit.quality.rules import MonitorRules, reestablished

__all__ = ["CHARTS", "POINTS", "RATES", "VERDICTS", "MonitorRules", "Monitoring", "monitor", "reestablished"]
