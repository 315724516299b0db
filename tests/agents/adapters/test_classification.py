"""Statuses and sentences of vendors, and the kinds they are."""

import pytest

from orchcore.agents.adapters.classification import failure, kind_of, told_status


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("unexpected status 401 Unauthorized: invalid x-api-key", 401),
        ("exceeded retry limit, last status: 429 Too Many Requests", 429),
        ("503 Overloaded", 503),
        ('API Error: 529 {"type":"error"}', 529),
        ('{"error":{"code":401,"message":"no"}}', 401),
        ("error at line 404 of settings", None),
        ("killed after 429 milliseconds", None),
        ("wrote 402 lines", None),
        ("port 4290", None),
    ],
)
def test_a_status_is_told_from_other_numbers(text: str, status: int | None) -> None:
    """A number is a status if a word says so, or a reason phrase follows."""
    assert told_status(text) == status


@pytest.mark.parametrize(
    ("text", "status", "kind"),
    [
        ("The model gpt-5 is currently not available due to high load", 503, "overloaded"),
        ("The model gpt-5 is not available", 429, "rate_limited"),
        ("The model gpt-9 does not exist", 404, "model_not_found"),
        ("The model gpt-9 does not exist", None, "model_not_found"),
        ("You have reached your usage limit", 429, "quota"),
        ("prompt is too long", 400, "context_length"),
        ("Something else", 400, None),
        ("Something else", 502, "server_error"),
    ],
)
def test_text_and_status_together(text: str, status: int | None, kind: str | None) -> None:
    """Words decide where they tell more than the status; not where a wait would mend it."""
    assert kind_of(text, status) == kind


OF_MODELS = {
    "Rate limit reached for fake-model. Please try again in 1.5s.": True,
    "Rate limit reached for gpt-5.5 in organization org-1 on tokens per min (TPM)": True,
    "You've hit your Opus limit · resets 5pm": True,
    "GenerateRequestsPerMinutePerProjectPerModel exceeded, model: gemini-2.5-pro": True,
    "You've hit your usage limit. Try again at 5:48 PM.": False,
    "This request would exceed the rate limit for your organization": False,
    "Rate limit reached for your account": False,
    "429 Too Many Requests": False,
}


@pytest.mark.parametrize("text", OF_MODELS)
def test_whose_limit_it_is(text: str) -> None:
    """One model's, where a vendor says so; else it is the account's."""
    assert failure("rate_limited", text, 0.0).of_model == OF_MODELS[text]
    assert not failure("auth", text, 0.0).of_model
