-- Tokens and what they cost, by model. The cost is in US dollars, of calls that tell it.
-- param since date = 1970-01-01 -- The first day.
-- param until date = 9999-12-31 -- The last day.
SELECT
    coalesce(model_version, model) AS model,
    count(*) AS calls,
    sum(input_tokens)::BIGINT AS input_tokens,
    sum(cache_read_tokens)::BIGINT AS cached,
    sum(output_tokens)::BIGINT AS output_tokens,
    sum(reasoning_tokens)::BIGINT AS reasoning,
    count(*) FILTER (tokens_estimated) AS estimated,
    round(sum(cost_micro_usd) / 1e6, 4) AS cost_usd
FROM calls
WHERE dt BETWEEN $since AND $until
GROUP BY ALL
ORDER BY cost_usd DESC NULLS LAST, output_tokens DESC NULLS LAST, model
