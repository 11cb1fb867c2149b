-- Write down what a sweep was asked; the same one is there already where it was begun before.
INSERT INTO sweeps (fingerprint, strategy, request, n_trials) VALUES ($1, $2, $3::jsonb, $4::bigint)
ON CONFLICT (fingerprint) DO NOTHING
