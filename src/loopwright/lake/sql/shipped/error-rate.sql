-- Share of calls that did not end well, by endpoint and model, and what went wrong most.
-- param since date = 1970-01-01 -- The first day.
-- param until date = 9999-12-31 -- The last day.
SELECT
    endpoint,
    coalesce(model_version, model) AS model,
    count(*) AS calls,
    count(*) FILTER (outcome <> 'ok') AS errors,
    round(100.0 * count(*) FILTER (outcome <> 'ok') / count(*), 2) AS percent,
    mode(coalesce(error_type, outcome)) FILTER (outcome <> 'ok') AS mostly
FROM calls
WHERE dt BETWEEN $since AND $until
GROUP BY ALL
ORDER BY percent DESC, calls DESC, endpoint, model
