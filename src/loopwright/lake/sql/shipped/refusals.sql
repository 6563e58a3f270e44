-- Answers that decline: filtered ones, and those that begin like a refusal. Opens response text.
-- param since date = 1970-01-01 -- The first day.
-- param until date = 9999-12-31 -- The last day.
-- param pattern text = '(?i)^\W*(i.?m sorry|i apologi[sz]e|sorry,|i can.?t |i cannot |i.?m unable|i.?m not able|抱歉|对不起|很抱歉|我无法|我不能|无法回答)' -- How a refusal begins, as a regular expression.
-- param top integer = 100 -- How many.
WITH answers AS (
    SELECT
        call_id,
        ts,
        endpoint,
        coalesce(model_version, model) AS model,
        finish_reason,
        response->>'$.choices[0].message.content' AS answer
    FROM calls
    WHERE dt BETWEEN $since AND $until AND operation IS DISTINCT FROM 'embeddings'
)
SELECT call_id, ts, endpoint, model, finish_reason, left(answer, 120) AS begins
FROM answers
WHERE finish_reason = 'content_filter' OR regexp_matches(answer, $pattern)
ORDER BY ts DESC, call_id
LIMIT $top
