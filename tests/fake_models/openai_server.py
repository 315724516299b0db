"""A fake OpenAI server on loopback: Responses and Chat Completions, for real agent CLIs.

The scenarios are those of ``fake_models.scenarios``.

Run it by hand: ``python -m fake_models.openai_server`` (with ``tests`` on the path) prints the
address and serves until it is interrupted.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import ClassVar

from fake_models.model_server import ModelServer, Wire, running, serve_by_hand
from fake_models.openai_chat import ChatCompletions
from fake_models.openai_responses import Responses
from fake_models.scenarios import Json


class FakeOpenAI(ModelServer):
    """Its ``base_url`` goes where a CLI wants the address of an OpenAI API."""

    fixed: ClassVar[Mapping[str, Json]] = {
        "/v1/models": {
            "object": "list",
            "data": [{"id": "fake-model", "object": "model", "created": 0, "owned_by": "fake"}],
        },
    }

    @property
    def base_url(self) -> str:
        """The address with the version that every path begins with."""
        return f"{self.url}/v1"

    def wire_of(self, path: str) -> Wire | None:
        wires: dict[str, Wire] = {
            "/v1/responses": Responses(),
            "/v1/chat/completions": ChatCompletions(),
        }
        return wires.get(path)


def serving() -> AbstractContextManager[FakeOpenAI]:
    """A running server; leaving ends it, stalled answers too."""
    return running(FakeOpenAI())


if __name__ == "__main__":
    serve_by_hand(FakeOpenAI())
