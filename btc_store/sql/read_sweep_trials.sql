-- The stretches of trials that are finished, ascending.
SELECT first, outcomes::text AS outcomes FROM sweep_trials WHERE fingerprint = $1 ORDER BY first
