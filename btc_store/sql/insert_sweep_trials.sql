-- Keep the outcomes of a stretch of trials. Where two processes work on the same sweep, the longer stretch stays.
INSERT INTO sweep_trials (fingerprint, first, outcomes) VALUES ($1, $2::bigint, $3::json)
ON CONFLICT (fingerprint, first) DO UPDATE SET outcomes = EXCLUDED.outcomes
WHERE json_array_length(EXCLUDED.outcomes) > json_array_length(sweep_trials.outcomes)
