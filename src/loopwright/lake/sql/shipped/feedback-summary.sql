-- What was said of the calls, by endpoint and what was judged. Opens no text.
-- param since date = 1970-01-01 -- The first day.
-- param until date = 9999-12-31 -- The last day.
SELECT
    endpoint,
    name,
    kind,
    source,
    count(*) AS given,
    count(DISTINCT call_id) AS calls,
    round(100.0 * count(*) FILTER (value_bool) / nullif(count(value_bool), 0), 1) AS percent_true,
    round(avg(value_num), 3) AS mean,
    mode(value_label) AS mostly
FROM feedback
WHERE dt BETWEEN $since AND $until
GROUP BY ALL
ORDER BY endpoint, name, kind, source
