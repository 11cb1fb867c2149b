-- How channels do, and how much waits for each; a channel that nobody has tried is there if something waits for it.
SELECT name, coalesce(n_failed, 0) AS n_failed, next_at, error, alert_channels.sent_at, coalesce(n_waiting, 0) AS n_waiting,
       oldest
FROM alert_channels FULL JOIN (
  SELECT channel AS name, count(*) AS n_waiting, min(created_at) AS oldest
  FROM alert_deliveries JOIN alert_messages ON id = message_id
  WHERE alert_deliveries.sent_at IS NULL GROUP BY channel) AS waiting USING (name)
ORDER BY name
