-- How long answers and their first token take, in milliseconds, by endpoint and model.
-- param since date = 1970-01-01 -- The first day.
-- param until date = 9999-12-31 -- The last day.
SELECT
    endpoint,
    coalesce(model_version, model) AS model,
    count(latency_ms) AS calls,
    quantile_disc(latency_ms, 0.5) AS p50,
    quantile_disc(latency_ms, 0.9) AS p90,
    quantile_disc(latency_ms, 0.99) AS p99,
    max(latency_ms) AS longest,
    quantile_disc(ttft_ms, 0.5) AS first_token_p50,
    quantile_disc(ttft_ms, 0.99) AS first_token_p99
FROM calls
WHERE dt BETWEEN $since AND $until
GROUP BY ALL
HAVING count(latency_ms) > 0
ORDER BY p99 DESC, endpoint, model
