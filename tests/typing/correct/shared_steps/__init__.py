"""A package of phases and steps that several orchfiles share."""

from shared_steps.review import Review, review_patch, strict_review

__all__ = ["Review", "review_patch", "strict_review"]
