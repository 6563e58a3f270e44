-- Prompts that came more than once, told by their keyed hash. Opens no text.
-- param top integer = 50 -- How many.
-- param endpoint text = '' -- Only this endpoint; empty: all.
SELECT
    count(*) AS times,
    count(DISTINCT exchange_hash) AS answers,
    min(ts) AS first,
    max(ts) AS last,
    arg_min(call_id, (ts, call_id)) AS example
FROM calls
WHERE prompt_hash IS NOT NULL AND ($endpoint = '' OR endpoint = $endpoint)
GROUP BY prompt_hash
HAVING count(*) > 1
ORDER BY times DESC, first, example
LIMIT $top
