"""Chat form: turns between <|im_start|> and <|im_end|>, reasoning in <think>, as Qwen3 models expect it."""

from __future__ import annotations

import functools
from typing import Any

from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

# Reasoning of earlier turns is left out, that of the last one stays: what follows a user's last question.
CHAT_TEMPLATE = """\
{%- set last = namespace(user=-1) -%}
{%- for message in messages -%}
{%- if message.role == 'user' -%}{%- set last.user = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{%- set text = message.content -%}
{%- if message.role == 'assistant' and loop.index0 < last.user and '</think>' in text -%}
{%- set text = text.split('</think>')[-1].lstrip('\\n') -%}
{%- endif -%}
{{- '<|im_start|>' + message.role + '\\n' + text + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- if enable_thinking is defined and enable_thinking is false -%}
{{- '<think>\\n\\n</think>\\n\\n' -}}
{%- endif -%}
{%- endif -%}
"""


def render_chat(
    messages: list[dict[str, Any]],
    *,
    add_generation_prompt: bool = False,
    template: str = CHAT_TEMPLATE,
    **variables: Any,
) -> str:
    """Messages as text, the way transformers' apply_chat_template renders them."""
    return _compiled(template).render(
        messages=messages, add_generation_prompt=add_generation_prompt, **variables
    )


@functools.lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    return ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(template)
