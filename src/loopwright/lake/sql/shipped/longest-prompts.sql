-- The calls with most input tokens. Opens no text; `loopwright lake calls` shows one.
-- param top integer = 20 -- How many.
-- param endpoint text = '' -- Only this endpoint; empty: all.
SELECT call_id, ts, endpoint, coalesce(model_version, model) AS model, n_messages, input_tokens
FROM calls
WHERE $endpoint = '' OR endpoint = $endpoint
ORDER BY input_tokens DESC NULLS LAST, call_id
LIMIT $top
