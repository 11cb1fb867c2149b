-- A paper account as it was left, and the earliest funding rate that was written since: a transaction may be committed a
-- quarter of an hour after the instant that its rows bear, and the clock set back after the account's.
SELECT started_at, config::text AS config, state::text AS state, n_restarts, (
  SELECT min(time) FROM funding
  WHERE funding.symbol = account.symbol AND ingested_at >= least(account.updated_at, now()) - interval '15 minutes'
    AND time >= account.started_at) AS late_funding
FROM paper_accounts AS account WHERE strategy = $1 AND symbol = $2 AND interval = $3
