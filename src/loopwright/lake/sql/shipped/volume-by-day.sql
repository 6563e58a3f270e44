-- Calls, failures and tokens by day and endpoint.
-- param since date = 1970-01-01 -- The first day.
-- param until date = 9999-12-31 -- The last day.
-- param endpoint text = '' -- Only this endpoint; empty: all.
SELECT
    dt AS day,
    endpoint,
    count(*) AS calls,
    count(*) FILTER (outcome IS DISTINCT FROM 'ok') AS not_ok,
    sum(input_tokens)::BIGINT AS input_tokens,
    sum(output_tokens)::BIGINT AS output_tokens
FROM calls
WHERE dt BETWEEN $since AND $until AND ($endpoint = '' OR endpoint = $endpoint)
GROUP BY ALL
ORDER BY day, endpoint
