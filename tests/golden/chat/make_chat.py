#!/usr/bin/env python3
"""Chat templates of our own, in the styles that models use, and what transformers' apply_chat_template makes of them.

    python make_chat.py chat.json        (transformers 5.23; the tokenizer is that of ../models/llama)

The clock stands at 2026-11-20 14:03, so that the date that a template writes is known.
"""
import datetime, json, sys
from pathlib import Path

import transformers
import transformers.utils.chat_template_utils as utils

HERE = Path(__file__).resolve().parent
NOW = datetime.datetime(2026, 11, 20, 14, 3)


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


utils.datetime = Clock

TEMPLATES = {
    "chatml": """{%- if messages[0]['role'] != 'system' %}
    {{- '<|im_start|>system\\nYou answer briefly.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role in ['system', 'user', 'assistant'] %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- else %}
        {{- raise_exception('Unknown role: ' ~ message.role) }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    "llama2": """{% if messages[0]['role'] == 'system' %}
    {% set loop_messages = messages[1:] %}
    {% set system_message = messages[0]['content'] %}
{% else %}
    {% set loop_messages = messages %}
    {% set system_message = false %}
{% endif %}
{% for message in loop_messages %}
    {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('The user speaks first, then in turns') }}
    {% endif %}
    {% if loop.index0 == 0 and system_message != false %}
        {% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}
    {% else %}
        {% set content = message['content'] %}
    {% endif %}
    {% if message['role'] == 'user' %}
        {{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}
    {% elif message['role'] == 'assistant' %}
        {{ ' ' + content.strip() + ' ' + eos_token }}
    {% endif %}
{% endfor %}
""",
    "llama3": """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "1 Jan 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start|>system<|end|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: tools\\n" }}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start|>' + message['role'] + '<|end|>\\n\\n' + message['content'] | trim + '<|eot|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start|>assistant<|end|>\\n\\n' }}
{%- endif %}
""",
    "gemma": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('This style has no system prompt') }}{% endif %}
{% for message in messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Turns: user, model, user, model') }}{% endif %}
{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}
{{ '<start_of_turn>' + role + '
' + message['content'] | trim + '<end_of_turn>
' }}
{% endfor %}
{% if add_generation_prompt %}{{'<start_of_turn>model
'}}{% endif %}
""",
    "mistral": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results") %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After a system prompt, user and assistant speak in turns") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token }}
    {%- else %}
        {{- raise_exception("Nobody else may speak") }}
    {%- endif %}
{%- endfor %}
""",
    # What else templates use: loop controls, tojson, printing of constants, methods of texts, the block of transformers.
    "corners": """{% for message in messages %}
    {%- if message.role == 'system' %}{% continue %}{% endif %}
    {%- if loop.index > 4 %}{% break %}{% endif %}
{{ message | tojson }}
{{ message | tojson(indent=2) }}
{%- if message.role == 'assistant' %}
    {% generation %}
{{ message.content.split('।')[0].upper() }}
    {%- endgeneration -%}
{% endif %}
{%- endfor %}

{{ add_generation_prompt }} {{ none }} {{ tools }} {{ nothing }}|{{ 1.0 }} {{ 7 // 2 }} {{ messages | length }}
{{ messages[-1]['content'].startswith('ไ') }} {{ messages[0].role.capitalize() ~ '!' }} {{ 'a,b'.split(',') | join('/') }}
{{ bos_token if messages[0]['content'] is string else eos_token }}{# a remark #}
""",
}

CONVERSATIONS = {
    "one question": [("user", "Where is the cat?")],
    "with a system prompt": [("system", "  Answer in Kiswahili. "), ("user", " Paka yuko wapi? ")],
    "several scripts": [("user", "बिल्ली कहाँ है?"), ("assistant", "बिल्ली घर में है। हाँ।"), ("user", "أين القطة؟\n«هنا»"),
                        ("assistant", " \"猫\"在\\家里\t<ok> & 'x' 🐈 "), ("user", "ไหน?")],
    "two users in a row": [("user", "a"), ("user", "b")],
    "an odd role": [("user", "a"), ("assistant", "b"), ("critic", "c")],
}


def main(out):
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(HERE / "../models/llama/tokenizer.json"),
                                                     bos_token="<s>", eos_token="</s>")
    cases = []
    for style, template in TEMPLATES.items():
        for name, turns in CONVERSATIONS.items():
            messages = [{"role": role, "content": content} for role, content in turns]
            for begin in (True, False):
                case = {"template": style, "conversation": name, "messages": messages, "add_generation_prompt": begin}
                ask = dict(chat_template=template, add_generation_prompt=begin)
                try:
                    case["text"] = tokenizer.apply_chat_template(messages, tokenize=False, **ask)
                    case["ids"] = list(tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False, **ask))
                except Exception as e:  # the template's own refusal, whatever transformers wraps it in
                    case["error"] = str(e)
                cases.append(case)
    line = lambda value: json.dumps(value, ensure_ascii=False)
    text = (f'{{"now": {line(NOW.isoformat())},\n"templates": {line(TEMPLATES)},\n"cases": [\n' + ",\n".join(map(line, cases)) + "\n]}\n")
    Path(out).write_text(text, encoding="utf-8")


main(sys.argv[1])
