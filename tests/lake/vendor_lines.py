"""One recorded call of each kind, in the shapes that the vendors document, with made-up texts."""

from __future__ import annotations

from typing import Any

QUESTION = "Which shelf holds the green lamps?"
ANSWER = "Shelf 14, behind the door."
ARGUMENTS = '{"item":"lamp"}'
TOOL_PARAMETERS = {"type": "object", "properties": {"item": {"type": "string"}}}


def bedrock(operation: str, given: Any, answer: Any, **more: Any) -> dict[str, Any]:
    return {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": "2026-01-31T00:00:00Z",
        "accountId": "123456789012",
        "identity": {"arn": "arn:aws:iam::123456789012:user/shop"},
        "region": "us-east-1",
        "requestId": "11111111-2222-3333-4444-555555555555",
        "operation": operation,
        "modelId": "amazon.nova-lite-v1:0",
        "input": {
            "inputContentType": "application/json",
            "inputBodyJson": given,
            "inputTokenCount": 9,
        },
        "output": {
            "outputContentType": "application/json",
            "outputBodyJson": answer,
            "outputTokenCount": 7,
        },
    } | more


CONVERSE_REQUEST = {
    "system": [{"text": "Answer shortly."}],
    "messages": [{"role": "user", "content": [{"text": QUESTION}]}],
    "inferenceConfig": {"maxTokens": 64, "temperature": 0.5, "topP": 0.9, "stopSequences": []},
    "toolConfig": {
        "tools": [
            {
                "toolSpec": {
                    "name": "find",
                    "description": "Find an item.",
                    "inputSchema": {"json": TOOL_PARAMETERS},
                }
            }
        ],
        "toolChoice": {"any": {}},
    },
}
CONVERSE_ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": ANSWER}]}},
    "stopReason": "end_turn",
    "metrics": {"latencyMs": 302},
    "usage": {"inputTokens": 4, "outputTokens": 7, "totalTokens": 16, "cacheReadInputTokens": 5},
}
CONVERSE = bedrock("Converse", CONVERSE_REQUEST, CONVERSE_ANSWER, requestMetadata={"team": "shop"})
NOVA_EVENTS = bedrock(
    "InvokeModelWithResponseStream",
    CONVERSE_REQUEST,
    [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "Shelf 14, "}, "contentBlockIndex": 0}},
        {"contentBlockDelta": {"delta": {"text": "behind the door."}, "contentBlockIndex": 0}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "max_tokens"}},
        {
            "metadata": {
                "usage": {"inputTokens": 9, "outputTokens": 7},
                "metrics": {"latencyMs": 55},
            }
        },
    ],
)
MESSAGES_REQUEST = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 64,
    "system": "Answer shortly.",
    "metadata": {"user_id": "alice"},
    "tools": [
        {"name": "find", "description": "Find an item.", "input_schema": TOOL_PARAMETERS},
    ],
    "tool_choice": {"type": "tool", "name": "find"},
    "messages": [
        {"role": "user", "content": QUESTION},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "t1", "name": "find", "input": {"item": "lamp"}}
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "14"},
                {"type": "text", "text": "And where is that?"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
                },
            ],
        },
    ],
}
MESSAGES_ANSWER = {
    "id": "msg_bdrk_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku",
    "content": [{"type": "text", "text": ANSWER}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 9,
        "output_tokens": 7,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
    },
}
ANTHROPIC = bedrock("InvokeModel", MESSAGES_REQUEST, MESSAGES_ANSWER)
ANTHROPIC_EVENTS = bedrock(
    "InvokeModelWithResponseStream",
    MESSAGES_REQUEST,
    [
        {
            "type": "message_start",
            "message": {
                "id": "msg_bdrk_2",
                "role": "assistant",
                "model": "claude-haiku",
                "content": [],
                "usage": {"input_tokens": 9, "output_tokens": 1},
            },
        },
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": ""},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "thinking_delta", "thinking": "Look it up."},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "t2", "name": "find", "input": {}},
        },
        *(
            {
                "type": "content_block_delta",
                "index": 1,
                "delta": {"type": "input_json_delta", "partial_json": piece},
            }
            for piece in ('{"item":', '"lamp"}')
        ),
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 7},
        },
        {
            "type": "message_stop",
            "amazon-bedrock-invocationMetrics": {
                "inputTokenCount": 9,
                "outputTokenCount": 7,
                "invocationLatency": 900,
                "firstByteLatency": 120,
            },
        },
    ],
)
CONVERSE_TOOLS = bedrock(
    "ConverseStream",
    {
        "messages": [
            {"role": "user", "content": [{"text": QUESTION}]},
            {
                "role": "assistant",
                "content": [
                    {"text": "Let me see."},
                    {"toolUse": {"toolUseId": "t1", "name": "find", "input": {"item": "lamp"}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "toolResult": {
                            "toolUseId": "t1",
                            "content": [{"json": {"shelf": 14}}],
                            "status": "success",
                        }
                    }
                ],
            },
        ]
    },
    CONVERSE_ANSWER,
)
LANGFUSE = {
    "id": "obs-1",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "project_id": "shop",
    "type": "GENERATION",
    "start_time": "2026-01-31 00:00:00.000000",
    "end_time": "2026-01-31 00:00:01.250000",
    "completion_start_time": "2026-01-31 00:00:00.200000",
    "name": "answer",
    "metadata": {"route": "shop", "scope": {"name": "sdk"}},
    "level": "DEFAULT",
    "status_message": "",
    "input": '[{"role":"user","content":"' + QUESTION + '"}]',
    "output": '{"role":"assistant","content":"' + ANSWER + '"}',
    "provided_model_name": "m-large",
    "model_parameters": '{"temperature":0.7}',
    "usage_details": {
        "input": 6,
        "input_cached_tokens": 3,
        "output": 5,
        "output_reasoning_tokens": 2,
        "total": 16,
    },
    "total_cost": 0.00125,
    "latency": 1.25,
    "user_id": "alice",
    "session_id": "s-1",
}
LANGFUSE_API = {
    "id": "obs-2",
    "traceId": "trace-2",
    "type": "GENERATION",
    "startTime": "2026-01-31T00:00:00.000Z",
    "endTime": "2026-01-31T00:00:02.000Z",
    "model": "m-large",
    "modelParameters": {"temperature": 0.7},
    "input": {"messages": [{"role": "user", "content": QUESTION}], "tools": []},
    "output": ANSWER,
    "usage": {"input": 9, "output": 7, "total": 16, "unit": "TOKENS"},
    "level": "DEFAULT",
}
SPAN = LANGFUSE | {"id": "obs-3", "type": "SPAN", "input": "", "output": ""}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_769_817_600,
    "model": "m-large-2026",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": ANSWER},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16},
}
LITELLM = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
    "spend": 0.0003,
    "total_tokens": 16,
    "prompt_tokens": 9,
    "completion_tokens": 7,
    "startTime": "2026-01-31T00:00:00.000000",
    "endTime": "2026-01-31T00:00:01.500000",
    "completionStartTime": "2026-01-31T00:00:00.400000",
    "model": "openai/m-large-2026",
    "model_id": "deployment-1",
    "model_group": "m-large",
    "custom_llm_provider": "openai",
    "metadata": {"status": "success"},
    "cache_hit": "False",
    "request_tags": ["shop"],
    "end_user": "alice",
    "session_id": "s-1",
    "status": "success",
    "messages": {},
    "response": COMPLETION,
    "proxy_server_request": {
        "model": "m-large",
        "messages": [{"role": "user", "content": QUESTION}],
        "temperature": 0.7,
        "litellm_metadata": {"user_api_key": "hidden"},
    },
}
LITELLM_UNSTORED = LITELLM | {"response": {}, "proxy_server_request": {}}
LITELLM_FAILURE = LITELLM | {
    "status": "failure",
    "response": {},
    "metadata": {
        "status": "failure",
        "error_information": {
            "error_code": "429",
            "error_class": "RateLimitError",
            "error_message": "slow down",
        },
    },
}
LITELLM_PAYLOAD = {
    "id": "chatcmpl-2",
    "trace_id": "trace-9",
    "call_type": "completion",
    "status": "success",
    "response_cost": 0.002,
    "total_tokens": 16,
    "prompt_tokens": 9,
    "completion_tokens": 7,
    "startTime": 1_769_817_600.0,
    "endTime": 1_769_817_601.5,
    "completionStartTime": 1_769_817_601.5,
    "model": "m-large",
    "model_parameters": {"temperature": 0.7, "stream": False},
    "messages": [{"role": "user", "content": QUESTION}],
    "response": COMPLETION,
    "end_user": "alice",
}
STORED = COMPLETION | {
    "request_id": "req_1",
    "tool_choice": None,
    "seed": 4944,
    "temperature": 1.0,
    "system_fingerprint": "fp_1",
    "input_user": "alice",
    "service_tier": "default",
    "tools": None,
    "metadata": {"route": "shop"},
    "response_format": None,
    "messages": {
        "object": "list",
        "data": [
            {
                "id": "chatcmpl-1-0",
                "role": "user",
                "content": QUESTION,
                "name": None,
                "content_parts": None,
            }
        ],
        "has_more": False,
    },
}
ARK_SFT = {
    "messages": [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": ANSWER, "reasoning_content": "Hm.", "loss_weight": 1.0},
    ],
    "thinking": "enabled",
    "extra": {"note": "mine"},
}
ARK_ROW = {
    "request": '{"model":"ep-2026-abc","messages":[{"role":"user","content":"' + QUESTION + '"}]}',
    "response": '{"id":"1","model":"m-large","created":1769817600,"choices":[{"index":0,'
    '"finish_reason":"stop","message":{"role":"assistant","content":"' + ANSWER + '"}}]}',
}
CHAT = {
    "messages": [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": ANSWER},
    ],
    "created": 1_769_817_600,
}
CALLS = {
    "bedrock-invocations": [CONVERSE, NOVA_EVENTS, ANTHROPIC, ANTHROPIC_EVENTS, CONVERSE_TOOLS],
    "langfuse": [LANGFUSE, LANGFUSE_API],
    "litellm": [LITELLM, LITELLM_FAILURE, LITELLM_PAYLOAD],
    "openai-stored": [STORED],
    "ark-las": [ARK_SFT, ARK_ROW],
    "openai-chat": [CHAT],
}
"""Lines that are calls, by format."""
