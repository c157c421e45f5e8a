"""With MOTION_COPY_NO_SKIPS=1, as .ci/run sets it, a skipped test fails: what it needs is missing, and nothing was proved.

All but what no machine can be asked to have (ALLOWED, by the reason that is given).
"""

import os

import pytest

ALLOWED = (
    "the package detectron2 is not installed",  # it has no wheel
    "detectron2 is installed",
    "only root may mount a small disk",
    "no Chromium here",
)


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a skip a failure that says why it was skipped; a test that is expected to fail is none."""
    if not report.skipped or hasattr(report, "wasxfail") or os.environ.get("MOTION_COPY_NO_SKIPS") != "1":
        return
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if any(reason in said for reason in ALLOWED):
        return
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid} must run where MOTION_COPY_NO_SKIPS=1, but: {said}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """A test that skips itself, or is skipped by its mark or a fixture."""
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """A module that skips itself."""
    report = yield
    refuse_skip(report)
    return report
