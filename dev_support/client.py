"""The client of ``farm``, under the name that the tests and the demo have for it."""

from farm.client import Client, Prompt, PromptError, Result

__all__ = ["Client", "Prompt", "PromptError", "Result"]
