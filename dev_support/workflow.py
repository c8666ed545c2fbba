"""The reader of workflows of ``farm``, under the name that the tests and the demo have for it."""

from farm.workflow import WorkflowError, to_prompt, widget_values

__all__ = ["WorkflowError", "to_prompt", "widget_values"]
