"""Checks the values of events and alerts that a request contains."""

from __future__ import annotations

from rtstream.errors import InvalidRequest
from rtstream.json_types import JsonObject
from rtstream.models import AlertOptions
from rtstream.rules import alert_policy, event_rules
from rtstream.rules.detection import Rule
from rtstream.rules.text_safety import clean

OPTIONS = (
    "cooldown_s",
    "consecutive",
    "min_confidence",
    "dedupe",
    "quiet_hours",
    "active_hours",
    "late",
    "near_misses",
    "pre_s",
    "post_s",
)
MOMENTARY = (
    "This event lasts only a moment (it appears, disappears, starts or stops), so it never matches several times in a "
    "row. Omit consecutive, or use an event that lasts."
)
ALWAYS_QUIET = "These quiet_hours cover all hours in which the alert may fire, so it never fires. Shorten them."


def checked_prompt(given: str | None, rule: JsonObject | None = None) -> str:
    """Return the prompt of an event. Raises InvalidRequest.

    Args:
        given: The prompt. It may be absent with a rule, because no model reads it then.
        rule: The structured rule, which must be valid. Without a prompt, its condition in words is returned.
    """
    if given is not None and given.strip():
        return given.strip()
    if rule is None:
        raise InvalidRequest("The event has no prompt. Describe what to watch for in event_prompt, or pass a rule.")
    decided = event_rules.rule_for_event("", rule)
    assert decided is not None  # the rule is valid
    return decided.condition


def checked_label(given: str) -> str:
    """Return the label of an event. Raises InvalidRequest."""
    label = clean(given, 200).strip()
    if not label:
        raise InvalidRequest("The event has no label. Choose a short name, which its alerts will carry.")
    return label


def checked_rule(given: JsonObject | None) -> JsonObject | None:
    """Return the rule of an event, or None if there is none or it is empty. Raises InvalidRequest."""
    if not given:
        return None
    try:
        event_rules.from_json(given)
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc
    return given


def checked_options(request: AlertOptions, before: JsonObject | None = None) -> JsonObject:
    """Return the options of an alert with the changes that a request contains.

    Args:
        request: The request. Options that are None stay as they are.
        before: The options so far.

    Raises:
        InvalidRequest: An option is invalid.
    """
    changed = {name: value for name in OPTIONS if (value := getattr(request, name)) is not None}
    options = {**(before or {}), **changed}
    try:
        alert_policy.options(options)
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc
    return options


def check_consecutive(rule: Rule | None, options: JsonObject) -> None:
    """Check that an event can match as often in a row as the alert requires. Raises InvalidRequest."""
    if rule is not None and rule.momentary and options.get("consecutive", 1) > 1:
        raise InvalidRequest(MOMENTARY)


def never_fires(rule: Rule | None, options: JsonObject) -> str:
    """Return the reason why an alert with these options never fires, or an empty string.

    Args:
        rule: The rule that decides its event, or None if a model does.
        options: Its options, which must have passed ``checked_options``.
    """
    policy = alert_policy.options(options)
    if policy.never_fires:
        return ALWAYS_QUIET
    if rule is not None and policy.min_confidence > rule.best_confidence:
        return (
            f"A match of this event has a confidence of at most {rule.best_confidence:g}, so min_confidence "
            f"{policy.min_confidence:g} is never reached. Lower it."
        )
    return ""
