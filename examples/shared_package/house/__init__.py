"""What several orchfiles share: plain Python, imported from the folder beside them."""

from .editing import polish, word_count

__all__ = ["polish", "word_count"]
